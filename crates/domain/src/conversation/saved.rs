//! The document of a conversation, and its way from and to turns.

use serde::{Deserialize, Serialize};
use wire::{Counters, Role, ToolCall};

use crate::energy::EnergyAccount;
use crate::figure::{Figure, Graded};
use crate::ids::ConversationKey;
use crate::model::Model;
use crate::record::run_record;
use crate::record::{self, Finished, ModelRef, Options, Record, energy_fields};
use crate::request::Figures;
use crate::session::{End, Session, Turn};
use crate::settings::{self, ChatSettings, SessionSettings};
use crate::units::Joules;

/// The schema of the document.
const SCHEMA: &str = "taffrail/conversation/1";

/// The version of [`Conversation`]: a field that is added needs no other one, a field that changes its meaning does, with a
/// step that reads the earlier one.
pub const VERSION: u32 = 1;

/// A conversation as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// Which document it is.
    pub schema: String,
    /// The version of this type.
    pub version: u32,
    /// What names it for ever.
    pub key: ConversationKey,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// The model that answers.
    pub model: ModelRef,
    /// When it began, milliseconds since 1970.
    pub created_ms: i64,
    /// Time of the last message, milliseconds since 1970.
    pub updated_ms: i64,
    /// The settings for its prompt.
    pub chat: ChatSettings,
    /// The settings of its session that are not the defaults.
    pub options: Options,
    /// Turns at the beginning that are no longer part of the prompt.
    pub n_dropped: usize,
    /// The messages.
    pub turns: Vec<SavedTurn>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedTurn {
    /// Who speaks.
    pub role: Role,
    /// Its text.
    pub text: String,
    /// What was thought before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// The tools that it calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// How an answer ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finished>,
    /// Why an answer failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The figures of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<SavedFigures>,
}

/// The figures of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedFigures {
    /// Tokens of the prompt that were evaluated.
    pub prompt_tokens: u32,
    /// Tokens that were generated, reasoning included.
    pub generated_tokens: u32,
    /// Of these, tokens of reasoning.
    pub reasoning_tokens: u32,
    /// Tokens in the context after it.
    pub context_tokens: u32,
    /// Tokens that context shift dropped from the middle of the context while it came.
    pub shifted_tokens: u32,
    /// Time of reading the prompt.
    pub prompt_ms: f64,
    /// Time to the first token.
    pub ttft_ms: Option<f64>,
    /// Time from the first token to the last.
    pub generation_ms: f64,
    /// Its energy.
    #[serde(flatten, with = "energy_fields")]
    pub joules: Option<Graded>,
}

/// A row of the list of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationEntry {
    /// Its number in the list of this machine.
    pub number: i64,
    /// What names it for ever.
    pub key: ConversationKey,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// The beginning of its first prompt.
    pub title: String,
    /// The id of its model.
    pub model: String,
    /// What the model is called.
    pub model_name: String,
    /// When it began, milliseconds since 1970.
    pub created_ms: i64,
    /// Time of the last message, milliseconds since 1970.
    pub updated_ms: i64,
    /// Prompts in it.
    pub n_prompts: u64,
}

/// Why a conversation can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadConversationError {
    /// It is no document of this kind.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A newer version wrote it.
    #[error("it is of version {found}, and this program knows {VERSION} at most")]
    Newer {
        /// Its version.
        found: u32,
    },
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: VERSION,
            key: ConversationKey::default(),
            name: None,
            model: ModelRef::default(),
            created_ms: 0,
            updated_ms: 0,
            chat: ChatSettings::default(),
            options: Options::new(),
            n_dropped: 0,
            turns: Vec::new(),
        }
    }
}

impl Default for SavedTurn {
    fn default() -> Self {
        Self {
            role: Role::User,
            text: String::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            finish: None,
            error: None,
            figures: None,
        }
    }
}

impl ConversationEntry {
    /// What it is listed as.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.title)
    }
}

