//! What one client's screen shows over it: dialogs and notices.

use domain::admission::AdmissionError;
use domain::command::What;
use domain::moment::Moment;
use domain::settings::SessionSettings;
use domain::storage::{CleanupPlan, Request};

use crate::ui::editor::Editor;

/// What lies over the screen. At most one at a time.
#[derive(Debug, Clone)]
pub enum Overlay {
    /// The explanation of the screen.
    Help {
        /// Lines scrolled down.
        scroll: usize,
    },
    /// The command palette.
    Palette {
        /// What is typed.
        input: Editor,
        /// The selected row of [`crate::ui::palette::rows`].
        chosen: usize,
    },
    /// A question that must be answered.
    Confirm {
        /// The question.
        question: String,
        /// What is done on yes.
        then: Then,
    },
    /// Whether sessions keep running on the server when this screen is left.
    Leave {
        /// The question.
        question: String,
    },
    /// A record of the history.
    Record {
        /// Its kind and number.
        title: String,
        /// All of it as plain text.
        text: String,
        /// Lines scrolled down.
        scroll: usize,
    },
    /// What would be done to the stores, and whether it shall be.
    Plan {
        /// What was asked for.
        request: Box<Request>,
        /// The plan.
        plan: Box<CleanupPlan>,
        /// Lines scrolled down.
        scroll: usize,
    },
    /// A model that would not fit.
    Refused {
        /// Which model, by its id.
        model: String,
        /// How it was to run.
        settings: Box<SessionSettings>,
        /// The figures.
        refusal: AdmissionError,
    },
    /// A model that the check refuses, or that is no language model: whether to try it all the same.
    TryAnyway {
        /// Which model, by its id.
        model: String,
        /// How it was to run.
        settings: Box<SessionSettings>,
    },
    /// The vote on the race: the chosen row, the one behind the columns is a tie.
    Vote {
        /// The row.
        chosen: usize,
    },
    /// The settings to start a model with, or of a session.
    Form(Box<Form>),
}

/// What follows from a yes.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Quit.
    Quit,
    /// Attach to the server again.
    Reattach,
    /// A command.
    Command(Box<What>),
}

impl From<What> for Then {
    fn from(what: What) -> Self {
        Self::Command(Box::new(what))
    }
}

/// A form over a session's settings.
#[derive(Debug, Clone)]
pub struct Form {
    /// For which model, by its id.
    pub model: String,
    /// The settings so far.
    pub settings: SessionSettings,
    /// The column of the next race that they are for; `None` starts a session.
    pub column: Option<usize>,
    /// The chosen row of [`domain::settings::SESSION_FIELDS`].
    pub chosen: usize,
    /// The text of the chosen row.
    pub input: Editor,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// A message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// When it came.
    pub at: Moment,
}
