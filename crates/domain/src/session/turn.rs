//! A turn of a conversation, and how an answer ended.

use wire::{Finish, Role};

use crate::request::Figures;

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, as it came: the view cleans it before it draws.
    pub text: String,
    /// What was thought before, empty where nothing was.
    pub reasoning: String,
    /// For an answer whose tokens were asked for: they, and what else was likely.
    pub tokens: Vec<wire::Token>,
    /// For an answer: how it ended; `None` while it runs and for other turns.
    pub end: Option<End>,
    /// For an answer: its figures.
    pub figures: Option<Figures>,
}

impl Turn {
    /// A turn of this text.
    pub fn new(role: Role, text: String) -> Self {
        Self { role, text, reasoning: String::new(), tokens: Vec::new(), end: None, figures: None }
    }

    /// Bytes of text and reasoning.
    pub(crate) fn n_bytes(&self) -> usize {
        self.text.len() + self.reasoning.len()
    }
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum End {
    /// As the worker says.
    Finished(Finish),
    /// With an error.
    Failed {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
}

impl End {
    /// With an error against which nothing is known.
    pub fn failed(reason: &str) -> Self {
        Self::Failed { reason: reason.to_owned(), hint: None }
    }
}
