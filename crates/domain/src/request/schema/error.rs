//! What is wrong with a schema.

/// The longest description of a breach, in characters: it may quote the answer.
pub(super) const MAX_BREACH: usize = 300;

/// Why a schema can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct SchemaError {
    /// The place in the schema, as a JSON pointer behind `#`.
    pub at: String,
    /// What is wrong there, the keyword named.
    pub reason: String,
}

impl SchemaError {
    pub(super) fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: gguf::clean(&at.into(), MAX_BREACH), reason: gguf::clean(&reason.into(), MAX_BREACH) }
    }
}
