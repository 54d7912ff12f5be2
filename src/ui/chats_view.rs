//! What shows of the conversations: a tab of the Fleet screen.

use std::collections::VecDeque;

use domain::conversation::{Conversation, ConversationEntry, ConversationKey};

use crate::ui::editor::Editor;
use crate::ui::marks::Marks;

/// What a conversation was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// To go on with it; one that is no longer kept as it was made of a record.
    Continue(Option<Box<Conversation>>),
    /// To read it.
    Read,
    /// To write it to files.
    Export,
}

/// The conversations' tab of the Fleet screen.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own of the list")]
pub struct ChatsView {
    /// Whether it shows, rather than the sessions.
    pub shown: bool,
    /// The rows that came, the one that was written to last first.
    pub entries: Vec<ConversationEntry>,
    /// Whether there are more than came.
    pub more: bool,
    /// Whether an answer is waited for.
    pub asked: bool,
    /// Which question the answer must belong to.
    pub generation: u64,
    /// The selected row.
    pub chosen: usize,
    /// The marked ones.
    pub marks: Marks<ConversationKey>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// The conversation that is being named, and its name as it is typed.
    pub naming: Option<(ConversationKey, Editor)>,
    /// What the conversations that were asked for are for; they come in this order.
    pub(super) wanted: VecDeque<Wanted>,
}

impl ChatsView {
    /// The selected row.
    pub fn entry(&self) -> Option<&ConversationEntry> {
        self.entries.get(self.chosen)
    }
}
