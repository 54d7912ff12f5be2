//! What each meter shows while nothing decodes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::figure::Grade;
use crate::units::Watts;

/// A baseline is a mean over so long.
pub const WINDOW: Duration = Duration::from_secs(30);

/// A calibration that has not ended after so long, for want of readings, never will.
const PATIENCE: Duration = Duration::from_mins(2);

/// The most baselines that are kept: two for each of many meters. Further ones are not learned.
pub const MAX_BASELINES: usize = 256;

/// Whether a model is loaded while nothing decodes. Without this distinction, the standby of a loaded model would
/// count as idle energy of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Idle {
    Empty,
    Loaded,
}

impl Idle {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Loaded => "loaded",
        }
    }
}

/// What a meter shows without work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The meter, such as `package-0`, and the device behind it: a baseline of another card is none of this one's.
    pub meter: String,
    /// The device.
    pub device: String,
    /// With a model loaded, or without.
    pub idle: Idle,
    /// The mean.
    pub watts: Watts,
    /// When it was seen, in seconds since 1970.
    pub unix: i64,
    /// Whether the user asked for it.
    pub is_calibrated: bool,
    /// Its grade. Estimates are never learned from, so one saved by an earlier version was measured.
    #[serde(default = "measured")]
    pub grade: Grade,
}

fn measured() -> Grade {
    Grade::Measured
}

/// A calibration that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Calibration {
    /// When it began, by the monotonic clock.
    pub since: Duration,
    /// What is calibrated.
    pub idle: Idle,
    /// Time watched so far, of [`WINDOW`].
    pub watched: Duration,
}

/// How a calibration went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalibrationState {
    /// None runs, or it goes on.
    Open,
    /// It is complete.
    Complete,
    /// It came to nothing.
    Broken(&'static str),
}

/// All baselines.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Baselines {
    /// What is known.
    pub known: Vec<Baseline>,
    /// The calibration that runs.
    pub calibration: Option<Calibration>,
    /// The last readings of each meter without work, newest last.
    #[serde(with = "crate::portable::pairs")]
    windows: BTreeMap<(String, String), VecDeque<(f64, f64)>>,
    /// What these readings are of.
    idle: Option<Idle>,
}

impl Baselines {
    /// The baseline of a meter.
    pub fn get(&self, meter: &str, device: &str, idle: Idle) -> Option<&Baseline> {
        self.known.iter().find(|known| known.meter == meter && known.device == device && known.idle == idle)
    }

    /// Take what an earlier run kept, unless this one knows better.
    pub fn recall(&mut self, kept: Vec<Baseline>) {
        for baseline in kept {
            let is_news = self.get(&baseline.meter, &baseline.device, baseline.idle).is_none();
            if is_news && self.known.len() < MAX_BASELINES && baseline.watts.0.is_finite() && baseline.watts.0 >= 0.0 {
                self.known.push(baseline);
            }
        }
    }

    /// What a next run should know.
    pub fn calibrated(&self) -> Vec<Baseline> {
        self.known.iter().filter(|known| known.is_calibrated).cloned().collect()
    }

    /// Begin a calibration.
    pub fn calibrate(&mut self, idle: Idle, now: Duration) {
        self.windows.clear();
        self.idle = Some(idle);
        self.calibration = Some(Calibration { since: now, idle, watched: Duration::ZERO });
    }

    /// A tick without work begins; `None` for one with it. Says what that ends.
    pub(super) fn turn(&mut self, idle: Option<Idle>, now: Duration) -> CalibrationState {
        if self.idle != idle {
            self.windows.clear();
            self.idle = idle;
        }
        let Some(calibration) = self.calibration else { return CalibrationState::Open };
        let broken = match idle {
            None => "an answer came between",
            Some(idle) if idle != calibration.idle => "a model was loaded or unloaded",
            Some(_) if now.saturating_sub(calibration.since) > PATIENCE => "no meter gave readings for 30 s",
            Some(_) => return CalibrationState::Open,
        };
        self.calibration = None;
        CalibrationState::Broken(broken)
    }

    /// A meter has not been read for some time: its readings no longer follow each other.
    pub(super) fn forget(&mut self) {
        self.windows.clear();
    }

    /// Take a meter's energy of a tick without work.
    pub(super) fn watch(&mut self, meter: &str, device: &str, seconds: f64, joules: f64, unix: i64) {
        let Some(idle) = self.idle else { return };
        if seconds <= 0.0 || self.windows.len() >= MAX_BASELINES {
            return;
        }
        let window = self.windows.entry((meter.to_owned(), device.to_owned())).or_default();
        window.push_back((seconds, joules));
        let mut watched: f64 = window.iter().map(|(seconds, _)| seconds).sum();
        let whole = WINDOW.as_secs_f64();
        while let Some((first, _)) = window.front().filter(|(first, _)| watched - first >= whole - 1e-6) {
            watched -= first;
            window.pop_front();
        }
        if watched < whole - 1e-6 || self.calibration.is_some() {
            return;
        }
        let mean = Watts(window.iter().map(|(_, joules)| joules).sum::<f64>() / watched);
        let lower = |known: &&mut Baseline| known.meter == meter && known.device == device && known.idle == idle;
        match self.known.iter_mut().find(lower) {
            Some(known) if known.watts.0 <= mean.0 => {}
            Some(known) => (known.watts, known.unix, known.is_calibrated) = (mean, unix, false),
            None => self.set(meter, device, idle, mean, unix, false),
        }
    }

    /// After all meters of a tick were watched.
    pub(super) fn progress(&mut self, unix: i64) -> CalibrationState {
        let Some(calibration) = &mut self.calibration else { return CalibrationState::Open };
        let seconds = |window: &VecDeque<(f64, f64)>| window.iter().map(|(seconds, _)| seconds).sum::<f64>();
        let least = self.windows.values().map(seconds).reduce(f64::min).unwrap_or(0.0);
        calibration.watched = Duration::from_secs_f64(least.clamp(0.0, WINDOW.as_secs_f64()));
        if least < WINDOW.as_secs_f64() - 1e-6 {
            return CalibrationState::Open;
        }
        let idle = calibration.idle;
        self.calibration = None;
        for ((meter, device), window) in std::mem::take(&mut self.windows) {
            let mean = Watts(window.iter().map(|(_, joules)| joules).sum::<f64>() / seconds(&window));
            self.known.retain(|known| known.meter != meter || known.device != device || known.idle != idle);
            self.set(&meter, &device, idle, mean, unix, true);
        }
        CalibrationState::Complete
    }

    fn set(&mut self, meter: &str, device: &str, idle: Idle, watts: Watts, unix: i64, is_calibrated: bool) {
        if self.known.len() < MAX_BASELINES {
            let (meter, device) = (meter.to_owned(), device.to_owned());
            self.known.push(Baseline { meter, device, idle, watts, unix, is_calibrated, grade: Grade::Measured });
        }
    }
}
