//! What the APIs ask the program for: the one shape that each of them is translated into.

use std::time::Duration;

use domain::form::Form;
use domain::settings::SessionSettings;
use wire::{Prompt, Sampling};

/// An answer that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The model's id in the library.
    pub model: String,
    /// How it is loaded where it is not; `None` takes the user's settings.
    pub settings: Option<Box<SessionSettings>>,
    /// What to generate.
    pub generation: Generation,
    /// Who asks.
    pub asker: Asker,
    /// How long the model stays loaded afterwards; `None` leaves it to the settings.
    pub keep_alive: Option<KeepAlive>,
}

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// What to answer.
    pub prompt: Prompt,
    /// How tokens are chosen; what is open is left to the model's settings.
    pub sampling: Sampling,
    /// The most tokens.
    pub max_tokens: Option<u32>,
    /// What the answer must look like.
    pub form: Option<Form>,
    /// Texts that end it.
    pub stop: Vec<String>,
    /// How many of the likeliest tokens to tell at each step; 0 tells none.
    pub n_top_logprobs: u32,
}

impl Generation {
    /// An answer to this, with everything left open.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            max_tokens: None,
            form: None,
            stop: Vec::new(),
            n_top_logprobs: 0,
        }
    }
}

impl Generation {
    /// The same for one of several answers: one seed for all would give the same answer again and again.
    #[must_use]
    pub fn of_choice(mut self, choice: u32) -> Self {
        self.sampling.seed = self.sampling.seed.map(|seed| seed.wrapping_add(choice));
        self
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The name of the key, or `local`.
    pub name: String,
    /// How the program calls itself, cleaned and bounded.
    pub agent: String,
    /// Through which API.
    pub api: Api,
}

/// The APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Api {
    OpenAi,
    Anthropic,
    Ollama,
    Native,
}

/// How long a model stays loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// So long after the last request; 0 unloads it at once.
    For(Duration),
    /// Until it is unloaded.
    Forever,
}
