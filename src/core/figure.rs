//! A figure with its grade: how sure it is, where it comes from, or why it is not known.

use serde::{Deserialize, Serialize};

/// How a figure came about, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Read from a sensor or counter that covers exactly this.
    Measured,
    /// Measured as a whole, split by a model.
    Apportioned,
    /// Modelled.
    Estimated,
}

impl Grade {
    /// The mark that stands before the figure.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Measured => "",
            Self::Apportioned => "≈",
            Self::Estimated => "~",
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Apportioned => "apportioned",
            Self::Estimated => "estimated",
        }
    }
}

/// A value that may not be known. Unknown is never zero: it says why, and what would mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure<T> {
    /// Known.
    Known {
        /// The value.
        value: T,
        /// How sure.
        grade: Grade,
        /// Which sensor or formula, such as `powercap package-0`.
        source: String,
    },
    /// Not known.
    Unknown {
        /// Why, in one clause.
        reason: String,
        /// What the user can do; a command where there is one.
        remedy: Option<String>,
    },
}

impl<T> Figure<T> {
    /// A measured value.
    pub fn measured(value: T, source: impl Into<String>) -> Self {
        Self::Known { value, grade: Grade::Measured, source: source.into() }
    }

    /// A value that is not known.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown { reason: reason.into(), remedy: None }
    }

    /// The value, if it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// The grade, if the value is known.
    pub fn grade(&self) -> Option<Grade> {
        match self {
            Self::Known { grade, .. } => Some(*grade),
            Self::Unknown { .. } => None,
        }
    }

    /// The same figure with another value.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Figure<U> {
        match self {
            Self::Known { value, grade, source } => Figure::Known { value: with(value), grade, source },
            Self::Unknown { reason, remedy } => Figure::Unknown { reason, remedy },
        }
    }
}

impl<T: std::fmt::Display> std::fmt::Display for Figure<T> {
    /// The value behind its grade's mark, or `—`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known { value, grade, .. } => f.pad(&format!("{}{value}", grade.mark())),
            Self::Unknown { .. } => f.pad("—"),
        }
    }
}
