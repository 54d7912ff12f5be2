//! The ledger: one tick's energy, meter by meter, to whom it belongs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::baseline::{Baselines, CalibrationState, Idle};
use super::meters::{finish, is_part};
use super::part::{MeteredPart, MissingMeter};
use super::share::{Share, Shared};
use super::weights::Weights;
use super::work::{Consumer, Work};
use crate::figure::{Figure, Grade};
use crate::machine::{Domain, Power, Process, Sample};
use crate::units::{Joules, Watts};

/// A tick longer than this many periods means that the machine or the program was suspended: counters may have wrapped
/// more than once, so its energy is unattributed.
const MAX_PERIODS: u32 = 5;

/// However short the period, so long a tick is no such gap.
const SHORTEST_GAP: Duration = Duration::from_secs(5);

/// Who has at least this share of what a meter covers is its one consumer: what the others have is below the error that a
/// measured figure may have.
const ALONE: f64 = 0.98;

/// Ticks whose work is remembered, for a counter that pauses and reports their energy later.
const MAX_TICKS: usize = 60;

/// The maximum number of models with a separate standby figure.
const MAX_MODELS: usize = 1024;

/// Seconds between two readings of processor time, which the system counts in hundredths; the counters are finer.
const UPDATE_CPU: f64 = 0.01;

/// Seconds between two readings of a card's meter.
const UPDATE_GPU: f64 = 0.1;

/// Where the machine's energy goes.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Attribution {
    /// What the meters show without work.
    pub baselines: Baselines,
    /// The last tick, meter by meter.
    pub last: Vec<MeterAttribution>,
    /// What it was all together, and how long.
    pub tally: EnergyTotals,
    /// The same as mean power in watts: a counter that reports late covers more than the tick.
    pub power: EnergyTotals,
    /// The energy since the program's start.
    pub total: EnergyTotals,
    /// Since the program's start, by model id: what it cost to keep it loaded.
    pub standby: BTreeMap<String, Joules>,
    /// What the whole machine drew beyond what its parts explain, where a meter covers the whole.
    pub unexplained: Option<Watts>,
    /// Whether idle energy and standby were known since the start, in any tick.
    pub ever_known: (bool, bool),
    /// A session ended with work that no tick has taken.
    pub lost_consumer: bool,
    /// The work of the last ticks, newest first.
    recent: VecDeque<Remembered>,
    /// Ticks in a row without a reading, by meter.
    pending: BTreeMap<String, usize>,
}

/// Work is ignored when states are compared.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Remembered(Work);

impl PartialEq for Remembered {
    fn eq(&self, other: &Self) -> bool {
        self.0.elapsed == other.0.elapsed
    }
}

/// Energy by owner, in joules; together what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the owners, as the module's head explains them")]
pub struct EnergyTotals {
    pub seconds: f64,
    pub sessions: f64,
    pub foreign: f64,
    pub standby: f64,
    pub idle: f64,
    pub unattributed: f64,
}

impl EnergyTotals {
    /// All of it.
    pub fn measured(&self) -> f64 {
        self.sessions + self.foreign + self.standby + self.idle + self.unattributed
    }

    fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.foreign += other.foreign;
        self.standby += other.standby;
        self.idle += other.idle;
        self.unattributed += other.unattributed;
    }
}

/// One meter's energy by owner.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MeterAttribution {
    /// The meter.
    pub domain: Domain,
    /// Its name.
    pub name: String,
    /// By owner.
    pub tally: EnergyTotals,
    /// How sure the meter is.
    grade: Grade,
    /// Whether its idle power is known, and with and without a model separately, which gives standby.
    knows: (bool, bool),
    /// What a consumer with all of its work would have been given, in joules; `None` if it can't be attributed.
    whole: Option<f64>,
    /// Shares of work of others, by process, on a card.
    others: Vec<(u32, f64)>,
}

