//! Conversations as they are kept: what was said, with whom, and how it is told to the model.
//!
//! Owned here: the typed document with its version, its way from and to a session, its exports. Absent: where
//! conversations lie (`history` of the program), and when they are kept (`update::conversation`).

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
