//! What a screen wants done.

use std::path::PathBuf;

use domain::command::{Command, What};
use domain::conversation::ConversationKey;
use domain::download::hub::Sort;
use domain::record::{Filter, Page};

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Give the domain a command. What becomes of it comes back to the screen as its reply.
    Command(What),
    /// Send a command to the server that this screen is attached to; its reply comes with the event that it is.
    Send(Command),
    /// Attach to a server again, starting one where there is none.
    Reattach,
    /// What the domain wants done, of this event or of a command.
    Domain(domain::Effect),
    /// Search the hub; answered by [`domain::download::hub::HubEvent::Found`].
    Search {
        /// Which search it is.
        generation: u64,
        /// What to search for.
        text: String,
        /// What comes first.
        sort: Sort,
    },
    /// Ask for the files of a repository; answered by [`domain::download::hub::HubEvent::Files`].
    Files {
        /// `owner/name`.
        repository: String,
        /// A branch, a tag or a commit.
        revision: String,
    },
    /// Find out how much of a model's files is in memory; answered by [`crate::ui::Event::Residency`].
    Residency {
        /// The model's id.
        model: String,
        /// Its files.
        files: Vec<PathBuf>,
    },
    /// Look which suites there are; answered by [`crate::ui::Event::Suites`].
    ListSuites,
    /// Ask for a whole record; answered by [`domain::event::HistoryEvent::Record`].
    GetRecord(i64),
    /// Ask for a page of the history; answered by [`domain::event::HistoryEvent::Listed`].
    ListHistory {
        /// Which question it is.
        generation: u64,
        /// Which records.
        filter: Filter,
        /// Which of them.
        page: Page,
    },
    /// Ask for the conversations that have these words; answered by [`domain::event::HistoryEvent::Conversations`].
    ListConversations {
        /// Which question it is.
        generation: u64,
        /// The words, in small letters.
        words: Vec<String>,
        /// The most of them.
        rows: usize,
    },
    /// Ask for a whole conversation; answered by [`domain::event::HistoryEvent::Conversation`].
    GetConversation(ConversationKey),
    /// Have the user change a text in an editor of their own; answered by [`crate::ui::Event::Edited`].
    EditExternally(String),
    /// Save files, given by name and text, where exports go; answered by a notice of where they are.
    Save(Vec<(String, String)>),
    /// Put text on the clipboard.
    Copy(String),
    /// Write a file into the current folder that was not there before; answered by a notice.
    WriteNew {
        /// Its name; numbered where there is one already.
        name: String,
        /// What it holds.
        text: String,
    },
    /// Remember that the user was welcomed.
    Welcomed,
    /// Run a row of the palette; stays within the screen.
    RunPalette {
        /// What is typed.
        typed: String,
        /// The row.
        row: usize,
    },
    /// Quit.
    Quit,
}

impl Effect {
    /// A command alone.
    pub(super) fn command(what: What) -> Vec<Self> {
        vec![Self::Command(what)]
    }
}

impl From<What> for Effect {
    fn from(what: What) -> Self {
        Self::Command(what)
    }
}