impl Attribution {
    /// Split a tick. `period` is how often ticks should come. Gives what each consumer gets, and a sentence for the user
    /// where a calibration ended by it.
    pub fn tick(&mut self, sample: &Sample, consumers: &[Consumer], period: Duration) -> (Vec<Shared>, Option<Ended>) {
        let lost = std::mem::take(&mut self.lost_consumer);
        let work = Work::of(sample, consumers, !lost);
        // So is one without length: the clock went back.
        let is_gap = sample.elapsed.is_zero() || sample.elapsed > SHORTEST_GAP.max(period * MAX_PERIODS);
        let is_active = work.active > 0.0 || lost;
        let idle = if consumers.iter().any(|consumer| consumer.is_loaded) { Idle::Loaded } else { Idle::Empty };
        let mut ended = self.baselines.turn((!is_active).then_some(idle), sample.at.uptime);
        if is_gap {
            self.baselines.forget();
            self.recent.clear();
            self.pending.clear();
        }
        if !sample.elapsed.is_zero() {
            self.recent.push_front(Remembered(work));
            self.recent.truncate(MAX_TICKS);
        }
        self.last.clear();
        self.tally = EnergyTotals { seconds: sample.elapsed.as_secs_f64(), ..EnergyTotals::default() };
        let none = |consumer: &Consumer| Shared {
            session: consumer.session,
            watts: Figure::unknown("no meter"),
            shares: Vec::new(),
            standby: Joules(0.0),
            standby_watts: 0.0,
            absent: Vec::new(),
        };
        let mut shared: Vec<_> = consumers.iter().map(none).collect();
        for power in sample.power.iter().filter(|power| power.adds && is_part(&power.domain)) {
            self.meter(sample, power, idle, is_gap, &mut shared);
        }
        self.total.add(&self.tally);
        self.total.seconds += self.tally.seconds;
        let (idle_known, standby_known) = self.knows();
        self.ever_known = (self.ever_known.0 || idle_known, self.ever_known.1 || standby_known);
        self.power = self.mean_power();
        self.unexplained = unexplained(sample);
        if ended == CalibrationState::Open && !is_active {
            ended = self.baselines.progress(sample.at.unix);
        }
        for (shared, consumer) in shared.iter_mut().zip(consumers) {
            finish(shared, consumer, sample);
        }
        let ended = match ended {
            CalibrationState::Open => None,
            CalibrationState::Complete => Some(Ended::Complete),
            CalibrationState::Broken(reason) => Some(Ended::Broken(reason)),
        };
        (shared, ended)
    }

