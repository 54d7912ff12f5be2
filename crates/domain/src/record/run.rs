//! An answer: what `taffrail run --json` prints, and what the history keeps of it.

use serde::{Deserialize, Serialize};
use wire::{DeviceMemory, Grammar, Role, Sampling, ToolCall};

use super::{AnswerEnergy, ModelRef, Options, TokenCounts, VERSION};
use crate::ids::ConversationKey;
use crate::session::End;
use crate::session::bound::Roofline;
use crate::session::memory_account::{Account, Misplaced};
use crate::units::Bytes;

/// The schema of the document.
const SCHEMA: &str = "taffrail/run/1";

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finished {
    /// The model ended its turn, or wrote a stop text.
    Stop,
    /// So many tokens were wanted.
    Length,
    /// The context is full.
    ContextFull,
    /// The user cancelled it.
    Cancelled,
    /// The program ended before it did.
    Interrupted,
}

impl Finished {
    /// From the worker's value.
    pub fn of(finish: wire::Finish) -> Self {
        match finish {
            wire::Finish::Stop | wire::Finish::StopText(_) => Self::Stop,
            wire::Finish::Length => Self::Length,
            wire::Finish::ContextFull => Self::ContextFull,
            wire::Finish::Cancelled => Self::Cancelled,
        }
    }

    /// The end that it tells of.
    pub fn end(self) -> End {
        End::Finished(match self {
            Self::Stop => wire::Finish::Stop,
            Self::Length => wire::Finish::Length,
            Self::ContextFull => wire::Finish::ContextFull,
            Self::Cancelled => wire::Finish::Cancelled,
            Self::Interrupted => return End::failed("the program ended before the answer did"),
        })
    }

    /// Whether it came to an end of its own, or to one that was set.
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Stop | Self::Length | Self::ContextFull)
    }
}

/// The document of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct RunDocument {
    pub schema: String,
    pub model: ModelRef,
    /// `None` where the model had no output, for there was no answer.
    pub text: Option<String>,
    pub reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    pub finish: Option<Finished>,
    pub stopped_at_stop_text: bool,
    pub json_schema: Option<SchemaResult>,
    /// Why it failed.
    pub error: Option<String>,
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
    pub memory: MemoryUse,
    /// `None` in a record of a version that did not know it.
    pub roofline: Option<RooflineResult>,
    pub energy: AnswerEnergy,
    pub settings: RunSettings,
}

impl Default for RunDocument {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            model: ModelRef::default(),
            text: None,
            reasoning: None,
            tool_calls: Vec::new(),
            finish: None,
            stopped_at_stop_text: false,
            json_schema: None,
            error: None,
            tokens: TokenCounts::default(),
            load_ms: None,
            ttft_ms: None,
            ttft_engine_ms: None,
            cost: None,
            prompt_tokens_per_second: None,
            generation_tokens_per_second: None,
            memory: MemoryUse::default(),
            roofline: None,
            energy: AnswerEnergy::default(),
            settings: RunSettings::default(),
        }
    }
}

/// How an answer obeys its schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SchemaResult {
    /// Whether it does.
    pub obeyed: bool,
    /// What it breaks, in one clause.
    pub breach: Option<String>,
    /// What of the schema was not held while the answer was written.
    pub not_held: Vec<String>,
}

/// Memory of a session, bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct MemoryUse {
    pub weights: Option<u64>,
    pub context: Option<u64>,
    pub compute: Option<u64>,
    pub total: Option<Bytes>,
    pub resident: Option<Bytes>,
    pub devices: Option<Vec<DeviceMemory>>,
    pub account: Option<Account>,
    pub misplaced: Option<Misplaced>,
}

/// How the answer compares with the roofline, or why that is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RooflineResult {
    /// It is known.
    Known(Roofline),
    /// It is not.
    Unknown {
        /// None.
        share: Option<f64>,
        /// Why, in one clause.
        reason: String,
    },
}

/// How the session ran.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct RunSettings {
    pub context: Option<u32>,
    pub gpu_layers: Option<u32>,
    pub sampling: Sampling,
}

/// A turn of the conversation before the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Who speaks.
    pub role: Role,
    /// The text.
    pub text: String,
    /// The tools that it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// An answer as the history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRecord {
    /// The version of this type.
    pub version: u32,
    /// The document.
    #[serde(flatten)]
    pub document: RunDocument,
    /// The conversation before the answer.
    pub turns: Vec<TurnRecord>,
    /// The settings that are not the defaults.
    pub options: Options,
    /// What the answer was held to.
    pub grammar: Option<Grammar>,
    /// Texts that end it.
    pub stop: Vec<String>,
    /// The system prompt of the model's store was left out.
    pub no_system: bool,
    /// The prompt went to the model without a template.
    pub raw: bool,
    /// The conversation that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationKey>,
}

impl Default for RunRecord {
    fn default() -> Self {
        Self {
            version: VERSION,
            document: RunDocument::default(),
            turns: Vec::new(),
            options: Options::new(),
            grammar: None,
            stop: Vec::new(),
            no_system: false,
            raw: false,
            conversation: None,
        }
    }
}
