//! A speed that was measured, and the keys by which two measurements compare.

use serde::{Deserialize, Serialize};

use crate::figure::Graded;
use crate::model::{Model, Store};
use crate::settings::{Devices, SessionSettings, WaitPolicy};

/// Under which circumstances a speed was measured: only equal ones compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The model's id.
    pub model: String,
    /// The hash of its file, or its size and time if the store has none.
    pub hash: String,
    /// taffrail's version and the engine's.
    pub build: String,
    /// Processor, GPUs and their drivers.
    pub driver: String,
    /// Settings that change speed, and the cell of a bench.
    pub settings: String,
}

/// One speed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Under which circumstances.
    #[serde(flatten)]
    pub series: Series,
    /// What was measured: `pp` reads a prompt, `tg` generates.
    pub what: String,
    /// Tokens per second, the mean.
    pub rate: Option<f64>,
    /// Standard deviation of single repetitions, tokens per second; `None` for a single one.
    pub spread: Option<f64>,
    /// Repetitions.
    pub n: u32,
    /// Gross joules per token, with its grade.
    #[serde(flatten, with = "joules")]
    pub joules: Option<Graded>,
}

/// An energy as it is written down, and read by who keeps records: nothing leaves without its grade.
pub(crate) mod joules {
    use serde::ser::SerializeMap as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::figure::{Graded, UNKNOWN};

    #[derive(Deserialize)]
    struct Kept {
        #[serde(default)]
        joules: Option<f64>,
        #[serde(default)]
        joules_grade: Option<String>,
        #[serde(default)]
        joules_relative_uncertainty: Option<f64>,
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(joules: &Option<Graded>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("joules", &joules.map(|joules| joules.value))?;
        map.serialize_entry("joules_grade", joules.map_or(UNKNOWN, Graded::word))?;
        map.serialize_entry("joules_relative_uncertainty", &joules.and_then(|joules| joules.relative))?;
        map.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Graded>, D::Error> {
        let Kept { joules, joules_grade, joules_relative_uncertainty } = Kept::deserialize(deserializer)?;
        Ok(Graded::kept(joules, joules_grade.as_deref(), joules_relative_uncertainty))
    }
}

/// What was measured last of a model.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latest {
    /// Generated tokens per second.
    pub rate: Option<f64>,
    /// Joules per generated token.
    #[serde(flatten, with = "joules")]
    pub joules: Option<Graded>,
    /// Time of the measurement, milliseconds since 1970; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

/// Identifies the content of a model's files: the store's own hash, else size and time of the first file.
pub fn file_hash(model: &Model) -> String {
    model.files.first().map_or_else(String::new, |file| match file.digest {
        Some(digest) => format!("{}:{digest}", digest.kind()),
        // It ships with the program: its modification time says nothing about its content.
        None if model.store == Store::Starter => format!("size:{}", file.size.0),
        None => format!("size:{} modified:{}", file.size.0, file.modified),
    })
}

/// The settings that change speed, as one text. `threads` is what the session really had, `wait` what its threads do
/// while they wait for each other.
pub fn settings_key(settings: &SessionSettings, threads: u32, wait: WaitPolicy) -> String {
    const NAMES: [&str; 8] =
        ["context", "batch", "ubatch", "gpu_layers", "cache_type_k", "cache_type_v", "flash_attention", "mmap"];
    let wait = wait.name();
    let mut key = format!("threads={threads} wait={wait}");
    for name in NAMES {
        key.push(' ');
        key.push_str(name);
        key.push('=');
        key.push_str(&settings.get(name).unwrap_or_default());
    }
    // What was measured before there was a choice has none.
    if settings.devices != Devices::Auto {
        key.push_str(" device=");
        key.push_str(&settings.devices.to_string());
    }
    key
}