    /// Split one meter's energy.
    fn meter(&mut self, sample: &Sample, power: &Power, idle: Idle, is_gap: bool, shared: &mut [Shared]) {
        let Some(Reading { energy, seconds, work, is_late }) = self.reading(sample, power) else { return };
        let device = device(sample, &power.domain);
        if is_gap {
            return self.nobody(power, energy, seconds);
        }
        let is_estimate = power.watts.grade() == Some(Grade::Estimated);
        if work.active <= 0.0 && !is_estimate {
            self.baselines.watch(&power.name, &device, seconds, energy, sample.at.unix);
        }
        let get = |idle| self.baselines.get(&power.name, &device, idle).map(|known| known.watts.0);
        let (empty, loaded) = (get(Idle::Empty), get(Idle::Loaded));
        let (base, standby) = match idle {
            Idle::Empty => (empty, None),
            // A machine that was never seen loaded idles at least as it does empty.
            Idle::Loaded => (loaded.or(empty), loaded.zip(empty).map(|(loaded, empty)| (loaded - empty).max(0.0))),
        };
        let weights = Weights::of(&power.domain, &power.name, &work);
        let cut = cut(energy, seconds, work.active.min(seconds), base, standby, &weights);
        let mut tally = EnergyTotals { seconds, foreign: cut.foreign, idle: cut.idle, ..EnergyTotals::default() };
        let part = MeteredPart::of(&power.domain);
        let held: Vec<f64> = work.rows.iter().map(|row| held(&power.domain, row)).collect();
        let all: f64 = held.iter().sum();
        for (index, (row, shared)) in work.rows.iter().zip(shared.iter_mut()).enumerate() {
            let weight = weights.rows.get(index).copied().unwrap_or(0.0);
            let (gross, dynamic) = (cut.gross * weight, cut.dynamic.map(|dynamic| dynamic * weight));
            tally.sessions += gross;
            if all > 0.0 && cut.standby > 0.0 {
                let standby = cut.standby * held.get(index).copied().unwrap_or(0.0) / all;
                shared.standby.0 += standby;
                shared.standby_watts += if seconds > 0.0 { standby / seconds } else { 0.0 };
                tally.standby += standby;
            }
            let is_on =
                !matches!(part, MeteredPart::Gpu) || row.on.keys().any(|card| power.domain == Domain::Gpu(*card));
            if let Some(reason) = weights.unclear.clone().filter(|_| is_on) {
                let remedy = Some("stop the others to meter this one".to_owned());
                shared.absent.push(MissingMeter { part, meter: power.name.clone(), reason, remedy });
                continue;
            }
            let is_read = matches!(part, MeteredPart::Gpu) || row.cpu.is_some();
            if !is_on || !is_read {
                continue;
            }
            let is_shared = weight < ALONE || weights.is_rough;
            let split = match part {
                MeteredPart::Dram => Grade::Estimated,
                _ if is_shared => Grade::Apportioned,
                _ => Grade::Measured,
            };
            let own = if matches!(part, MeteredPart::Gpu) { UPDATE_GPU } else { UPDATE_CPU };
            shared.shares.push(Share {
                part,
                meter: power.name.clone(),
                gross,
                dynamic,
                covered: row.seconds(),
                grade: split.max(power.watts.grade().unwrap_or(Grade::Estimated)),
                is_shared,
                is_modelled: is_estimate,
                source: source(power, part),
                // Without a baseline the idle energy of a tick that an answer fills only in part can't be separated
                // from the answer's.
                // An estimate has none, and is uncertain enough without.
                update: if base.is_some() || is_estimate { own } else { own.max(sample.elapsed.as_secs_f64()) },
                intervals: row.intervals.clone(),
                cpu: if matches!(part, MeteredPart::Gpu) { None } else { row.cpu },
                seconds,
                late: if is_late { seconds } else { 0.0 },
            });
        }
        tally.unattributed = energy - tally.measured();
        self.tally.add(&tally);
        self.last.push(MeterAttribution {
            domain: power.domain.clone(),
            name: power.name.clone(),
            tally,
            grade: power.watts.grade().unwrap_or(Grade::Measured),
            knows: (base.is_some(), base.is_some() && (idle == Idle::Empty || standby.is_some())),
            // Without a baseline no work can be separated from what an idle machine draws.
            whole: (weights.unclear.is_none() && (base.is_some() || work.active > 0.0)).then_some(cut.gross),
            others: others(sample, power, &work, &weights),
        });
    }

    /// A meter's energy with the seconds and the work that it covers. After ticks without a reading it may cover those
    /// as well, as a counter that stood still does, or not, as one that was reset: energy ÷ power tells.
    fn reading(&mut self, sample: &Sample, power: &Power) -> Option<Reading> {
        let elapsed = sample.elapsed.as_secs_f64();
        let pending = self.pending.entry(power.name.clone()).or_default();
        let watts = power.watts.value().map(|watts| watts.0);
        let energy = power.energy.map(|energy| energy.0).or(watts.map(|watts| watts * elapsed));
        let Some(energy) = energy.filter(|energy| energy.is_finite() && *energy >= 0.0 && elapsed > 0.0) else {
            *pending = (*pending + 1).min(MAX_TICKS);
            return None;
        };
        let missed = std::mem::take(pending);
        let covers = watts.filter(|watts| missed > 0 && *watts > 0.0).map_or(elapsed, |watts| energy / watts);
        let mut ticks = 0;
        let mut seconds = 0.0;
        for tick in self.recent.iter().take(missed + 1) {
            if ticks > 0 && seconds + tick.0.elapsed / 2.0 > covers {
                break;
            }
            seconds += tick.0.elapsed;
            ticks += 1;
        }
        let work = Work::sum(self.recent.iter().take(ticks).map(|tick| &tick.0));
        // The work is known by whole ticks, and the energy over the period that the meter reports.
        let seconds = if missed > 0 && covers > 0.0 { covers } else { seconds };
        Some(Reading { energy, seconds, work, is_late: ticks > 1 })
    }

