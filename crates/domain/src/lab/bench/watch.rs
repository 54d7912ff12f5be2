//! What happens on the machine while a repetition runs: what taints it. What it costs is booked to its bill.

use std::time::Duration;

use super::case::Disturbance;
use crate::machine::Sample;
use crate::moment::Moment;

/// Other processes may take this share of the cores.
const MAX_OTHERS: f64 = 0.1;
/// Up to here other processes are no load at all, in cores: a desktop is never quite still.
const QUIET: f64 = 0.25;
/// A machine within so many degrees of a sensor's limit is hot.
const NEAR: f32 = 10.0;

/// The readings during a repetition.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Watch {
    began: Moment,
    pid: Option<u32>,
    /// How often heat had throttled a core when it began.
    n_throttled: Option<u64>,
    is_throttled: bool,
    n_cores: usize,
    /// Seconds of its time that samples cover, and core seconds of others therein.
    covered: f64,
    others: f64,
    mhz: Option<f64>,
    celsius: Option<f32>,
}

impl Watch {
    /// Begin to watch; `n_throttled` is how often heat had throttled a core before.
    pub fn new(began: Moment, pid: Option<u32>, n_throttled: Option<u64>) -> Self {
        Self {
            began,
            pid,
            n_throttled,
            is_throttled: false,
            n_cores: 1,
            covered: 0.0,
            others: 0.0,
            mhz: None,
            celsius: None,
        }
    }

    /// When the repetition began.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// Take a sample; `ended` is when the repetition ended, if it has. True once the samples reach its end.
    pub fn take(&mut self, sample: &Sample, ended: Option<Moment>) -> bool {
        let (from, to) = (sample.at.uptime.saturating_sub(sample.elapsed), sample.at.uptime);
        let (begin, end) = (self.began.uptime, ended.map_or(to, |ended| ended.uptime));
        let overlap = to.min(end).saturating_sub(from.max(begin));
        let inside = overlap.as_secs_f64();
        if inside > 0.0 {
            self.n_cores = sample.cores.len().max(1);
            if let Some(others) = self.pid.and_then(|pid| others(sample, pid)) {
                self.covered += inside;
                self.others += others * inside;
            }
            let clocks: Vec<f64> = sample.cores.iter().filter_map(|core| core.mhz).map(|mhz| mhz as f64).collect();
            if !clocks.is_empty() {
                self.mhz = Some(clocks.iter().sum::<f64>() / clocks.len() as f64);
            }
            self.celsius = hottest(sample).or(self.celsius);
            let more = self.n_throttled.zip(sample.limits.n_throttled).is_some_and(|(before, now)| now > before);
            self.is_throttled |= more || sample.gpus.iter().any(|gpu| gpu.held_by.contains("heat"));
        }
        ended.is_some() && to >= end
    }

    /// What taints the repetition, if anything is known to.
    pub fn disturbance(&self) -> Option<Disturbance> {
        if self.is_throttled {
            return Some(Disturbance::Throttled);
        }
        let allowed = (MAX_OTHERS * self.n_cores as f64).max(QUIET);
        self.others().filter(|others| *others > allowed).map(Disturbance::Busy)
    }

    /// Busy cores of other processes, the mean.
    pub fn others(&self) -> Option<f64> {
        (self.covered > 0.0).then(|| self.others / self.covered)
    }

    /// Mean clock of the cores at the last sample, MHz.
    pub fn mhz(&self) -> Option<f64> {
        self.mhz
    }

    /// The hottest sensor, °C.
    pub fn celsius(&self) -> Option<f32> {
        self.celsius
    }
}

/// Busy cores of all processes but this one and ourselves.
fn others(sample: &Sample, pid: u32) -> Option<f64> {
    let all = sample.cpu?.0 * sample.cores.len() as f64;
    let worker = sample.processes.iter().find(|process| process.pid == pid)?;
    // When first seen, its time is counted from its start.
    worker.cpu_share?;
    // Where ours is not shown, it counts among the others: a repetition is rather refused than kept.
    let own = sample.own.map_or(0.0, |own| own.cores);
    Some((all - worker.cores - own).max(0.0))
}

fn hottest(sample: &Sample) -> Option<f32> {
    let sensors = sample.temperatures.iter().map(|sensor| sensor.celsius.0);
    sensors.chain(sample.gpus.iter().filter_map(|gpu| gpu.temperature).map(|celsius| celsius.0)).reduce(f32::max)
}

/// Whether the machine should cool down before the next repetition.
pub fn is_hot(sample: &Sample) -> bool {
    let near = |sensor: &crate::machine::Temperature| {
        sensor.critical.is_some_and(|critical| sensor.celsius.0 > critical.0 - NEAR)
    };
    sample.temperatures.iter().any(near) || sample.gpus.iter().any(|gpu| gpu.held_by.contains("heat"))
}

/// Time without a sample after which a repetition is judged by what there is.
pub const LATE: Duration = Duration::from_secs(5);
