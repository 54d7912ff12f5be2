//! A race: what `taffrail race --json` prints, and what the history keeps of it and of the vote on it.

use serde::{Deserialize, Serialize};
use wire::Sampling;

use super::{Finished, ModelRef, Options, RaceEnergy, TokenCounts, VERSION};
use crate::lab::race::award::{Award, Winners};
use crate::lab::race::order::Order;
use crate::units::Bytes;

/// The schema of the document.
const SCHEMA: &str = "taffrail/race/1";

/// The document of a race. What is `None` is unknown, or hidden while the race is blind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct RaceDocument {
    pub schema: String,
    /// When it began, seconds since 1970.
    pub at: Option<i64>,
    pub prompt: String,
    pub system: Option<String>,
    pub stop: Vec<String>,
    pub order: Order,
    pub blind: bool,
    pub columns: Vec<RaceColumn>,
    pub winners: Option<WinnerNames>,
    pub vote: Option<VoteResult>,
}

impl Default for RaceDocument {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            at: None,
            prompt: String::new(),
            system: None,
            stop: Vec::new(),
            order: Order::default(),
            blind: false,
            columns: Vec::new(),
            winners: None,
            vote: None,
        }
    }
}

/// A column of a race.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct RaceColumn {
    pub name: String,
    pub model: Option<ModelRef>,
    pub settings: Option<ColumnSettings>,
    /// `None` where there is no answer.
    pub text: Option<String>,
    pub reasoning: Option<String>,
    pub finish: Option<Finished>,
    pub stopped_at_stop_text: bool,
    pub error: Option<ColumnError>,
    pub tokens: TokenCounts,
    pub load_ms: Option<f64>,
    pub ttft_ms: Option<f64>,
    /// The part of it that the engine spent by its own clock, where that is another program's and tells it: without the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_engine_ms: Option<f64>,
    /// What the answer cost, in the currency of the settings, where its engine has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    pub prompt_tokens_per_second: Option<f64>,
    pub generation_tokens_per_second: Option<f64>,
    pub memory: Option<Bytes>,
    pub energy: Option<RaceEnergy>,
    /// The settings that are not the defaults.
    pub options: Option<Options>,
}

/// How a column ran.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct ColumnSettings {
    pub context: Option<u32>,
    pub max_tokens: Option<u32>,
    pub sampling: Sampling,
}

/// Why a column failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnError {
    /// In one clause.
    pub reason: String,
    /// What could be done.
    #[serde(default)]
    pub hint: Option<String>,
}

/// Who won what, by the columns' names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WinnerNames {
    /// Least time to the first token.
    pub first: Vec<String>,
    /// Most generated tokens per second.
    pub fastest: Vec<String>,
    /// Least energy for the whole answer.
    pub most_frugal: Vec<String>,
    /// Why it can't be said whose that is.
    pub most_frugal_unknown: Option<String>,
    /// Fewest tokens.
    pub shortest: Vec<String>,
}

impl WinnerNames {
    /// Of the winners by their places.
    pub fn of(winners: &Winners, name: impl Fn(usize) -> String) -> Self {
        let names = |award| winners.of(award).iter().map(|place| name(*place)).collect();
        Self {
            first: names(Award::First),
            fastest: names(Award::Fastest),
            most_frugal: names(Award::LowestEnergy),
            most_frugal_unknown: winners.energy_unknown.clone(),
            shortest: names(Award::Shortest),
        }
    }

    /// The winners of an award.
    pub fn names(&self, award: Award) -> &[String] {
        match award {
            Award::First => &self.first,
            Award::Fastest => &self.fastest,
            Award::LowestEnergy => &self.most_frugal,
            Award::Shortest => &self.shortest,
        }
    }
}

/// The vote on a race.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VoteResult {
    /// The best column's name; `None` is a tie.
    pub winner: Option<String>,
    /// Whether it is a tie.
    pub tie: bool,
}

/// Where the columns of a race in lockstep diverge.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct DivergenceRecord {
    pub bytes_identical: usize,
    /// The last of what they say alike.
    pub before: String,
    pub same_tokens: bool,
    pub same_vocabulary: bool,
    pub together: bool,
    /// All that in a sentence.
    pub said: String,
    pub columns: Vec<DivergenceColumn>,
}

/// A column where it diverges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct DivergenceColumn {
    /// In the document of a command only: in a record names may be hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `None` where it has ended.
    pub token: Option<String>,
    pub index: Option<usize>,
    pub probable: Option<Vec<LikelyToken>>,
}

/// A token that was likely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelyToken {
    /// Its text.
    pub token: String,
    /// From 0 to 1; `None` where it was no number.
    pub probability: Option<f32>,
}

/// A race, or the vote on one, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RaceRecord {
    /// The version of this type.
    pub version: u32,
    /// The document.
    #[serde(flatten)]
    pub document: RaceDocument,
    /// Whether the columns report where they diverge.
    pub lockstep: bool,
    /// Where that is.
    pub divergence: Option<DivergenceRecord>,
    /// The program ended before the race did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

impl Default for RaceRecord {
    fn default() -> Self {
        Self {
            version: VERSION,
            document: RaceDocument::default(),
            lockstep: false,
            divergence: None,
            interrupted: false,
        }
    }
}
