//! What a record is of.

use serde::{Deserialize, Serialize};

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One answer of one model.
    Run,
    /// Several models on one prompt.
    Race,
    /// A judgement over the answers of a race.
    Vote,
    /// A suite of prompts with checks.
    Suite,
    /// Speeds, measured.
    Bench,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Run, Self::Race, Self::Vote, Self::Suite, Self::Bench];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Race => "race",
            Self::Vote => "vote",
            Self::Suite => "suite",
            Self::Bench => "bench",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
