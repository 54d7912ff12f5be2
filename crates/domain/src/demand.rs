//! What a session is loaded for and how long it stays, and models whose workers die again and again.
//!
//! Absent: when a model is loaded or unloaded (`update::demand`), and which one goes (`eviction`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::SessionId;
use crate::keep_alive::KeepAlive;
use crate::moment::Moment;
use crate::queue::Served;
use crate::settings::SessionSettings;
use crate::units::Bytes;

/// What the requests of others want of a session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// It was loaded for a request rather than by hand: idle time or another model unloads it.
    pub is_on_demand: bool,
    /// The keep-alive of the last request that set one; takes precedence over the settings.
    pub keep_alive: Option<KeepAlive>,
    /// It is to be loaded though no request waits for it.
    pub(crate) is_wanted: bool,
    /// What holds it up while it is queued.
    pub wait: Option<Wait>,
    /// It accepts no new requests: another model has waited long enough, or it is to be loaded with other settings.
    pub is_draining: bool,
    /// How it is to be loaded again once nothing runs in it.
    pub(crate) reload: Option<Box<SessionSettings>>,
    /// Since when its model is loaded.
    pub loaded: Option<Moment>,
    /// What each client has had.
    pub served: Served,
}

/// What a session that is queued waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Wait {
    /// Memory that these sessions hold, which end first or are unloaded once they may be.
    Memory {
        /// What it needs.
        needed: Bytes,
        /// What is free now.
        free: Bytes,
        /// The sessions with their names.
        sessions: Vec<(SessionId, String)>,
    },
    /// Another session that has waited longer, with its name.
    Turn(SessionId, String),
}

/// Models whose workers have died, by id. One that keeps dying is loaded at longer and longer intervals.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Crashes(BTreeMap<String, Crash>);

/// How often in a row a model's worker has died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// How often.
    pub count: u32,
    /// When last.
    pub at: Moment,
    /// How last, in one clause.
    pub reason: String,
}

impl Crashes {
    /// A worker that ran so long has not died at once, and deaths so long ago say nothing any more.
    pub const STABLE: Duration = Duration::from_mins(1);
    const FORGOTTEN: Duration = Duration::from_mins(10);
    /// The longest pause.
    const MAX_PAUSE: Duration = Duration::from_mins(1);
    /// Models that are remembered: no machine loads more within the time that is.
    const MAX: usize = 256;

    /// What is known of a model.
    pub fn of(&self, model: &str) -> Option<&Crash> {
        self.0.get(model)
    }

    /// A model's worker has died, `ran` after it was loaded. Gives how often in a row.
    pub(crate) fn add(&mut self, model: &str, reason: &str, ran: Option<Duration>, now: Moment) -> u32 {
        self.0.retain(|_, crash| now.uptime.saturating_sub(crash.at.uptime) < Self::FORGOTTEN);
        if self.0.len() >= Self::MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, crash)| crash.at).map(|(model, _)| model.clone())
        {
            self.0.remove(&oldest);
        }
        let is_new = ran.is_some_and(|ran| ran >= Self::STABLE);
        let before = self.0.get(model).filter(|_| !is_new).map_or(0, |crash| crash.count);
        let crash = Crash { count: before.saturating_add(1), at: now, reason: reason.to_owned() };
        let count = crash.count;
        self.0.insert(model.to_owned(), crash);
        count
    }

    /// How long a model is not loaded after it died so often in a row: after the first time not at all, then 2, 4, 8 …
    /// seconds.
    pub fn pause(count: u32) -> Duration {
        match count {
            0 | 1 => Duration::ZERO,
            count => Duration::from_secs(2u64.saturating_pow(count - 1)).min(Self::MAX_PAUSE),
        }
    }

    /// How long a model is still not loaded; `None` where it may be.
    pub fn left(&self, model: &str, now: Moment) -> Option<(Duration, &Crash)> {
        let crash = self.0.get(model)?;
        let left = Self::pause(crash.count).saturating_sub(now.uptime.saturating_sub(crash.at.uptime));
        (!left.is_zero()).then_some((left, crash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_dies_in_a_row_pauses_longer_each_time() {
        let at = |second| Moment { uptime: Duration::from_secs(second), unix: 0 };
        let seconds = Duration::from_secs;
        let mut crashes = Crashes::default();
        // When, how long it ran, how often in a row, the pause.
        for (second, ran, count, pause) in [
            (0, None, 1, 0),
            (1, Some(1), 2, 2),
            (10, None, 3, 4),
            (20, Some(59), 4, 8),
            (100, None, 5, 16),
            (120, None, 6, 32),
            (160, None, 7, 60),
            (300, None, 8, 60),
            // It ran for a while.
            (400, Some(60), 1, 0),
            (410, None, 2, 2),
            // It was long ago.
            (1100, None, 1, 0),
        ] {
            let now = at(second);
            assert_eq!(crashes.add("m", "killed", ran.map(seconds), now), count, "{second}");
            assert_eq!(Crashes::pause(count), seconds(pause), "{second}");
            assert_eq!(crashes.left("m", now).map(|(left, _)| left), (pause > 0).then_some(seconds(pause)), "{second}");
            assert_eq!(crashes.left("m", at(second + pause)), None, "{second}");
        }
        assert_eq!(crashes.left("other", at(0)), None);
    }
}
