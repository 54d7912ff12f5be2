//! Why a command is refused, and in spite of what a start goes ahead.

use std::time::Duration;

use crate::admission::AdmissionError;

/// What a start goes ahead in spite of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Force {
    /// Nothing.
    #[default]
    No,
    /// A check that refuses the model's file.
    File,
    /// That, and memory that does not suffice.
    All,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Refused {
    /// Why, in one clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
    /// What kind of reason it is.
    pub cause: Cause,
}

/// The kinds of reasons, for exit codes and dialogs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Cause {
    /// The command makes no sense as it is.
    Invalid,
    /// Its target is gone.
    NotFound,
    /// Something else must end first.
    Busy {
        /// When it is worth trying again, where that is known.
        retry_after: Option<Duration>,
    },
    /// A check refuses the model's file; [`Force::File`] starts it all the same.
    Unsafe,
    /// The model can't be run at all.
    NotRunnable,
    /// The memory does not suffice for one model.
    Memory(Box<AdmissionError>),
    /// The models don't fit in memory at once.
    MemoryTogether,
}

impl Cause {
    /// Something else must end first; it is not known when.
    pub const BUSY: Self = Self::Busy { retry_after: None };
}

impl Refused {
    /// A refusal without a hint.
    pub fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None, cause }
    }

    /// The same with what could be done.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.reason)
    }
}
