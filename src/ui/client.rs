//! One client: the domain with a screen, and what is selected there.

use std::sync::Arc;

use domain::lab::race::{Entry, Race};
use domain::machine::other_processes::OtherProcess;
use domain::model::Model;
use domain::session::Session;
use domain::settings::Settings;
use domain::{Domain, StateMachine};

use crate::ui::{Action, Mode, Notice, Ui};

/// What the program knows, and what one client's screen shows of it.
#[derive(Debug, Clone)]
pub struct State {
    /// What the program knows.
    pub domain: StateMachine,
    /// What the screen shows.
    pub ui: Ui,
}

/// A screen that changes, with the domain for reading.
pub(super) struct Client<'a> {
    pub(super) domain: &'a Domain,
    pub(super) ui: &'a mut Ui,
}

impl State {
    /// The state at the program's start.
    pub fn new(settings: Settings, themes: Vec<String>) -> Self {
        let domain = StateMachine::new(settings);
        let ui = Ui::new(&domain.settings, themes, domain.history());
        Self { domain, ui }
    }

    /// The chosen session.
    pub fn chosen_session(&self) -> Option<&Session> {
        self.ui.session(&self.domain)
    }

    /// The chosen process of another program; `None` while a session is chosen.
    pub fn chosen_foreign(&self) -> Option<&OtherProcess> {
        self.ui.foreign(&self.domain)
    }

    /// The chosen model.
    pub fn chosen_model(&self) -> Option<&Arc<Model>> {
        self.ui.model(&self.domain)
    }

    /// Whether this model is among the columns of the next race.
    pub fn race_is_marked(&self, model: &str) -> bool {
        self.ui.race.entries.iter().any(|entry| entry.model.id == model)
    }

    /// The models that a suite would ask: those that are marked, or the selected one.
    pub fn suite_models(&self) -> Vec<Arc<Model>> {
        self.ui.suite_models(&self.domain)
    }

    /// A column as it shows: its entry.
    pub fn race_entry(&self, place: usize) -> Option<Entry> {
        self.ui.race_entry(&self.domain, place)
    }

    /// How many columns show.
    pub fn race_n_columns(&self) -> usize {
        self.race().map_or(self.ui.race.entries.len(), |race| race.columns.len())
    }

    /// What the selected column answered, once it has.
    pub fn race_chosen_answer(&self) -> Option<&str> {
        self.ui.race_answer(&self.domain)
    }

    /// The race that shows: the one that runs or the last one, unless the next one is being put together.
    pub fn race(&self) -> Option<&Race> {
        self.ui.race(&self.domain)
    }

    /// What has the keys.
    pub fn mode(&self) -> Mode {
        Mode::of(&self.ui, &self.domain)
    }

    /// The screen, with the domain for reading.
    pub(super) fn client(&mut self) -> Client<'_> {
        Client { domain: &self.domain, ui: &mut self.ui }
    }
}

/// The most notices that are kept.
const MAX_NOTICES: usize = 20;
/// The most messages that can be read again: what a morning brings.
const MAX_MESSAGES: usize = 100;

impl<'a> Client<'a> {
    /// What has the keys.
    pub(super) fn mode(&self) -> Mode {
        Mode::of(self.ui, self.domain)
    }

    /// Show a notice.
    pub(super) fn notify(&mut self, text: impl Into<String>, is_error: bool) {
        self.notify_with(text, is_error, &[]);
    }

    /// Show a notice with the keys of actions that help.
    pub(super) fn notify_with(&mut self, text: impl Into<String>, is_error: bool, actions: &'static [Action]) {
        let text = text.into();
        let notices = &mut self.ui.notices;
        // A key that is pressed again and again says the same once.
        notices.retain(|notice| notice.text != text);
        if notices.len() == MAX_NOTICES {
            notices.pop_front();
        }
        notices.push_back(Notice { text: text.clone(), is_error, at: self.domain.now, actions });
        let messages = &mut self.ui.messages;
        messages.retain(|(_, message)| *message != text);
        if messages.len() == MAX_MESSAGES {
            messages.pop_front();
        }
        messages.push_back((self.domain.now.unix, text));
    }

