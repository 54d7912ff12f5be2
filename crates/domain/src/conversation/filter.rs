//! What can be asked of the list of conversations.

use crate::filter::{Field, Filter, Kind, Unit};

/// A field of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationField {
    /// The name it was given, else its first prompt.
    Name,
    /// The model that answered.
    Model,
    /// How many prompts were sent.
    Prompts,
}

const FIELDS: &[Field<ConversationField>] = &[
    Field { field: ConversationField::Name, names: &["name", "title"], kind: Kind::Text },
    Field { field: ConversationField::Model, names: &["model"], kind: Kind::Text },
    Field { field: ConversationField::Prompts, names: &["prompts"], kind: Kind::Number(Unit::Plain) },
];

/// Read from what a user types: words, `model:qwen`, `prompts>3`, and `-` before what is not wanted.
pub fn parse(text: &str) -> Filter<ConversationField> {
    // Conversations aren't searched to decide whether a colon is part of a text.
    Filter::parse(text, FIELDS).settle(|_| false)
}
