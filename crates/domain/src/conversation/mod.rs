//! Saved conversations: the messages, the model, and the settings for its prompt.
//!
//! Owned here: the typed document with its version, conversion from and to a session, exports. Absent: where
//! conversations are stored (the program's `history`), and when they are saved (`update::conversation`).

mod export;
pub mod filter;
mod saved;
mod telling;

pub use crate::ids::ConversationKey;
pub use export::markdown;
pub use saved::{Conversation, ConversationEntry, ReadConversationError, SavedFigures, SavedTurn, VERSION};
pub use telling::{chat, messages, next_exchange, room};

#[cfg(test)]
mod tests;
