//! What each kind of record holds: typed, with a version, and read back from whatever earlier versions wrote.
//!
//! Owned here: the types of the bodies and the migrations. Absent: how a body is made (`answer`, `race::record`,
//! `bench::record`, `suite::results`), where it lies (`history`), and how it is shown (`report`).
//!
//! A body without a field has it from its default: unknown, or none. What an earlier version said otherwise is brought
//! to today's shape by a step of `migrate`, by version.

mod bench;
mod energy;
mod migrate;
mod race;
mod redact;
mod run;
mod suite;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::Kind;
pub use bench::{BenchChange, BenchDocument, BenchRecord, BenchRepetition, BenchRow, EarlierBench, StepTimes};
pub use energy::{AnswerEnergy, LoadEnergy, Provenance, RaceEnergy};
pub use migrate::VERSION;
pub use race::{
    Award, ColumnError, ColumnSettings, DivergenceColumn, DivergenceRecord, LikelyToken, RaceColumn, RaceDocument,
    RaceRecord, VoteResult, WinnerNames,
};
pub use redact::{BlindColumn, BlindRace};
pub use run::{Finished, MemoryUse, RooflineResult, RunDocument, RunRecord, RunSettings, SchemaResult, TurnRecord};
pub use suite::{PICK_SCHEMA, PickDocument, PromptText, SuiteDocument, SuiteModel, SuiteRecord};

/// The settings that are not the defaults, by name and as text.
pub type Options = BTreeMap<String, String>;

/// A model, as documents name it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelRef {
    /// Its id.
    pub id: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Its quantization.
    pub quant: Option<String>,
    /// The path of its first file.
    pub path: Option<String>,
}

impl ModelRef {
    /// Of a model.
    pub fn of(model: &crate::model::Model) -> Self {
        Self {
            id: Some(model.id.clone()),
            name: Some(model.name.clone()),
            quant: model.quant().map(str::to_owned),
            path: model.path_text().map(std::borrow::Cow::into_owned),
        }
    }
}

/// Tokens of an answer; what was not counted is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenCounts {
    /// Of the prompt, evaluated.
    pub prompt: Option<u32>,
    /// Of the prompt, in the context already; not counted in a race.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<u32>,
    /// Generated.
    pub generated: Option<u32>,
    /// Of these, reasoning.
    pub reasoning: Option<u32>,
}

/// All of a record, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Body {
    /// One answer of one model.
    Run(Box<RunRecord>),
    /// Several models on one prompt.
    Race(Box<RaceRecord>),
    /// The same with the vote on it.
    Vote(Box<RaceRecord>),
    /// A suite of prompts with checks.
    Suite(Box<SuiteRecord>),
    /// Speeds, measured.
    Bench(Box<BenchRecord>),
}

/// Why a body can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON, or not of this kind.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A newer version wrote it.
    #[error("it is of version {found}, and this program knows {VERSION} at most")]
    Newer {
        /// Its version.
        found: u32,
    },
}

impl Body {
    /// What it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Run(_) => Kind::Run,
            Self::Race(_) => Kind::Race,
            Self::Vote(_) => Kind::Vote,
            Self::Suite(_) => Kind::Suite,
            Self::Bench(_) => Kind::Bench,
        }
    }

    /// Read the JSON of a body of this kind, of this version or any earlier one.
    pub fn read(kind: Kind, text: &str) -> Result<Self, ReadError> {
        if migrate::is_current(text)? {
            return Ok(match kind {
                Kind::Run => Self::Run(serde_json::from_str(text)?),
                Kind::Race => Self::Race(serde_json::from_str(text)?),
                Kind::Vote => Self::Vote(serde_json::from_str(text)?),
                Kind::Suite => Self::Suite(serde_json::from_str(text)?),
                Kind::Bench => Self::Bench(serde_json::from_str(text)?),
            });
        }
        Self::from_value(kind, serde_json::from_str(text)?)
    }

    /// The same of a value.
    pub fn from_value(kind: Kind, mut value: Value) -> Result<Self, ReadError> {
        migrate::migrate(kind, &mut value)?;
        Ok(match kind {
            Kind::Run => Self::Run(serde_json::from_value(value)?),
            Kind::Race => Self::Race(serde_json::from_value(value)?),
            Kind::Vote => Self::Vote(serde_json::from_value(value)?),
            Kind::Suite => Self::Suite(serde_json::from_value(value)?),
            Kind::Bench => Self::Bench(serde_json::from_value(value)?),
        })
    }

    /// As JSON, as the history keeps it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Run(run) => serde_json::to_string(run),
            Self::Race(race) | Self::Vote(race) => serde_json::to_string(race),
            Self::Suite(suite) => serde_json::to_string(suite),
            Self::Bench(bench) => serde_json::to_string(bench),
        }
    }

    /// As JSON for a reader, indented.
    pub fn to_json_pretty(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Run(run) => serde_json::to_string_pretty(run),
            Self::Race(race) | Self::Vote(race) => serde_json::to_string_pretty(race),
            Self::Suite(suite) => serde_json::to_string_pretty(suite),
            Self::Bench(bench) => serde_json::to_string_pretty(bench),
        }
    }

    /// The answer, where it is one.
    pub fn run(&self) -> Option<&RunRecord> {
        if let Self::Run(run) = self { Some(run) } else { None }
    }

    /// The race, where it is one or the vote on one.
    pub fn race(&self) -> Option<&RaceRecord> {
        if let Self::Race(race) | Self::Vote(race) = self { Some(race) } else { None }
    }

    /// Whether the program ended before the record was complete.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Run(run) => run.document.finish == Some(Finished::Interrupted),
            Self::Race(race) | Self::Vote(race) => race.interrupted,
            Self::Suite(_) | Self::Bench(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
