//! The machine while something ran.

use serde::{Deserialize, Serialize};

use crate::figure::Grade;

/// The machine at one instant. What could not be read is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Milliseconds after the begin of what is kept.
    pub after: u64,
    /// Power of what is metered, watts.
    pub watts: Option<f64>,
    /// How sure that is; `None` where it was not kept.
    #[serde(default, with = "grade")]
    pub watts_grade: Option<Grade>,
    /// Main memory that is used, bytes.
    pub memory: Option<u64>,
    /// The hottest sensor, degrees Celsius.
    pub celsius: Option<f64>,
    /// The clock of the fastest core, MHz.
    pub mhz: Option<f64>,
    /// Busy share of all cores, percent.
    pub busy: Option<f64>,
}

/// A grade as its word.
mod grade {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::figure::{Grade, UNKNOWN};

    #[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(grade: &Option<Grade>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(grade.map_or(UNKNOWN, Grade::word))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Grade>, D::Error> {
        let word = Option::<String>::deserialize(deserializer)?;
        Ok(word.as_deref().and_then(Grade::from_word))
    }
}
