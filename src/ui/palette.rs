//! The command palette: what it lists for what is typed.

use domain::settings::SESSION_FIELDS;

use super::update::bindings;
use crate::ui::{Action, FleetSort, Mode};

/// What a row does.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// An action.
    Action(Action),
    /// Sort the sessions by this column.
    SortSessions(FleetSort),
    /// Switch to the theme of this name.
    Theme(String),
    /// Change a setting of the selected session.
    Set {
        /// A name of [`SESSION_FIELDS`].
        name: String,
        /// The value as text.
        value: String,
    },
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct PaletteRow {
    /// What it is called.
    pub label: String,
    /// What it does, in one clause.
    pub help: String,
    /// What is done.
    pub entry: Entry,
}

/// The rows for what is typed, where this mode has the keys beneath: actions, themes as `theme NAME`, settings as
/// `set NAME VALUE`. Best match first; everything for an empty text.
pub fn rows(typed: &str, themes: &[String], beneath: Mode) -> Vec<PaletteRow> {
    let mut rows: Vec<(i32, PaletteRow)> = Vec::new();
    let mut offer = |label: String, help: &str, entry: Entry| {
        if let Some(score) = fuzzy(typed, &label) {
            rows.push((score, PaletteRow { label, help: help.to_owned(), entry }));
        }
    };
    for action in bindings::for_palette(beneath) {
        offer(action.name().to_owned(), action.help(), Entry::Action(action));
    }
    for (name, sort) in FleetSort::ALL {
        offer(format!("sort sessions by {name}"), "Sort by this column", Entry::SortSessions(sort));
    }
    for theme in themes {
        offer(format!("theme {theme}"), "Switch to this theme", Entry::Theme(theme.clone()));
    }
    let mut words = typed.splitn(3, ' ');
    let (set, name, value) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if set == Some("set") {
        for field in SESSION_FIELDS.iter().filter(|field| field.name.starts_with(name)) {
            let entry = Entry::Set { name: field.name.to_owned(), value: value.to_owned() };
            let label = format!("set {} {value}", field.name);
            rows.push((i32::MAX, PaletteRow { label, help: field.help.to_owned(), entry }));
        }
    }
    rows.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// How well `typed` is found in `text`, letter by letter in order; `None` where it is not. Higher is better:
/// letters that follow each other or begin a word count more, letters passed over count less.
fn fuzzy(typed: &str, text: &str) -> Option<i32> {
    let mut score = 0;
    let mut before = ' ';
    let mut adjacent = false;
    let mut rest = text.chars().flat_map(char::to_lowercase);
    for wanted in typed.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase) {
        loop {
            let found = rest.next()?;
            let begins = !before.is_alphanumeric();
            before = found;
            if found == wanted {
                score += 1 + 4 * i32::from(adjacent) + 3 * i32::from(begins);
                adjacent = true;
                break;
            }
            adjacent = false;
            score -= 1;
        }
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(typed: &str, beneath: Mode) -> Vec<String> {
        let themes = ["dark".to_owned(), "light".to_owned()];
        rows(typed, &themes, beneath).into_iter().map(|row| row.label).collect()
    }

    #[test]
    fn it_finds_by_letters() {
        for (typed, first) in [
            ("quit", "quit"),
            ("resc", "rescan"),
            ("thli", "theme light"),
            ("pausegr", "pause-graphs"),
            ("set temp 0.6", "set temperature 0.6"),
        ] {
            assert_eq!(labels(typed, Mode::Fleet).first().map(String::as_str), Some(first), "{typed}");
        }
        assert!(labels("zzz", Mode::Fleet).is_empty());
        assert!(labels("", Mode::Fleet).len() > 30);
    }

    #[test]
    fn it_has_what_can_be_done_here_and_what_can_be_done_everywhere() {
        for (mode, label, is_there) in [
            (Mode::Machine, "unmark-all", true),
            (Mode::Machine, "stop", true),
            (Mode::Machine, "reverse", false),
            (Mode::Fleet, "reverse", true),
            (Mode::Fleet, "up", false),
            (Mode::Prompt, "send", true),
            (Mode::Fleet, "send", false),
            (Mode::Prompt, "delete-word", false),
        ] {
            assert_eq!(labels("", mode).contains(&label.to_owned()), is_there, "{mode:?} {label}");
        }
    }
}
