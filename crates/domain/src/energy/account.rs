//! What an answer, or all of a session's answers, was charged.

use std::time::Duration;

use super::estimate;
use super::meters;
use super::part::{MeteredPart, MissingMeter};
use super::share::Share;
use super::work::WorkInterval;
use crate::figure::{Figure, Grade, Uncertain};
use crate::settings;
use crate::units::span;

/// A window shorter than this many updates of its sensor is not meaningful alone.
const MIN_UPDATES: f64 = 10.0;

/// Of the time that is to be metered, the share that must have been.
const MIN_COVERED: f64 = 0.5;

/// Where the time that was not metered is more than this times as long, the figure is no measured one any more.
const SMALL_GAP: f64 = 1.02;

/// The most meters without a reading that are noted: more than any machine has.
const MAX_ABSENT: usize = 64;

/// The split of the memory's energy is this many times as uncertain as that of the processor's: CPU time says little
/// about memory traffic.
const MEMORY: f64 = 2.0;

/// What makes an answer long enough.
const LONGER: &str = "ask for a longer answer (more `--max-tokens`)";

/// What makes shorter answers long enough: with a baseline they need not fill whole ticks.
pub(super) const CALIBRATE: &str = "press c on the Machine screen of `taffrail` to measure the idle baseline";

/// The two steps of an answer, which cost differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Step {
    Prompt,
    Generation,
}

/// What was charged.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct EnergyAccount {
    /// For reading prompts, what the context had already excluded.
    pub prompt: EnergyUsed,
    /// For generating.
    pub generation: EnergyUsed,
    /// Meters of its devices that had no reading at some time.
    pub absent: Vec<MissingMeter>,
    /// Prompt tokens and generated ones up to the last tick: those that it is for. What came since is in no reading yet,
    /// so that it would make each token look cheaper. `None` where no tick has been counted.
    pub tokens: Option<(u64, u64)>,
}

/// The energy of one step.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct EnergyUsed {
    /// Seconds of it, metered or not.
    pub seconds: f64,
    /// By meter.
    pub charges: Vec<EnergyEntry>,
}

/// The energy of one step by one meter.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EnergyEntry {
    /// Of which part of the machine.
    pub part: MeteredPart,
    /// The meter.
    pub meter: String,
    /// Joules, the idle share included.
    pub gross: f64,
    /// Joules above idle, as far as the baseline was known.
    pub dynamic: f64,
    /// Seconds that were metered.
    pub covered: f64,
    /// Of these, seconds in which the baseline was known.
    pub dynamic_covered: f64,
    /// Of `gross`, joules of times when others used the part as well.
    pub shared: f64,
    /// The worst grade so far.
    pub grade: Grade,
    /// Whether it is modelled without any sensor.
    pub is_modelled: bool,
    /// The meter's source.
    pub source: String,
    /// Seconds between two of its updates.
    pub update: f64,
    /// The most seconds that one late reading covered.
    pub late: f64,
}

impl EnergyAccount {
    /// Time passes that is to be metered.
    pub fn spend(&mut self, interval: &WorkInterval) {
        self.prompt.seconds += interval.prompt.as_secs_f64();
        self.generation.seconds += interval.decode.as_secs_f64();
    }

    /// Book the part of `share` that pays for `interval`, one of its intervals.
    pub fn book(&mut self, share: &Share, interval: &WorkInterval) {
        let seconds = interval.seconds();
        if seconds > 0.0 {
            let (prompt, generation) = (interval.prompt.as_secs_f64(), interval.decode.as_secs_f64());
            self.prompt.book(share, interval, prompt, seconds);
            self.generation.book(share, interval, generation, seconds);
        }
    }

