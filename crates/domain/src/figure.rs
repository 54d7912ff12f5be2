//! A figure with its grade: how sure it is, where it comes from, or why it is not known.

use serde::{Deserialize, Serialize};

use crate::units::{Ratio, digits};

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
    /// The mark shown before the figure.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Measured => "",
            Self::Apportioned => "≈",
            Self::Estimated => "~",
        }
    }

    /// The grade of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Measured, Self::Apportioned, Self::Estimated].into_iter().find(|grade| grade.word() == word)
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

/// A value that may be unknown. Unknown is never zero: it has a reason, and a remedy if there is one.
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
    /// Multiplied by a factor.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, ..self }
    }

    /// Its range: from this many times less to this many times more, so that a factor of two is a relative uncertainty of one.
    pub fn range(self) -> (f64, f64) {
        (self.value / (1.0 + self.relative), self.value * (1.0 + self.relative))
    }
}

/// A quantity as stored in records: with its grade and uncertainty. In records of a version that stored neither, both
/// are unknown, and are shown as such.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Graded {
    /// The quantity, in the unit that its user knows.
    pub value: f64,
    /// How it came about; `None` where that was not kept.
    pub grade: Option<Grade>,
    /// One standard uncertainty as a share of it; `None` where that was not kept.
    pub relative: Option<f64>,
}

/// The word for a grade that is not known.
pub const UNKNOWN: &str = "unknown";

impl Graded {
    /// Of a figure; `None` where its value is unknown.
    pub fn of(figure: &Figure<Uncertain>) -> Option<Self> {
        let Figure::Known { value, grade, .. } = figure else { return None };
        Some(Self { value: value.value, grade: Some(*grade), relative: Some(value.relative) })
    }

    /// Of what was kept: a grade by its word, which may be one of another version.
    pub fn kept(value: Option<f64>, grade: Option<&str>, relative: Option<f64>) -> Option<Self> {
        Some(Self { value: value?, grade: grade.and_then(Grade::from_word), relative })
    }

    /// The word for its grade.
    pub fn word(self) -> &'static str {
        self.grade.map_or(UNKNOWN, Grade::word)
    }

    /// Where it lies, where that is known.
    pub fn range(self) -> Option<(f64, f64)> {
        Some(Uncertain { value: self.value, relative: self.relative? }.range())
    }

    /// In a column: the value behind its grade's mark, `?` where the grade is not known.
    pub fn brief(self) -> String {
        format!("{}{}", self.grade.map_or("?", Grade::mark), digits(self.value))
    }

    /// With the unit, formatted by its grade: `0.41 J/tok ±6%`, `≈0.41 J/tok ±25%`, `~0.41 J/tok (0.21–0.82)`, `?0.41 J/tok`.
    pub fn text(self, unit: &str) -> String {
        let space = if unit.is_empty() { "" } else { " " };
        let plain = format!("{}{space}{unit}", self.brief());
        match (self.grade, self.relative) {
            (Some(Grade::Estimated), Some(relative)) => {
                let (least, most) = Uncertain { value: self.value, relative }.range();
                format!("{plain} ({}–{})", digits(least), digits(most))
            }
            (Some(_), Some(relative)) => format!("{plain} ±{}", Ratio(relative)),
            _ => plain,
        }
    }

    /// Whether it is less than another beyond what both may be off: where they lie does not overlap. What is off by an
    /// unknown amount, or by as much as itself, is less than nothing.
    pub fn is_less(self, other: Self) -> bool {
        let (Some(own), Some(others)) = (self.relative, other.relative) else { return false };
        other.value - self.value > own * self.value + others * other.value
    }

    /// The mean of several, each by its weight: its grade is the worst, and what they may be off by is of one kind, so
    /// that it does not average out. `None` of none.
    pub fn mean(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        let all: Vec<Self> = all.into_iter().collect();
        let n = all.len() as f64;
        let sum: f64 = all.iter().map(|one| one.value).sum();
        let off: Option<f64> = all.iter().map(|one| Some(one.relative? * one.value)).sum();
        let grade: Option<Vec<Grade>> = all.iter().map(|one| one.grade).collect();
        let relative = off.filter(|_| sum > 0.0).map(|off| off / sum);
        (n > 0.0).then(|| Self { value: sum / n, grade: grade.and_then(|all| all.into_iter().max()), relative })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(value: f64, grade: Option<Grade>, relative: Option<f64>) -> Graded {
        Graded { value, grade, relative }
    }

    #[test]
    fn a_grade_goes_with_its_figure() {
        for (grade, relative, brief, text) in [
            (Some(Grade::Measured), Some(0.06), "0.41", "0.41 J/tok ±6%"),
            (Some(Grade::Apportioned), Some(0.25), "≈0.41", "≈0.41 J/tok ±25%"),
            (Some(Grade::Estimated), Some(1.0), "~0.41", "~0.41 J/tok (0.20–0.82)"),
            (None, None, "?0.41", "?0.41 J/tok"),
        ] {
            let one = graded(0.41, grade, relative);
            assert_eq!((one.brief().as_str(), one.text("J/tok").as_str()), (brief, text));
            assert_eq!(Graded::kept(Some(0.41), Some(one.word()), relative), Some(one), "it is read back");
        }
        assert_eq!(Graded::kept(None, Some("measured"), Some(0.1)), None);
    }

    #[test]
    fn a_difference_counts_beyond_what_both_may_be_off() {
        let measured = |value| graded(value, Some(Grade::Measured), Some(0.05));
        let estimated = |value| graded(value, Some(Grade::Estimated), Some(1.0));
        for (one, other, expected) in [
            (measured(1.0), measured(1.05), false),
            (measured(1.0), measured(1.2), true),
            (measured(1.2), measured(1.0), false),
            (estimated(1.0), estimated(100.0), false),
            (graded(1.0, None, None), measured(100.0), false),
        ] {
            assert_eq!(one.is_less(other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_mean_has_the_worst_grade() {
        let mean = Graded::mean([
            graded(1.0, Some(Grade::Measured), Some(0.25)),
            graded(3.0, Some(Grade::Apportioned), Some(0.75)),
        ]);
        assert_eq!(mean, Some(graded(2.0, Some(Grade::Apportioned), Some(0.625))));
        let old = Graded::mean([graded(1.0, Some(Grade::Measured), Some(0.1)), graded(3.0, None, None)]);
        assert_eq!(old, Some(graded(2.0, None, None)));
        assert_eq!(Graded::mean([]), None);
    }
}