    /// Record a meter's energy as unattributed.
    fn nobody(&mut self, power: &Power, energy: f64, seconds: f64) {
        let tally = EnergyTotals { seconds, unattributed: energy, ..EnergyTotals::default() };
        self.tally.add(&tally);
        let (domain, name) = (power.domain.clone(), power.name.clone());
        let grade = power.watts.grade().unwrap_or(Grade::Measured);
        self.last.push(MeterAttribution {
            domain,
            name,
            tally,
            grade,
            whole: None,
            others: Vec::new(),
            knows: (false, false),
        });
    }

    /// Mean power by owner, each meter over the seconds that its reading covers; the seconds are those of the tick.
    fn mean_power(&self) -> EnergyTotals {
        let mut power = EnergyTotals { seconds: self.tally.seconds, ..EnergyTotals::default() };
        for division in self.last.iter().filter(|division| division.tally.seconds > 0.0) {
            let over = 1.0 / division.tally.seconds;
            let EnergyTotals { sessions, foreign, standby, idle, unattributed, .. } = division.tally;
            power.add(&EnergyTotals {
                seconds: 0.0,
                sessions: sessions * over,
                foreign: foreign * over,
                standby: standby * over,
                idle: idle * over,
                unattributed: unattributed * over,
            });
        }
        power
    }

    /// Whether the idle energy of the last tick is known, and the standby of models: unknown of one meter, it is unknown
    /// of all together.
    pub fn knows(&self) -> (bool, bool) {
        let all = |read: fn(&MeterAttribution) -> bool| !self.last.is_empty() && self.last.iter().all(read);
        (all(|division| division.knows.0), all(|division| division.knows.1))
    }

    /// How sure the meters of the last tick are: the worst of them; `None` without one.
    pub fn grade(&self) -> Option<Grade> {
        self.last.iter().map(|division| division.grade).max()
    }

    /// Book standby to a model, by its id.
    pub fn keep(&mut self, model: String, standby: Joules) {
        if self.standby.len() < MAX_MODELS || self.standby.contains_key(&model) {
            self.standby.entry(model).or_default().0 += standby.0;
        }
    }

    /// Mean power of a process that runs no session of ours over the last tick, by the same weights as ours.
    pub fn foreign_power(&self, process: &Process) -> Figure<Watts> {
        let mut watts = None;
        // A split of an estimate is one.
        let mut grade = Grade::Apportioned;
        for division in self.last.iter().filter(|division| division.tally.seconds > 0.0) {
            let seconds = division.tally.seconds;
            let Some(whole) = division.whole else { continue };
            let share = if matches!(division.domain, Domain::Gpu(_)) {
                division.others.iter().find(|(pid, _)| *pid == process.pid).map(|(_, share)| *share)
            } else {
                process.cpu_share.map(|share| share.0)
            };
            if let Some(share) = share {
                *watts.get_or_insert(0.0) += whole * share / seconds;
                grade = grade.max(division.grade);
            }
        }
        let source = || self.last.iter().map(|division| division.name.as_str()).collect::<Vec<_>>().join(" + ");
        match watts {
            Some(watts) => Figure::Known { value: Watts(watts), grade, source: source() },
            None => match self.last.iter().find(|division| division.whole.is_none()) {
                Some(division) if division.grade == Grade::Estimated => {
                    Figure::unknown("an estimate does not include what would be drawn without it")
                }
                Some(_) => Figure::unknown("what the machine draws without work is not known yet"),
                None => Figure::unknown("no meter, or no reading of this process"),
            },
        }
    }
}

