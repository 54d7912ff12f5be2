//! What a session gets of a tick's energy.

use super::part::{MeteredPart, MissingMeter};
use super::work::WorkInterval;
use crate::figure::{Figure, Grade};
use crate::ids::SessionId;
use crate::units::{Joules, Watts};

/// A session's part of one meter.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Of which part of the machine.
    pub part: MeteredPart,
    /// By which meter.
    pub meter: String,
    /// Joules, with the share of idle energy.
    pub gross: f64,
    /// Joules above idle; `None` while the baseline is unknown.
    pub dynamic: Option<f64>,
    /// Seconds of the session's work that it pays for.
    pub covered: f64,
    /// How sure.
    pub grade: Grade,
    /// Whether others used it as well.
    pub is_shared: bool,
    /// Whether it is not based on a sensor.
    pub is_modelled: bool,
    /// Its source.
    pub source: String,
    /// Seconds between two of its updates.
    pub update: f64,
    /// The work that it pays for.
    pub intervals: Vec<WorkInterval>,
    /// Processor time of the session in it, seconds, where this part is split by that.
    pub cpu: Option<f64>,
    /// Seconds that the reading covers: a counter that reports late covers several ticks.
    pub seconds: f64,
    /// If the reading came late: the seconds that it covers, at whose ends the energy can't be attributed.
    pub late: f64,
}

impl Share {
    /// How much of its gross and dynamic energy is a interval's, in joules. Energy above idle goes by processor time where
    /// that is known of the intervals, for a model is loaded by one thread and answers with many; the rest goes by time.
    pub(crate) fn of_interval(&self, interval: &WorkInterval) -> (f64, Option<f64>) {
        let seconds: f64 = self.intervals.iter().map(WorkInterval::seconds).sum();
        let by_time = if seconds > 0.0 { interval.seconds() / seconds } else { 0.0 };
        let timed = || self.intervals.iter().filter(|interval| !interval.cpu.is_zero());
        let told: f64 = timed().map(|interval| interval.cpu.as_secs_f64()).sum();
        let untold = seconds - timed().map(WorkInterval::seconds).sum::<f64>();
        let by_cpu = match self.cpu.filter(|cpu| *cpu > 0.0 && told > 0.0) {
            None => by_time,
            // Both are rounded to the system's ticks.
            Some(cpu) if !interval.cpu.is_zero() => interval.cpu.as_secs_f64() / told * (told / cpu).min(1.0),
            Some(cpu) if untold > 0.0 => (1.0 - told / cpu).max(0.0) * interval.seconds() / untold,
            Some(_) => 0.0,
        };
        match self.dynamic {
            Some(dynamic) => {
                let own = dynamic * by_cpu;
                ((self.gross - dynamic) * by_time + own, Some(own))
            }
            None => (self.gross * by_cpu, None),
        }
    }
}

/// What a session gets of a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// Which session.
    pub session: SessionId,
    /// Its mean power, standby included.
    pub watts: Figure<Watts>,
    /// By meter.
    pub shares: Vec<Share>,
    /// Its standby.
    pub standby: Joules,
    /// The same as power, each meter over the seconds that its reading covers.
    pub(super) standby_watts: f64,
    /// Meters of its devices that had no reading.
    pub absent: Vec<MissingMeter>,
}