    /// Both bills as one.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = Self {
            prompt: self.prompt.plus(&other.prompt),
            generation: self.generation.plus(&other.generation),
            ..self.clone()
        };
        sum.miss(&other.absent);
        sum
    }

    /// Seconds that it is for, metered or not.
    pub fn seconds(&self) -> f64 {
        self.prompt.seconds + self.generation.seconds
    }

    /// Record meters without a reading.
    pub fn miss(&mut self, absent: &[MissingMeter]) {
        for absent in absent {
            self.absent.retain(|known| known.meter != absent.meter);
            if self.absent.len() < MAX_ABSENT {
                self.absent.push(absent.clone());
            }
        }
    }

    /// The parts that were metered, as `[gpu+cpu]`.
    pub fn boundary(&self) -> String {
        let both = self.prompt.plus(&self.generation);
        let charges = both.metered(&self.absent).unwrap_or_default();
        let words: Vec<_> =
            MeteredPart::ALL.iter().filter(|part| charges.iter().any(|charge| charge.part == **part)).collect();
        format!("[{}]", words.into_iter().map(|part| part.word()).collect::<Vec<_>>().join("+"))
    }

    /// `GPU measured · CPU apportioned · DRAM —`.
    pub fn coverage(&self) -> String {
        let both = self.prompt.plus(&self.generation);
        let charges = both.metered(&self.absent).unwrap_or_default();
        let of = |part: MeteredPart| {
            let grade = charges.iter().filter(|charge| charge.part == part).map(|charge| charge.grade).max();
            format!("{} {}", part.word().to_uppercase(), grade.map_or("—", Grade::word))
        };
        MeteredPart::ALL.map(of).join(" · ")
    }

    /// Whether it is not based on a sensor, so that it can't be ranked.
    pub fn is_modelled(&self) -> bool {
        self.prompt.charges.iter().chain(&self.generation.charges).any(|charge| charge.is_modelled)
    }

    /// Which meters it was booked from.
    pub fn source(&self) -> String {
        let both = self.prompt.plus(&self.generation);
        let charges = both.metered(&self.absent).unwrap_or_default();
        charges.iter().map(|charge| charge.source.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// Seconds that were metered.
    pub fn metered(&self) -> f64 {
        self.prompt.covered() + self.generation.covered()
    }

    /// Joules of both steps. `why` is the reason if nothing was metered.
    pub fn answer(&self, settings: &settings::Energy, why: &Figure<()>) -> Figure<Uncertain> {
        let both = self.prompt.plus(&self.generation);
        self.stated(both.total(&self.absent, settings, |charge| (charge.gross, charge.covered)), why)
    }

    /// Joules of one step, gross or, as far as the baseline is known, above idle.
    pub fn step(
        &self,
        step: Step,
        is_dynamic: bool,
        settings: &settings::Energy,
        why: &Figure<()>,
    ) -> Figure<Uncertain> {
        let spent = match step {
            Step::Prompt => &self.prompt,
            Step::Generation => &self.generation,
        };
        let total = if is_dynamic {
            spent.total(&self.absent, settings, |charge| (charge.dynamic, charge.dynamic_covered))
        } else {
            spent.total(&self.absent, settings, |charge| (charge.gross, charge.covered))
        };
        let idle = if spent.charges.iter().any(|charge| charge.is_modelled) {
            Figure::unknown("an estimate does not include what would be drawn without it")
        } else {
            Figure::Unknown {
                reason: "no idle baseline yet: it takes 30 s without an answer".to_owned(),
                remedy: Some(CALIBRATE.to_owned()),
            }
        };
        self.stated(total, if is_dynamic && spent.covered() > 0.0 { &idle } else { why })
    }

    /// A total with its source, or why there is none.
    fn stated(&self, total: Total, why: &Figure<()>) -> Figure<Uncertain> {
        match total {
            Total::Known(value, grade) => {
                Figure::Known { value, grade, source: format!("{} {}", self.source(), self.boundary()) }
            }
            Total::Short { seconds, least, knows_idle } => Figure::Unknown {
                reason: format!("too short to be metered: {}, where the sensor needs {}", time(seconds), time(least)),
                remedy: Some(if knows_idle { LONGER.to_owned() } else { format!("{LONGER}; or {CALIBRATE}") }),
            },
            Total::Gaps { covered, seconds } => {
                Figure::unknown(format!("only {} of {} were metered", time(covered), time(seconds)))
            }
            Total::Absent(reason, remedy) => Figure::Unknown { reason, remedy },
            Total::None => why.clone().map(|()| Uncertain { value: 0.0, relative: 0.0 }),
        }
    }
}

fn time(seconds: f64) -> String {
    span(Duration::from_secs_f64(seconds.max(0.0)))
}

/// What a sum over the parts gives.
enum Total {
    Known(Uncertain, Grade),
    Short { seconds: f64, least: f64, knows_idle: bool },
    Gaps { covered: f64, seconds: f64 },
    Absent(String, Option<String>),
    None,
}

impl EnergyUsed {
    /// Book the `seconds` of a interval that took `of`.
    fn book(&mut self, share: &Share, interval: &WorkInterval, seconds: f64, of: f64) {
        if seconds <= 0.0 {
            return;
        }
        let portion = seconds / of;
        let (gross, dynamic) = share.of_interval(interval);
        let charge = self.charge(share);
        charge.gross += gross * portion;
        charge.covered += seconds;
        if let Some(dynamic) = dynamic {
            charge.dynamic += dynamic * portion;
            charge.dynamic_covered += seconds;
        }
        if share.is_shared {
            charge.shared += gross * portion;
        }
        charge.late = charge.late.max(share.late);
        charge.grade = charge.grade.max(share.grade);
        charge.is_modelled |= share.is_modelled;
        charge.update = charge.update.max(share.update);
    }

    /// The charge of a share's meter.
    fn charge(&mut self, share: &Share) -> &mut EnergyEntry {
        let index = self.charges.iter().position(|charge| charge.meter == share.meter).unwrap_or_else(|| {
            self.charges.push(EnergyEntry {
                part: share.part,
                meter: share.meter.clone(),
                gross: 0.0,
                dynamic: 0.0,
                covered: 0.0,
                dynamic_covered: 0.0,
                shared: 0.0,
                grade: Grade::Measured,
                is_modelled: false,
                source: share.source.clone(),
                update: 0.0,
                late: 0.0,
            });
            self.charges.len() - 1
        });
        &mut self.charges[index]
    }

    /// Seconds that some meter covered.
    pub fn covered(&self) -> f64 {
        self.charges.iter().map(|charge| charge.covered).fold(0.0, f64::max)
    }

    /// The charges that may be summed.
    fn metered<'a>(&'a self, absent: &'a [MissingMeter]) -> Result<Vec<&'a EnergyEntry>, &'a MissingMeter> {
        meters::metered(&self.charges, absent, |charge| (charge.part, &charge.meter))
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.seconds += other.seconds;
        for other in &other.charges {
            match sum.charges.iter_mut().find(|charge| charge.meter == other.meter) {
                Some(sum) => {
                    sum.gross += other.gross;
                    sum.dynamic += other.dynamic;
                    sum.covered += other.covered;
                    sum.dynamic_covered += other.dynamic_covered;
                    sum.shared += other.shared;
                    sum.grade = sum.grade.max(other.grade);
                    sum.is_modelled |= other.is_modelled;
                    sum.update = sum.update.max(other.update);
                    sum.late = sum.late.max(other.late);
                }
                None => sum.charges.push(other.clone()),
            }
        }
        sum
    }

    /// The sum over the meters, each carried over the seconds that it missed at its mean power. Its uncertainty is
    /// sqrt(sensor² + (update ÷ window)² + attribution²) by their weights; its grade is the worst. Sensors err each for
    /// itself. A split does not: packages and memory are split by the same processor time, so their errors add up.
    fn total(
        &self,
        absent: &[MissingMeter],
        settings: &settings::Energy,
        read: impl Fn(&EnergyEntry) -> (f64, f64),
    ) -> Total {
        let metered = match self.metered(absent) {
            Ok(metered) => metered,
            Err(absent) => return Total::Absent(absent.reason.clone(), absent.remedy.clone()),
        };
        let Some(mut grade) = metered.iter().map(|charge| charge.grade).max() else { return Total::None };
        let (mut value, mut variance) = (0.0, 0.0);
        // What the splits by processor time, by time on a card, and what a model may be off by.
        let mut splits = [0.0; 3];
        for charge in metered {
            let (joules, covered) = read(charge);
            let least = charge.update * MIN_UPDATES;
            if covered <= 0.0 {
                return Total::None;
            }
            if covered < self.seconds * MIN_COVERED {
                return Total::Gaps { covered, seconds: self.seconds };
            }
            if covered < least {
                let knows_idle = charge.is_modelled || charge.dynamic_covered > 0.0;
                return Total::Short { seconds: covered, least, knows_idle };
            }
            let gap = (self.seconds / covered).max(1.0);
            if gap > SMALL_GAP {
                grade = grade.max(Grade::Apportioned);
            }
            let joules = joules * gap;
            value += joules;
            let (own, split) = charge.relative(covered, settings);
            variance += (joules * own).powi(2);
            let kind = match charge.part {
                _ if charge.is_modelled => 2,
                MeteredPart::Gpu => 1,
                MeteredPart::Cpu | MeteredPart::Dram => 0,
            };
            splits[kind] += joules * split;
        }
        variance += splits.iter().map(|split| split.powi(2)).sum::<f64>();
        let relative = if value > 0.0 { variance.sqrt() / value } else { settings.sensor };
        Total::Known(Uncertain { value, relative }, grade)
    }
}

impl EnergyEntry {
    /// Its relative uncertainty over this many seconds: the sensor's, and the split's.
    fn relative(&self, covered: f64, settings: &settings::Energy) -> (f64, f64) {
        if self.is_modelled {
            return (0.0, estimate::FACTOR - 1.0);
        }
        let shared = if self.gross > 0.0 { (self.shared / self.gross).min(1.0) } else { 0.0 };
        let split = if self.part == MeteredPart::Dram { MEMORY * settings.tenancy } else { settings.tenancy * shared };
        let window = (self.update / covered).hypot((self.late / covered).min(1.0));
        (settings.sensor.hypot(window), split)
    }
}
