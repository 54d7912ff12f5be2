//! When the columns of a race answer.

use serde::{Deserialize, Serialize};

/// When the columns answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other: each loads, answers and is stopped, so that none disturbs another's figures.
    #[default]
    InTurn,
    /// All at once.
    Together,
}

impl Order {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::InTurn => "in turn",
            Self::Together => "at once",
        }
    }
}
