//! What is marked in the list on the screen, and which of it the list does not show.

use domain::Domain;

use crate::ui::{Mode, State, Ui};

/// Names that a sentence lists.
const MAX_NAMES: usize = 8;

/// How many are marked and which, those that the list hides named as such: `3 marked chats: A, B, C; not shown here: C`.
fn told(names: &[&str], hidden: &[&str], noun: &str) -> String {
    let list = |names: &[&str]| {
        let more = names.len().saturating_sub(MAX_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ") + &more
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    let hidden = if hidden.is_empty() { String::new() } else { format!("; not shown here: {}", list(hidden)) };
    format!("{} marked {noun}{plural}: {}{hidden}", names.len(), list(names))
}

impl Ui {
    /// The marks of the list on the screen: how many there are, and the names of those that it does not show.
    pub(super) fn marked<'a>(&'a self, domain: &'a Domain) -> (usize, Vec<&'a str>) {
        match Mode::list(self, domain) {
            Mode::Chats => (self.chats.marks.len(), self.hidden_chats()),
            Mode::History => (self.history.marks.len(), self.hidden_records()),
            Mode::Suites => (self.suites.marks.len(), Vec::new()),
            _ => (self.race.entries.len(), self.marked_hidden(domain)),
        }
    }

    fn hidden_chats(&self) -> Vec<&str> {
        self.chats.marks.hidden(|key| self.chats.entries.iter().any(|entry| entry.key == *key))
    }

    fn hidden_records(&self) -> Vec<&str> {
        self.history.marks.hidden(|id| self.history.entries.iter().any(|entry| entry.id == *id))
    }

    /// The marked models that the list on the screen does not show, by their names. Lists of other things hide none.
    fn marked_hidden<'a>(&'a self, domain: &'a Domain) -> Vec<&'a str> {
        let is_shown = |id: &str| match Mode::list(self, domain) {
            Mode::Library if self.library.filter.is_empty() => true,
            Mode::Library => {
                let mut shown = self.library.rows.iter().filter_map(|row| domain.library.models.get(*row));
                shown.any(|model| model.id == id)
            }
            Mode::Fleet => {
                let mut shown = self.fleet.rows.iter().filter_map(|row| domain.session(*row));
                shown.any(|session| session.model.id == id)
            }
            _ => true,
        };
        let hidden = self.race.entries.iter().filter(|entry| !is_shown(&entry.model.id));
        hidden.map(|entry| entry.model.name.as_str()).collect()
    }

    /// What is done to the marked models, in a sentence: how many and which, those that the list hides named as such.
    pub(super) fn told_marked(&self, domain: &Domain, what: &str) -> Option<String> {
        let names: Vec<&str> = self.race.entries.iter().map(|entry| entry.model.name.as_str()).collect();
        let sentence = || format!("{what} {}", told(&names, &self.marked_hidden(domain), "model"));
        (!names.is_empty()).then(sentence)
    }

    /// How many conversations are marked, and which; `None` where none is.
    pub(super) fn told_chats(&self) -> Option<String> {
        let marks = &self.chats.marks;
        (!marks.is_empty()).then(|| told(&marks.names(), &self.hidden_chats(), "conversation"))
    }

    /// How many records are marked, and which; `None` where none is.
    pub(super) fn told_records(&self) -> Option<String> {
        let marks = &self.history.marks;
        (!marks.is_empty()).then(|| told(&marks.names(), &self.hidden_records(), "record"))
    }
}

impl State {
    /// How many are marked in the list on the screen, and how many of them it does not show.
    pub(super) fn n_marked(&self) -> (usize, usize) {
        let (count, hidden) = self.ui.marked(&self.domain);
        (count, hidden.len())
    }
}
