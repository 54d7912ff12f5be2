//! What happens to a screen.

use domain::download::hub::HubEvent;
use domain::event::HistoryEvent;
use domain::units::Ratio;

use crate::ui::hits::Mouse;
use crate::ui::{Action, Screen, Server};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The user pressed a key.
    Action(Action),
    /// The user typed or pasted text.
    Text(String),
    /// The user has written this in an editor of their own.
    Edited(String),
    /// The user moved the mouse or pressed its button.
    Mouse(Mouse),
    /// The user was never welcomed.
    FirstStart,
    /// The terminal shows ASCII alone.
    AsciiOnly,
    /// Go to a screen.
    Show(Screen),
    /// The last frame showed that the session's tab or the help has no more than so many lines above or below.
    ScrollLimit(usize),
    /// The terminal has another size, or must be drawn again.
    Redraw,
    /// How much of a model's files is in memory.
    Residency {
        /// The model's id.
        model: String,
        /// The share, or why it is not known.
        share: Result<Ratio, String>,
    },
    /// The suites that there are.
    Suites(Vec<crate::ui::SuiteEntry>),
    /// The hub answered this screen.
    Hub(HubEvent),
    /// The history answered this screen.
    History(HistoryEvent),
    /// One sentence for this screen's user.
    Notice {
        /// The sentence.
        text: String,
        /// Whether something went wrong.
        is_error: bool,
    },
    /// The screen was attached to a server, and its domain is a new copy of the server's.
    Attached(Box<Server>),
    /// The server is gone: a clause that says how.
    Lost(String),
    /// Something happened to the domain.
    Domain(domain::Event),
}

impl From<domain::Event> for Event {
    fn from(event: domain::Event) -> Self {
        Self::Domain(event)
    }
}

impl From<Action> for Event {
    fn from(action: Action) -> Self {
        Self::Action(action)
    }
}
