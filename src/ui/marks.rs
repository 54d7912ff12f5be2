//! The marks: which models are marked, and which of them a list does not show.

use domain::Domain;

use crate::ui::{Mode, State, Ui};

/// Names that a sentence lists.
const MAX_NAMES: usize = 8;

impl Ui {
    /// The marked models that the list on the screen does not show, by their names. Lists of other things hide none.
    pub(super) fn marked_hidden<'a>(&'a self, domain: &'a Domain) -> Vec<&'a str> {
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
        let (count, hidden) = (names.len(), self.marked_hidden(domain));
        let list = |names: &[&str]| {
            let more = names.len().saturating_sub(MAX_NAMES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            names.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ") + &more
        };
        let models = if count == 1 { "model" } else { "models" };
        let hidden = if hidden.is_empty() { String::new() } else { format!("; not shown here: {}", list(&hidden)) };
        (count > 0).then(|| format!("{what} {count} marked {models}: {}{hidden}", list(&names)))
    }
}

impl State {
    /// How many marked models the list on the screen does not show.
    pub(super) fn n_marked_hidden(&self) -> usize {
        self.ui.marked_hidden(&self.domain).len()
    }
}
