//! A figure with its grade: how sure it is, where it comes from, or why it is not known.

use serde::{Deserialize, Serialize};

use super::units::{Ratio, digits};

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

/// A quantity with how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Uncertain {
    /// The quantity, in the unit that its user knows.
    pub value: f64,
    /// One standard uncertainty as a share of it: 0.06 is ±6 %.
    pub relative: f64,
}

impl Uncertain {
    /// So many times as much.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, ..self }
    }

    /// Where it lies: from as many times less to as many times more, so that a factor of two is a relative
    /// uncertainty of one.
    pub fn range(self) -> (f64, f64) {
        (self.value / (1.0 + self.relative), self.value * (1.0 + self.relative))
    }
}

impl Figure<Uncertain> {
    /// As its grade is written: `0.41 J ±6%`, `≈0.41 J`, `~0.41 J (0.21–0.82)`, `—`.
    pub fn graded(&self, unit: &str) -> String {
        let Self::Known { value: quantity, grade, .. } = self else { return "—".to_owned() };
        let value = digits(quantity.value);
        match grade {
            Grade::Measured => format!("{value} {unit} ±{}", Ratio(quantity.relative)),
            Grade::Apportioned => format!("{}{value} {unit}", grade.mark()),
            Grade::Estimated => {
                let (least, most) = quantity.range();
                format!("{}{value} {unit} ({}–{})", grade.mark(), digits(least), digits(most))
            }
        }
    }

    /// Without the uncertainty.
    pub fn plain(self) -> Figure<f64> {
        self.map(|quantity| quantity.value)
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