impl Conversation {
    /// The longest name, in characters.
    pub const MAX_NAME: usize = 80;

    /// A new one with a model. Its options are the settings that are not the defaults.
    pub fn new(key: ConversationKey, model: &Model, settings: &SessionSettings, now_ms: i64) -> Self {
        Self {
            key,
            model: ModelRef::of(model),
            created_ms: now_ms,
            updated_ms: now_ms,
            options: record::options(settings),
            ..Self::default()
        }
    }

    /// The session's conversation in its current state.
    pub fn of(session: &Session, key: ConversationKey, energy: &settings::Energy, now_ms: i64) -> Self {
        Self {
            name: session.thread.name.clone(),
            created_ms: session.thread.created_ms,
            chat: session.chat.clone(),
            n_dropped: session.n_dropped,
            turns: session.turns.iter().map(|turn| SavedTurn::of(turn, energy)).collect(),
            ..Self::new(key, &session.model, &session.settings, now_ms)
        }
    }

    /// The conversation that a record of an answer holds; `None` of another kind, or of a prompt without a template.
    pub fn of_record(key: ConversationKey, record: &Record) -> Option<Self> {
        let run = record.body.run().filter(|run| !run.raw)?;
        let said = run.turns.iter().map(|turn| SavedTurn {
            role: turn.role,
            text: turn.text.clone(),
            tool_calls: turn.tool_calls.clone(),
            tool_call_id: turn.tool_call_id.clone(),
            ..SavedTurn::default()
        });
        let document = &run.document;
        let figures = SavedFigures {
            prompt_tokens: document.tokens.prompt.unwrap_or_default(),
            generated_tokens: document.tokens.generated.unwrap_or_default(),
            reasoning_tokens: document.tokens.reasoning.unwrap_or_default(),
            ttft_ms: document.ttft_ms,
            generation_ms: generation_ms(document.tokens.generated, document.generation_tokens_per_second),
            joules: document.energy.provenance.graded(document.energy.joules),
            ..SavedFigures::default()
        };
        let answer = document.text.as_ref().map(|text| SavedTurn {
            role: Role::Assistant,
            text: text.clone(),
            reasoning: document.reasoning.clone().unwrap_or_default(),
            tool_calls: document.tool_calls.clone(),
            finish: document.finish,
            error: document.error.clone(),
            figures: Some(figures),
            ..SavedTurn::default()
        });
        let (system, turns): (Vec<_>, Vec<_>) = said.chain(answer).partition(|turn| turn.role == Role::System);
        let system = system.into_iter().next().map(|turn| turn.text).or_else(|| run.no_system.then(String::new));
        Some(Self {
            key,
            model: document.model.clone(),
            created_ms: record.at,
            updated_ms: record.at,
            chat: ChatSettings { system, ..ChatSettings::default() },
            options: run.options.clone(),
            turns,
            ..Self::default()
        })
    }

    /// Read its JSON, of this version or any earlier one.
    pub fn read(text: &str) -> Result<Self, ReadConversationError> {
        let read: Self = serde_json::from_str(text)?;
        if read.version > VERSION {
            return Err(ReadConversationError::Newer { found: read.version });
        }
        Ok(Self { version: VERSION, schema: SCHEMA.to_owned(), ..read })
    }

    /// The name that the user gave it, else the beginning of its first prompt.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.title())
    }

    /// The beginning of its first prompt.
    pub fn title(&self) -> String {
        let first = self.turns.iter().find(|turn| turn.role == Role::User);
        first.map_or_else(String::new, |turn| run_record::title(&turn.text))
    }

    /// The turns, to go on from.
    pub fn restore(&self) -> Vec<Turn> {
        self.turns.iter().map(SavedTurn::restore).collect()
    }

    /// The settings of its session over others; what is no longer a setting is left out.
    pub fn settings(&self, mut over: SessionSettings) -> SessionSettings {
        for (name, value) in &self.options {
            let _ = over.set(name, value);
        }
        over
    }

    /// Its row in the list.
    pub fn entry(&self, number: i64) -> ConversationEntry {
        ConversationEntry {
            number,
            key: self.key,
            name: self.name.clone(),
            title: self.title(),
            model: self.model.id.clone().unwrap_or_default(),
            model_name: self.model.name.clone().unwrap_or_default(),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            n_prompts: self.turns.iter().filter(|turn| turn.role == Role::User).count() as u64,
        }
    }
}

