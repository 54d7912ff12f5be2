//! All of a record, by its kind.

use serde::Serialize;
use serde_json::Value;

use super::bench::BenchRecord;
use super::kind::Kind;
use super::migrate::{self, ReadError};
use super::race::RaceRecord;
use super::run::{Finished, RunRecord};
use super::suite::SuiteRecord;

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
