//! What the history is asked, and the plain ones of it carried out.

use crate::history::{History, HistoryError};
use domain::conversation::{Conversation, ConversationKey};
use domain::event::HistoryEvent;
use domain::record::{Filter, Page, Record};

/// What the history is asked.
#[derive(Debug)]
pub(in crate::app) enum HistoryCommand {
    /// Keep a record; for each of its figures the earlier ones are reported. `draft` is what it was while it was made.
    Keep { ask: u64, record: Box<Record>, draft: Option<u64> },
    /// Write down what there is of a record so far.
    Draft { draft: u64, record: Box<Record> },
    /// A draft that nothing will come of.
    Discard { draft: u64 },
    /// Tell what was measured last of each model.
    Measured,
    /// Tell all votes.
    Votes,
    /// Tell a page of the list.
    List { generation: u64, filter: Filter, page: Page },
    /// Give a whole record.
    Get(i64),
    /// Delete a record.
    Delete(i64),
    /// Tell the names of a blind race.
    Reveal(i64),
    /// Keep a conversation as it stands.
    PutConversation(Box<Conversation>),
    /// Give a conversation a name, or take it.
    NameConversation { key: ConversationKey, name: Option<String> },
    /// Delete a conversation.
    DeleteConversation(ConversationKey),
    /// Tell the conversations that have these words.
    Conversations { generation: u64, words: Vec<String>, rows: usize },
    /// Give a whole conversation.
    Conversation(ConversationKey),
}

impl HistoryCommand {
    /// Whether it waits where the history is locked.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Keep { .. } | Self::PutConversation(_))
    }

    /// The question that a record comes with.
    pub(super) fn ask(&self) -> Option<u64> {
        match self {
            Self::Keep { ask, .. } => Some(*ask),
            _ => None,
        }
    }
}

/// Carry out a command that needs no more than the history itself.
pub(super) fn grant(history: &mut History, command: &HistoryCommand) -> Result<HistoryEvent, HistoryError> {
    Ok(match command {
        HistoryCommand::Measured => HistoryEvent::Measured(history.measured()?),
        HistoryCommand::Votes => HistoryEvent::Votes(history.votes()?),
        HistoryCommand::List { generation, filter, page } => {
            let entries = history.list(filter, *page)?;
            let more = entries.len() + history.n_damaged() >= page.rows;
            HistoryEvent::Listed { generation: *generation, entries, more }
        }
        HistoryCommand::Get(id) => HistoryEvent::Record(history.get(*id)?.map(Box::new)),
        HistoryCommand::Reveal(id) => {
            history.reveal(*id)?;
            HistoryEvent::Revealed(*id)
        }
        HistoryCommand::Delete(id) => {
            let vote = history.vote(*id)?;
            history.delete(&[*id])?;
            HistoryEvent::Deleted { id: *id, vote }
        }
        HistoryCommand::PutConversation(conversation) => {
            history.put_conversation(conversation)?;
            HistoryEvent::ConversationsChanged
        }
        HistoryCommand::NameConversation { key, name } => {
            history.name_conversation(*key, name.as_deref())?;
            HistoryEvent::ConversationsChanged
        }
        HistoryCommand::DeleteConversation(key) => {
            history.delete_conversation(*key)?;
            HistoryEvent::ConversationsChanged
        }
        HistoryCommand::Conversations { generation, words, rows } => {
            let entries = history.conversations(words, *rows)?;
            let more = entries.len() >= *rows;
            HistoryEvent::Conversations { generation: *generation, entries, more }
        }
        HistoryCommand::Conversation(key) => HistoryEvent::Conversation(history.conversation(*key)?.map(Box::new)),
        // Not the history's: `HistoryThread::take` has done them.
        HistoryCommand::Keep { .. } | HistoryCommand::Draft { .. } | HistoryCommand::Discard { .. } => {
            HistoryEvent::Recovered(0)
        }
    })
}
