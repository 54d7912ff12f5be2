//! What loading a model would do, in words.

use super::{Candidate, Hold, LoadPlan, Outcome};
use crate::units::{counted, span};

impl LoadPlan {
    /// What it comes to, in one clause.
    pub fn summary(&self) -> String {
        let names = |all: &[Candidate]| all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        match &self.outcome {
            Outcome::Loaded(_) => "is loaded, or is about to be".to_owned(),
            Outcome::Fits => "fits".to_owned(),
            Outcome::Evicts(all) => format!("unloads {}", names(all)),
            Outcome::Waits(all) => format!("waits for {}", names(all)),
            Outcome::Refused { refusal, .. } => refusal.to_string(),
            Outcome::Unknown => "the memory has not been read".to_owned(),
        }
    }

    /// The sessions that would be unloaded or waited for, the first to go first.
    pub fn candidates(&self) -> &[Candidate] {
        match &self.outcome {
            Outcome::Evicts(all) | Outcome::Waits(all) => all,
            _ => &[],
        }
    }
}

impl Candidate {
    /// Why it goes, or why it does not yet, in one clause.
    pub fn reason(&self) -> String {
        match &self.hold {
            Some(hold) => hold.to_string(),
            None => self.idle.map_or_else(|| "idle".to_owned(), |idle| format!("idle for {}", span(idle))),
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy(count) => f.write_str(&counted(*count, "request")),
            Self::Loading => f.write_str("being loaded"),
            Self::Recent(left) => write!(f, "loaded a moment ago, stays for another {}", span(*left)),
            Self::Stopping => f.write_str("stopping"),
            Self::Job => f.write_str("works for a race, a bench, a suite or a scoring"),
        }
    }
}
