//! What a session's conversation is called, and whether it is kept as it stands.

use serde::{Deserialize, Serialize};

use crate::ids::ConversationKey;

/// What a session's conversation is called, and whether it is kept as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Thread {
    /// What names it on the disk; `None` before anything was said.
    pub key: Option<ConversationKey>,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// When it began, milliseconds since 1970.
    pub created_ms: i64,
    /// It has changed since it was kept last.
    pub(crate) is_changed: bool,
}
