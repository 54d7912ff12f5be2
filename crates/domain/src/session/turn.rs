//! A turn of a conversation, and how an answer ended.

use wire::{Finish, Message, Role, ToolCall};

use crate::request::Figures;

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// The text as received: the view cleans it before drawing.
    pub text: String,
    /// The reasoning before it, empty if there was none.
    pub reasoning: String,
    /// For an answer: the tools that it calls.
    pub tool_calls: Vec<ToolCall>,
    /// For a tool's result: the call that it answers.
    pub tool_call_id: Option<String>,
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
        Self {
            role,
            text,
            reasoning: String::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            tokens: Vec::new(),
            end: None,
            figures: None,
        }
    }

    /// A turn of a message.
    pub fn of(message: &Message) -> Self {
        Self {
            reasoning: message.reasoning.clone(),
            tool_calls: message.tool_calls.clone(),
            tool_call_id: message.tool_call_id.clone(),
            ..Self::new(message.role, message.text().into_owned())
        }
    }

    /// Whether it has neither text nor tool calls.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.tool_calls.is_empty()
    }

    /// Bytes of text, reasoning and the arguments of calls.
    pub(crate) fn n_bytes(&self) -> usize {
        let calls: usize = self.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
        self.text.len() + self.reasoning.len() + calls
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
