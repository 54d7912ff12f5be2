//! What one client's screen shows over it: dialogs and notices.

use domain::admission::AdmissionError;
use domain::command::What;
use domain::conversation::Conversation;
use domain::moment::Moment;
use domain::record::{BenchRecord, RaceRecord, SuiteRecord};
use domain::session::SessionId;
use domain::settings::{CHAT_FIELDS, ChatSettings, Field, InEffect, SESSION_FIELDS, SessionSettings, in_effect};
use domain::storage::{CleanupPlan, Request};

use crate::ui::Action;
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
    /// A record of the history, or a conversation.
    Record {
        /// Its kind and number.
        title: String,
        /// All of it as plain text, to be copied.
        text: String,
        /// What is drawn of it.
        view: RecordView,
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

/// What is drawn of a record.
#[derive(Debug, Clone)]
pub enum RecordView {
    /// Its plain text.
    Text,
    /// A conversation with its answers as they look in the chat.
    Conversation(Box<Conversation>),
    /// A race with its columns side by side.
    Race(Box<RaceRecord>),
    /// A bench as a table.
    Bench(Box<BenchRecord>),
    /// A suite as a table.
    Suite(Box<SuiteRecord>),
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
    /// Commands, in order.
    Commands(Vec<What>),
}

impl From<What> for Then {
    fn from(what: What) -> Self {
        Self::Command(Box::new(what))
    }
}

/// What a form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormPurpose {
    /// To start a session.
    Start,
    /// A column of the next race.
    Column(usize),
    /// A session that runs.
    Session(SessionId),
}

/// A form over a session's settings.
#[derive(Debug, Clone)]
pub struct Form {
    /// For which model, by its id.
    pub model: String,
    /// The settings so far.
    pub settings: SessionSettings,
    /// How the conversation is told to the model, so far.
    pub chat: ChatSettings,
    /// What it is for.
    pub purpose: FormPurpose,
    /// The chosen row of [`Form::fields`].
    pub chosen: usize,
    /// The text of the chosen row.
    pub input: Editor,
    /// Whether the text is as it was shown: what is typed then takes its place.
    pub is_fresh: bool,
    /// What is wrong with it.
    pub error: Option<String>,
}

impl Form {
    /// A form with the first row chosen.
    pub fn new(model: String, settings: SessionSettings, chat: ChatSettings, purpose: FormPurpose) -> Self {
        let (input, chosen, is_fresh, error) = (Editor::default(), 0, true, None);
        let mut form = Self { model, settings, chat, purpose, chosen, input, is_fresh, error };
        form.show();
        form
    }

    /// Its rows: of a session that runs what can be changed at once comes first.
    pub fn fields(&self) -> Vec<&'static Field> {
        let (reload, live): (Vec<_>, Vec<_>) =
            SESSION_FIELDS.iter().partition(|field| in_effect(field.name) == InEffect::Reload);
        match self.purpose {
            FormPurpose::Column(_) => SESSION_FIELDS.iter().collect(),
            FormPurpose::Session(_) => CHAT_FIELDS.iter().chain(answers(&live)).chain(reload).collect(),
            FormPurpose::Start => {
                let (first, rest) = SESSION_FIELDS.split_at(1);
                first.iter().chain(CHAT_FIELDS).chain(rest).collect()
            }
        }
    }

    /// The chosen row.
    pub fn field(&self) -> Option<&'static Field> {
        self.fields().get(self.chosen).copied()
    }

    /// The value of a row as text.
    pub fn get(&self, name: &str) -> String {
        let chat = self.chat.get(name);
        chat.or_else(|| self.settings.get(name)).unwrap_or_default()
    }

    /// Show the selected row's value in the field.
    pub(super) fn show(&mut self) {
        let value = self.field().map(|field| self.get(field.name)).unwrap_or_default();
        self.input = Editor::with_text(&value);
        self.is_fresh = true;
        self.error = None;
    }

    /// Take the field's text as the selected row's value. False, with the error shown, where it is none.
    pub(super) fn take(&mut self) -> bool {
        let Some(field) = self.field() else { return true };
        let text = self.input.text();
        let set = if ChatSettings::has(field.name) {
            self.chat.set(field.name, text)
        } else {
            self.settings.set(field.name, text)
        };
        self.error = set.err();
        self.error.is_none()
    }
}

/// The settings of a session that runs, those of its answers first.
fn answers(live: &[&'static Field]) -> Vec<&'static Field> {
    let is_answer = |field: &&&'static Field| !matches!(in_effect(field.name), InEffect::Now);
    let (first, rest): (Vec<_>, Vec<_>) = live.iter().partition(is_answer);
    let temperature = |field: &&&Field| field.name == "temperature";
    let (temperature, others): (Vec<_>, Vec<_>) = first.into_iter().partition(temperature);
    temperature.into_iter().chain(others).chain(rest).copied().collect()
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
    /// Actions that help, of which the keys are shown behind it.
    pub actions: &'static [Action],
}
