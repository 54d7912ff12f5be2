//! The energy of an answer in documents: figures, their grade, and why one is unknown.

use serde::{Deserialize, Serialize};

use crate::energy::Report;
use crate::figure::{Figure, Grade, Graded, UNKNOWN};

/// How an energy came about, or why it is unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Provenance {
    /// It is known.
    Known {
        /// How it came about.
        grade: Grade,
        /// One standard uncertainty as a share of it.
        #[serde(default)]
        relative_uncertainty: Option<f64>,
        /// Where it lies.
        #[serde(default)]
        range_joules: Option<(f64, f64)>,
        /// What was metered.
        #[serde(default)]
        boundary: Option<String>,
        /// How well each part was.
        #[serde(default)]
        coverage: Option<String>,
        /// Which sensor or formula.
        #[serde(default)]
        source: Option<String>,
        /// Seconds that were metered.
        #[serde(default)]
        metered_s: Option<f64>,
    },
    /// It is not.
    Unknown {
        /// The word for that.
        grade: String,
        /// Why, in one clause.
        #[serde(default)]
        reason: Option<String>,
        /// What the user can do.
        #[serde(default)]
        remedy: Option<String>,
    },
}

impl Provenance {
    /// Of a report's energy.
    pub fn of(report: &Report) -> Self {
        match &report.energy {
            Figure::Known { value, grade, source } => Self::Known {
                grade: *grade,
                relative_uncertainty: Some(value.relative),
                range_joules: Some(value.range()),
                boundary: Some(report.boundary.clone()),
                coverage: Some(report.coverage.clone()),
                source: Some(source.clone()),
                metered_s: Some(report.metered),
            },
            Figure::Unknown { reason, remedy } => Self::unknown(Some(reason.clone()), remedy.clone()),
        }
    }

    /// Of an energy that is unknown.
    pub fn unknown(reason: Option<String>, remedy: Option<String>) -> Self {
        Self::Unknown { grade: UNKNOWN.to_owned(), reason, remedy }
    }

    /// Why it is unknown.
    pub fn reason(&self) -> Option<&str> {
        if let Self::Unknown { reason, .. } = self { reason.as_deref() } else { None }
    }

    /// A figure with this grade.
    pub fn graded(&self, value: Option<f64>) -> Option<Graded> {
        let (grade, relative) = match self {
            Self::Known { grade, relative_uncertainty, .. } => (Some(*grade), *relative_uncertainty),
            Self::Unknown { .. } => (None, None),
        };
        Some(Graded { value: value?, grade, relative })
    }
}

impl Default for Provenance {
    fn default() -> Self {
        Self::unknown(None, None)
    }
}

/// The energy of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerEnergy {
    /// Of prompt and generation.
    pub joules: Option<f64>,
    /// Of generation, per generated token.
    pub joules_per_token: Option<f64>,
    /// The part of that above idle.
    pub dynamic_joules_per_token: Option<f64>,
    /// Of the prompt, per evaluated token.
    pub joules_per_prompt_token: Option<f64>,
    /// The joules as watt-hours.
    pub watt_hours: Option<f64>,
    /// Grams of CO₂ equivalent.
    pub g_co2e: Option<f64>,
    /// In `currency`.
    pub cost: Option<f64>,
    /// The user's.
    pub currency: Option<String>,
    /// Of loading the model, which is no answer's.
    pub load: LoadEnergy,
    /// How it came about.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// The energy of loading a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadEnergy {
    /// How much.
    pub joules: Option<f64>,
    /// The word for its grade.
    pub grade: String,
    /// One standard uncertainty as a share of it.
    pub relative_uncertainty: Option<f64>,
}

impl Default for LoadEnergy {
    fn default() -> Self {
        Self { joules: None, grade: UNKNOWN.to_owned(), relative_uncertainty: None }
    }
}

/// The energy of a column's answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RaceEnergy {
    /// Of prompt and generation.
    pub joules: Option<f64>,
    /// Of generation, per generated token.
    pub joules_per_token: Option<f64>,
    /// The part of that above idle.
    pub dynamic_joules_per_token: Option<f64>,
    /// What the joules per token are of: `generation`; a record of an earlier version does not say.
    pub joules_per_token_of: Option<String>,
    /// How it came about.
    #[serde(flatten)]
    pub provenance: Provenance,
}
