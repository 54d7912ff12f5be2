//! The name of a session's conversation, and whether it is saved in its current state.

use serde::{Deserialize, Serialize};

use crate::ids::ConversationKey;

/// The name of a session's conversation, and whether it is saved in its current state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Thread {
    /// Its key on disk; `None` before the first message.
    pub key: Option<ConversationKey>,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// When it began, milliseconds since 1970.
    pub created_ms: i64,
    /// It has changed since it was kept last.
    pub(crate) is_changed: bool,
}
