//! Which key does what, and where.
//!
//! The built-in keys stand in the tables of each mode's actions. The user's config names an action and the keys that do it
//! instead, wherever that action is. Where text is typed, a plain character is always text.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crossterm::event::{KeyEvent, KeyEventKind};
use strum::VariantArray as _;

use super::chord::Chord;
use super::update::bindings::{self, Hint};
use crate::ui::{Action, Event, Mode, State};

/// What is wrong with the user's keys. The entry at fault is left out, the rest holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeymapError {
    /// No action has this name.
    UnknownAction {
        /// As written.
        name: String,
        /// The nearest right name.
        nearest: Option<String>,
    },
    /// It is no key.
    BadKey {
        /// The action.
        name: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Two actions have the same key in the same place. The first one keeps it.
    Clash {
        /// The key.
        key: String,
        /// The two actions.
        actions: [String; 2],
    },
}

impl fmt::Display for KeymapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAction { name, nearest: Some(nearest) } => {
                write!(f, "keys: there is no action `{name}`; did you mean `{nearest}`?")
            }
            Self::UnknownAction { name, nearest: None } => write!(f, "keys: there is no action `{name}`"),
            Self::BadKey { name, reason } => write!(f, "keys: {name}: {reason}"),
            Self::Clash { key, actions: [first, second] } => {
                write!(f, "keys: `{key}` is bound to both `{first}` and `{second}`; it does `{first}`")
            }
        }
    }
}

/// A key with what it does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHint {
    /// What it does.
    pub action: Action,
    /// The key.
    pub key: String,
    /// What it is called here.
    pub label: Cow<'static, str>,
}

impl KeyHint {
    fn new(action: Action, key: String, label: impl Into<Cow<'static, str>>) -> Self {
        Self { action, key, label: label.into() }
    }
}

/// Which key does what, and where.
#[derive(Debug, Clone)]
pub struct Keymap {
    actions: HashMap<(Mode, Chord), Action>,
    /// The keys of an action in a mode, in the order they were given.
    chords: HashMap<(Mode, Action), Vec<Chord>>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(&BTreeMap::new()).0
    }
}

impl Keymap {
    /// The built-in keys with the user's changes, and what is wrong with those.
    pub fn new(changes: &BTreeMap<String, Vec<String>>) -> (Self, Vec<KeymapError>) {
        let mut problems = Vec::new();
        let own_keys = read_changes(changes, &mut problems);
        let mut keymap = Self { actions: HashMap::new(), chords: HashMap::new() };
        // The user's keys come first: what they take away from a built-in key of another action is meant, and told.
        for is_users in [true, false] {
            for mode in Mode::VARIANTS.iter().copied() {
                // In the same order everywhere, so that a key does the same in all modes.
                let mut rows: Vec<_> = bindings::of(mode).collect();
                rows.sort_by_key(|binding| binding.action as usize);
                for binding in rows {
                    let own = own_keys.get(&binding.action);
                    let emptied = own.is_some_and(Vec::is_empty);
                    let own = own.map(|keys| usable(keys, mode)).filter(|keys| !keys.is_empty());
                    if own.is_some() == is_users && !emptied {
                        let built_in = || binding.keys.iter().filter_map(|key| key.parse().ok()).collect::<Vec<_>>();
                        let chords = own.unwrap_or_else(|| usable(&built_in(), mode));
                        keymap.bind(mode, binding.action, &chords, &mut problems);
                    }
                }
            }
        }
        problems.dedup();
        (keymap, problems)
    }

    fn bind(&mut self, mode: Mode, action: Action, chords: &[Chord], problems: &mut Vec<KeymapError>) {
        for chord in chords {
            match self.actions.get(&(mode, *chord)) {
                Some(first) if *first != action => {
                    let actions = [first.name().to_owned(), action.name().to_owned()];
                    let clash = KeymapError::Clash { key: chord.to_string(), actions };
                    if !problems.contains(&clash) {
                        problems.push(clash);
                    }
                }
                Some(_) => {}
                None => {
                    self.actions.insert((mode, *chord), action);
                    self.chords.entry((mode, action)).or_default().push(*chord);
                }
            }
        }
    }

    /// What a key does now; `None` where it does nothing.
    pub fn resolve(&self, state: &State, key: KeyEvent) -> Option<Event> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let mode = state.mode();
        let chord = Chord::from(key);
        if let Some(letter) = chord.types().filter(|_| mode.is_text()) {
            return Some(Event::Text(letter.to_string()));
        }
        self.actions.get(&(mode, chord)).map(|action| Event::Action(*action))
    }

    /// The key to show for an action in a mode; `None` where it has none.
    pub fn key(&self, mode: Mode, action: Action) -> Option<String> {
        self.chords.get(&(mode, action))?.first().map(Chord::to_string)
    }

    /// What the footer says: keys with what each does now, most useful first.
    pub fn hints(&self, mode: Mode, state: &State) -> Vec<KeyHint> {
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for binding in bindings::of(mode) {
            let Some(key) = self.key(mode, binding.action) else { continue };
            match (binding.hint)(state) {
                Hint::Hidden => {}
                Hint::Shown(label) => others.push(KeyHint::new(binding.action, key, label)),
                Hint::First(label) => first.push(KeyHint::new(binding.action, key, label)),
                Hint::Counted(label, count) => {
                    others.push(KeyHint::new(binding.action, key, format!("{label} {count}")));
                }
            }
        }
        first.extend(others);
        first
    }

    /// The key of an action in a mode, and what it does now; `None` where it has no key there, or does nothing.
    pub fn hint(&self, mode: Mode, action: Action, state: &State) -> Option<(String, &'static str)> {
        let key = self.key(mode, action)?;
        match (bindings::of(mode).find(|binding| binding.action == action)?.hint)(state) {
            Hint::Hidden => None,
            Hint::Shown(label) | Hint::First(label) | Hint::Counted(label, _) => Some((key, label)),
        }
    }

    /// What can be done in a mode by keys: each action with its keys, most useful first.
    pub fn all(&self, mode: Mode) -> impl Iterator<Item = (Action, String)> + '_ {
        bindings::of(mode).filter_map(move |binding| {
            let chords = self.chords.get(&(mode, binding.action))?;
            let keys: Vec<_> = chords.iter().map(Chord::to_string).collect();
            Some((binding.action, keys.join(" ")))
        })
    }
}

/// The user's keys by action, as far as they are right.
fn read_changes(
    changes: &BTreeMap<String, Vec<String>>,
    problems: &mut Vec<KeymapError>,
) -> HashMap<Action, Vec<Chord>> {
    let mut read = HashMap::new();
    for (name, keys) in changes {
        let Some(action) = Action::named(name) else {
            let scored = Action::all().map(|action| (strsim::jaro_winkler(name, action.name()), action.name()));
            let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.7);
            let nearest = best.map(|(_, name)| name.to_owned());
            problems.push(KeymapError::UnknownAction { name: name.clone(), nearest });
            continue;
        };
        let mut chords = Vec::new();
        for key in keys {
            match key.parse() {
                Ok(chord) => chords.push(chord),
                Err(reason) => problems.push(KeymapError::BadKey { name: name.clone(), reason }),
            }
        }
        if !chords.is_empty() || keys.is_empty() {
            read.insert(action, chords);
        }
    }
    read
}

/// Of these keys, those that can do something in this mode.
fn usable(chords: &[Chord], mode: Mode) -> Vec<Chord> {
    chords.iter().copied().filter(|chord| !(mode.is_text() && chord.types().is_some())).collect()
}

#[cfg(test)]
#[path = "keymap_tests.rs"]
mod tests;
