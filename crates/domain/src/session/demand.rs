//! How long a session that was loaded for requests stays.

use std::time::Duration;

use super::{JobState, Phase, Session};
use crate::demand::Wait;
use crate::keep_alive::KeepAlive;
use crate::moment::Moment;

impl Session {
    /// Why it is queued, in one clause; `None` where it is not.
    pub fn queue_reason(&self) -> Option<String> {
        if let Some(job) = self.waiting_job() {
            return Some(match &job.state {
                JobState::Pending { reason, hint: Some(hint) } => format!("{reason}: {hint}"),
                JobState::Pending { reason, hint: None } => reason.clone(),
                _ => "its job has started, and its worker is not connected yet".to_owned(),
            });
        }
        if self.phase != Phase::Queued {
            return None;
        }
        Some(match &self.demand.wait {
            None => "waits for the first reading of the memory".to_owned(),
            Some(Wait::Memory { needed, free, sessions }) => {
                let names: Vec<&str> = sessions.iter().map(|(_, name)| name.as_str()).collect();
                let of = if names.is_empty() { String::new() } else { format!(": waits for {}", names.join(", ")) };
                format!("needs {needed}, {free} are free{of}")
            }
            Some(Wait::Turn(_, name)) => format!("waits until {name} is loaded"),
        })
    }

    /// How long it stays loaded without being asked.
    pub fn keep_alive(&self) -> KeepAlive {
        if self.settings.residence.pinned {
            return KeepAlive::Forever;
        }
        let set = self.settings.residence.keep_alive;
        if self.demand.is_on_demand {
            self.demand.keep_alive.or(set).unwrap_or(KeepAlive::DEFAULT)
        } else {
            set.unwrap_or(KeepAlive::Forever)
        }
    }

    /// How long nothing has been asked of it; `None` where it is not loaded or something is.
    pub fn idle(&self, now: Moment) -> Option<Duration> {
        let is_idle = self.phase == Phase::Ready && !self.is_asked_for();
        is_idle.then(|| now.uptime.saturating_sub(self.since.uptime))
    }

    /// When it is unloaded if nothing is asked of it until then, as time from now; `None` where it stays or is not idle.
    pub fn expires_in(&self, now: Moment) -> Option<Duration> {
        match self.keep_alive() {
            KeepAlive::For(time) => Some(time.saturating_sub(self.idle(now)?)),
            KeepAlive::Forever => None,
        }
    }

    /// Whether it may be unloaded for another model: it was loaded for a request and is not pinned, and nobody talks to it
    /// on the screen, where its conversation would be lost.
    pub fn is_evictable(&self) -> bool {
        self.demand.is_on_demand && !self.settings.residence.pinned && self.turns.is_empty()
    }
}