    /// The chosen session.
    pub(super) fn chosen_session(&self) -> Option<&'a Session> {
        self.ui.session(self.domain)
    }

    /// The chosen process of another program; `None` while a session is chosen.
    pub(super) fn chosen_foreign(&self) -> Option<&'a OtherProcess> {
        self.ui.foreign(self.domain)
    }

    /// The chosen model.
    pub(super) fn chosen_model(&self) -> Option<&'a Arc<Model>> {
        self.ui.model(self.domain)
    }

    /// Whether this model is among the columns of the next race.
    pub(super) fn race_is_marked(&self, model: &str) -> bool {
        self.ui.race.entries.iter().any(|entry| entry.model.id == model)
    }

    /// The models that a suite would ask: those that are marked, or the selected one.
    pub(super) fn suite_models(&self) -> Vec<Arc<Model>> {
        self.ui.suite_models(self.domain)
    }

    /// A column as it shows: its entry.
    pub(super) fn race_entry(&self, place: usize) -> Option<Entry> {
        self.ui.race_entry(self.domain, place)
    }

    /// How many columns show.
    pub(super) fn race_n_columns(&self) -> usize {
        self.race().map_or(self.ui.race.entries.len(), |race| race.columns.len())
    }

    /// The race that shows: the one that runs or the last one, unless the next one is being put together.
    pub(super) fn race(&self) -> Option<&'a Race> {
        self.ui.race(self.domain)
    }

    /// What the selected column answered, once it has.
    pub(super) fn race_chosen_answer(&self) -> Option<&'a str> {
        self.ui.race_answer(self.domain)
    }
}

impl Ui {
    fn session<'a>(&self, domain: &'a Domain) -> Option<&'a Session> {
        domain.session(self.fleet.chosen?)
    }

    fn foreign<'a>(&self, domain: &'a Domain) -> Option<&'a OtherProcess> {
        let chosen = self.fleet.foreign.chosen.filter(|_| self.fleet.chosen.is_none())?;
        domain.machine.sample.as_ref()?.foreign.iter().find(|foreign| foreign.id() == chosen)
    }

    fn model<'a>(&self, domain: &'a Domain) -> Option<&'a Arc<Model>> {
        self.library.rows.get(self.library.chosen).and_then(|row| domain.library.models.get(*row))
    }

    fn suite_models(&self, domain: &Domain) -> Vec<Arc<Model>> {
        let marked: Vec<_> = self.race.entries.iter().map(|entry| Arc::clone(&entry.model)).collect();
        if marked.is_empty() { self.model(domain).map(Arc::clone).into_iter().collect() } else { marked }
    }

    /// Whether the suites' tab shows the list of suites rather than the last run.
    pub(super) fn shows_suites(&self, domain: &Domain) -> bool {
        domain.suite.as_ref().is_none_or(|run| self.suites.picks && run.is_over())
    }

    fn race<'a>(&self, domain: &'a Domain) -> Option<&'a Race> {
        domain.race.as_deref().filter(|race| !self.race.drafts || race.is_running())
    }

    fn race_entry(&self, domain: &Domain, place: usize) -> Option<Entry> {
        match self.race(domain) {
            Some(race) => {
                race.columns.get(place).map(|column| Entry { model: column.model.clone(), settings: column.settings })
            }
            None => self.race.entries.get(place).cloned(),
        }
    }

    fn race_answer<'a>(&self, domain: &'a Domain) -> Option<&'a str> {
        let answer = self.race(domain)?.columns.get(self.race.chosen)?.answer.as_ref()?;
        Some(answer.text.trim()).filter(|text| !text.is_empty())
    }
}