/// The time of a generation by its tokens and its speed; 0 where one is unknown.
fn generation_ms(tokens: Option<u32>, rate: Option<f64>) -> f64 {
    let tokens = f64::from(tokens.unwrap_or_default().saturating_sub(1));
    rate.filter(|rate| *rate > 0.0).map_or(0.0, |rate| tokens / rate * 1e3)
}

impl SavedTurn {
    /// A turn as it is kept.
    pub fn of(turn: &Turn, energy: &settings::Energy) -> Self {
        let (finish, error) = match &turn.end {
            Some(End::Finished(finish)) => (Some(Finished::of(*finish)), None),
            Some(End::Failed { reason, .. }) => (None, Some(reason.clone())),
            None => (None, None),
        };
        Self {
            role: turn.role,
            text: turn.text.clone(),
            reasoning: turn.reasoning.clone(),
            tool_calls: turn.tool_calls.clone(),
            tool_call_id: turn.tool_call_id.clone(),
            finish,
            error,
            figures: turn.figures.as_ref().map(|figures| SavedFigures::of(figures, energy)),
        }
    }

    fn restore(&self) -> Turn {
        let is_answer = self.role == Role::Assistant;
        let end = match (&self.error, self.finish) {
            (Some(reason), _) => Some(End::failed(reason)),
            (None, Some(finish)) => Some(finish.end()),
            // An answer that was cut off when the program ended.
            (None, None) => is_answer.then(|| Finished::Interrupted.end()),
        };
        Turn {
            reasoning: self.reasoning.clone(),
            tool_calls: self.tool_calls.clone(),
            tool_call_id: self.tool_call_id.clone(),
            end,
            figures: self.figures.map(SavedFigures::restore),
            ..Turn::new(self.role, self.text.clone())
        }
    }
}

impl SavedFigures {
    fn of(figures: &Figures, energy: &settings::Energy) -> Self {
        let counters = &figures.counters;
        let ms = |micros: u64| micros as f64 / 1e3;
        Self {
            prompt_tokens: counters.n_prompt,
            generated_tokens: counters.n_generated,
            reasoning_tokens: counters.n_reasoning,
            context_tokens: counters.n_past,
            shifted_tokens: counters.n_shifted,
            prompt_ms: ms(counters.prompt_us),
            ttft_ms: counters.ttft_us.map(ms),
            generation_ms: ms(counters.generation_us),
            joules: Graded::of(&crate::energy::Report::of_answer(figures, energy).energy),
        }
    }

    /// As figures of an answer. Of its energy the sum is known, and no longer what it is made of.
    fn restore(self) -> Figures {
        let micros = |ms: f64| (ms.max(0.0) * 1e3) as u64;
        let energy = match self.joules {
            Some(Graded { value, grade: Some(grade), .. }) => {
                Figure::Known { value: Joules(value), grade, source: "the history".to_owned() }
            }
            _ => Figure::unknown("it was not kept"),
        };
        Figures {
            counters: Counters {
                n_prompt: self.prompt_tokens,
                prompt_us: micros(self.prompt_ms),
                ttft_us: self.ttft_ms.map(micros),
                n_generated: self.generated_tokens,
                n_reasoning: self.reasoning_tokens,
                generation_us: micros(self.generation_ms),
                n_past: self.context_tokens,
                n_shifted: self.shifted_tokens,
                ..Counters::default()
            },
            energy_account: EnergyAccount::default(),
            energy,
            is_settled: true,
            ..Figures::default()
        }
    }
}