/// How a calibration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; the reason is a clause")]
pub enum Ended {
    Complete,
    Broken(&'static str),
}

/// A meter's energy with the seconds and the work that it covers.
struct Reading {
    energy: f64,
    seconds: f64,
    work: Work,
    /// Whether it covers more than the tick in which it came.
    is_late: bool,
}

/// A meter's energy, cut in what goes by weight and what does not.
struct Split {
    /// What goes by weight, the idle share included.
    gross: f64,
    /// Of it, what is above idle.
    dynamic: Option<f64>,
    foreign: f64,
    standby: f64,
    idle: f64,
}

/// Cut `energy` of `seconds`, of which sessions were busy for `active`.
fn cut(energy: f64, seconds: f64, active: f64, base: Option<f64>, standby: Option<f64>, weights: &Weights) -> Split {
    let busy = if seconds > 0.0 { active / seconds } else { 0.0 };
    let (gross, dynamic, idle) = match base {
        Some(base) => {
            let idle = (base * seconds).min(energy);
            let dynamic = energy - idle;
            (dynamic + idle * busy, Some(dynamic), idle * (1.0 - busy))
        }
        // Idle energy can't be separated from other processes' work, but a session that worked is charged for it.
        None if active > 0.0 => (energy, None, 0.0),
        None => (0.0, None, 0.0),
    };
    let standby = standby.map_or(0.0, |watts| (watts * (seconds - active)).clamp(0.0, idle));
    Split { gross, dynamic, foreign: gross * weights.foreign, standby, idle: idle - standby }
}

/// Bytes that a session holds of what a meter covers.
fn held(domain: &Domain, row: &super::work::Row) -> f64 {
    match domain {
        Domain::Gpu(index) => row.on.get(index).copied().unwrap_or(0.0),
        _ => row.resident,
    }
}

/// The device behind a meter.
fn device(sample: &Sample, domain: &Domain) -> String {
    match domain {
        Domain::Gpu(index) => sample.gpus.iter().find(|gpu| gpu.index == *index).map(|gpu| gpu.name.clone()),
        _ => Some(sample.host.processor.clone()),
    }
    .unwrap_or_default()
}

fn source(power: &Power, part: MeteredPart) -> String {
    let Figure::Known { source, grade, .. } = &power.watts else { return power.name.clone() };
    match part {
        _ if *grade == Grade::Estimated => source.clone(),
        MeteredPart::Gpu => source.clone(),
        MeteredPart::Cpu | MeteredPart::Dram => format!("{source} by CPU time"),
    }
}

/// Shares of other processes' work on a card, so that their energy can be shown separately.
fn others(sample: &Sample, power: &Power, work: &Work, weights: &Weights) -> Vec<(u32, f64)> {
    let Domain::Gpu(index) = power.domain else { return Vec::new() };
    let Some(gpu) = sample.gpus.iter().find(|gpu| gpu.index == index) else { return Vec::new() };
    let told: f64 = work.others.get(&index).and_then(|others| others.seconds).unwrap_or(0.0);
    if told <= 0.0 {
        return Vec::new();
    }
    let scale = weights.foreign * work.elapsed / told;
    gpu.shares.iter().map(|(pid, share)| (*pid, share.0 * scale)).collect()
}

/// What the whole machine drew beyond its parts. A platform's meter is sometimes below its package's, which explains
/// nothing.
fn unexplained(sample: &Sample) -> Option<Watts> {
    let is_whole = |power: &&Power| matches!(power.domain, Domain::Platform | Domain::Battery);
    let whole = sample.power.iter().filter(is_whole).find_map(|power| power.watts.value())?;
    let parts = sample.total_power()?;
    (whole.0 >= parts.0).then_some(Watts(whole.0 - parts.0))
}
