//! What a program asks of a model by its name: what is to be generated, who asks, and how long the model stays loaded.
//!
//! Absent: which session answers and when (`update::demand`), and how a request reads in each API.

use serde::{Deserialize, Serialize};
use wire::{LogitBias, Prompt, Sampling};

use crate::keep_alive::KeepAlive;
use crate::request::form::Form;
use crate::settings::SessionSettings;

/// A request for a model, which is loaded where no session has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The model's id in the library.
    pub model: String,
    /// How to load it if it isn't loaded; `None` for the user's settings. A session that was loaded for a request with
    /// a shorter context is loaded again.
    pub settings: Option<Box<SessionSettings>>,
    /// What is to be generated.
    pub generation: Generation,
    /// Who asks.
    pub asker: Asker,
    /// Before whom.
    pub priority: Priority,
    /// How long the model stays loaded afterwards, from this request on; `None` leaves that as it is.
    pub keep_alive: Option<KeepAlive>,
}

/// What is to be generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// What to answer.
    pub prompt: Prompt,
    /// The samplers; what is `None` comes from the session's settings.
    pub sampling: Sampling,
    /// Tokens that are made more or less likely.
    pub logit_bias: Vec<LogitBias>,
    /// The most tokens; `None` takes the session's.
    pub max_tokens: Option<u32>,
    /// What the answer must look like.
    pub form: Option<Form>,
    /// Texts that end it; none leaves that to the model's store.
    pub stop: Vec<String>,
    /// How many of the most likely tokens to report at each position.
    pub n_top_logprobs: u32,
}

impl Generation {
    /// An answer to this prompt, with all else as the session has it.
    pub fn new(prompt: Prompt) -> Self {
        let (sampling, logit_bias, stop) = (Sampling::default(), Vec::new(), Vec::new());
        Self { prompt, sampling, logit_bias, max_tokens: None, form: None, stop, n_top_logprobs: 0 }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Asker {
    /// The name of its key, or `local`: what shares are fair among.
    pub name: String,
    /// The program, as it names itself; empty where it does not.
    pub agent: String,
    /// The API that it speaks.
    pub api: Api,
}

/// An API of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say whose")]
pub enum Api {
    OpenAi,
    Anthropic,
    Ollama,
    Native,
}

impl Api {
    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Anthropic => "Anthropic",
            Self::Ollama => "Ollama",
            Self::Native => "taffrail",
        }
    }
}

/// Which requests begin before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Someone is waiting for the answer.
    #[default]
    Interactive,
    /// No one is waiting: it starts after those, but at the latest after every [`crate::queue::MAX_AHEAD`] of them.
    Batch,
}
