//! Which key does what, and where.
//!
//! One table holds the built-in keys. The user's config names an action and the keys that do it instead, wherever that
//! action has keys at all. Where text is typed, a plain character is always text.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crossterm::event::{KeyEvent, KeyEventKind};

use super::chord::Chord;
use crate::ui::action::NAMED;
use crate::ui::editor::Edit;
use crate::ui::{Action, State};
use crate::ui::{BenchTab, Face, Focus, Overlay, Screen};

/// What has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the parts of the program by name")]
pub enum Context {
    Fleet,
    Library,
    Hub,
    Usage,
    Race,
    Bench,
    History,
    Suite,
    Machine,
    Top,
    Prompt,
    Filter,
    Palette,
    Form,
    Confirm,
    Refused,
    Vote,
    Help,
    Record,
}

impl Context {
    const ALL: [Self; 19] = [
        Self::Fleet,
        Self::Library,
        Self::Hub,
        Self::Usage,
        Self::Race,
        Self::Bench,
        Self::History,
        Self::Suite,
        Self::Machine,
        Self::Top,
        Self::Prompt,
        Self::Filter,
        Self::Palette,
        Self::Form,
        Self::Confirm,
        Self::Refused,
        Self::Vote,
        Self::Help,
        Self::Record,
    ];

    /// What has the keys now.
    pub fn of(state: &State) -> Self {
        match &state.ui.overlay {
            Some(Overlay::Help { .. }) => Self::Help,
            Some(Overlay::Record { .. }) => Self::Record,
            Some(Overlay::Palette { .. }) => Self::Palette,
            Some(Overlay::Confirm { .. } | Overlay::Plan { .. } | Overlay::Leave { .. }) => Self::Confirm,
            Some(Overlay::Refused { .. } | Overlay::TryAnyway { .. }) => Self::Refused,
            Some(Overlay::Vote { .. }) => Self::Vote,
            Some(Overlay::Form(_)) => Self::Form,
            None => Self::beneath(state),
        }
    }

    /// What has the keys once nothing lies over the screen.
    pub fn beneath(state: &State) -> Self {
        match state.ui.screen {
            Screen::Fleet if state.ui.fleet.filtering => Self::Filter,
            Screen::Library if state.ui.library.filtering => Self::Filter,
            Screen::Library if state.ui.library.face == Face::Hub && state.ui.hub.typing => Self::Filter,
            Screen::Fleet if state.ui.fleet.focus == Focus::Prompt && state.chosen_session().is_some() => Self::Prompt,
            Screen::Fleet => Self::Fleet,
            Screen::Library => match state.ui.library.face {
                Face::Models => Self::Library,
                Face::Hub => Self::Hub,
                Face::Usage => Self::Usage,
            },
            Screen::Bench if state.ui.history.filtering => Self::Filter,
            Screen::Bench => match state.ui.bench_tab {
                BenchTab::Benches => Self::Bench,
                BenchTab::History => Self::History,
                BenchTab::Suites => Self::Suite,
            },
            Screen::Race if state.ui.race.typing => Self::Prompt,
            Screen::Race => Self::Race,
            Screen::Machine => Self::Machine,
            Screen::Top => Self::Top,
        }
    }

    /// Whether plain characters are text here.
    pub fn is_text(self) -> bool {
        TEXT.contains(&self)
    }
}

use Context::{
    Bench, Confirm, Filter, Fleet, Form, Help, History, Hub, Library, Machine, Palette, Prompt, Race, Record, Refused,
    Suite, Top, Usage, Vote,
};

const TEXT: &[Context] = &[Prompt, Filter, Palette, Form];
const TABLES: &[Context] = &[Fleet, Library, Hub, Usage, Race, Bench, History, Suite, Machine];
const LISTS: &[Context] = &[
    Fleet, Library, Hub, Usage, Race, Bench, History, Suite, Machine, Palette, Form, Filter, Confirm, Vote, Help,
    Record,
];
const SCREENS: &[Context] = &[Fleet, Library, Hub, Usage, Race, Bench, History, Suite, Machine, Help, Record, Prompt];
const GRAPHS: &[Context] = &[Fleet, Machine, Top];
const EVERYWHERE: &[Context] = &Context::ALL;

/// The built-in keys: action, where, keys. The first key is the one that hints show.
const BUILT_IN: &[(&str, &[Context], &[&str])] = &[
    ("quit", TABLES, &["q", "ctrl-c"]),
    ("quit", &[Top], &["q", "ctrl-c"]),
    ("quit", &[Prompt, Filter, Palette, Form, Confirm, Refused, Vote, Help, Record], &["ctrl-c"]),
    ("fleet", SCREENS, &["1", "alt-1"]),
    ("library", SCREENS, &["2", "alt-2"]),
    ("race", SCREENS, &["3", "alt-3"]),
    ("bench", SCREENS, &["4", "alt-4"]),
    ("machine", SCREENS, &["5", "alt-5"]),
    ("bench-model", &[Library], &["b"]),
    ("history", &[Bench, History, Suite], &["H"]),
    ("suites", &[Library, Bench, History, Suite], &["e"]),
    ("pick-suite", &[Suite], &["n"]),
    ("suite-again", &[Suite], &["r"]),
    ("cost", &[Suite], &["c"]),
    ("previous-prompt", &[Suite], &["left", "h"]),
    ("next-prompt", &[Suite], &["right", "l"]),
    ("help", SCREENS, &["?", "f1"]),
    ("help", &[Top], &["?", "f1"]),
    ("down", &[Top], &["down", "j"]),
    ("up", &[Top], &["up", "k"]),
    ("theme", &[Top], &["T"]),
    ("palette", &[Fleet, Library, Hub, Usage, Race, Bench, History, Suite, Machine, Prompt], &[":", "ctrl-p"]),
    ("hub", &[Library, Usage], &["f"]),
    ("usage", &[Library, Hub], &["u"]),
    ("filter", &[Fleet, Library, Hub, History], &["/"]),
    ("reveal", &[History], &["u"]),
    ("up", LISTS, &["up", "k"]),
    ("down", LISTS, &["down", "j"]),
    ("page-up", &[Library, Hub, Usage, Race, Bench, History, Suite, Machine, Filter, Help, Record], &["pgup"]),
    ("page-down", &[Library, Hub, Usage, Race, Bench, History, Suite, Machine, Filter, Help, Record], &["pgdn"]),
    ("first", TABLES, &["home", "g"]),
    ("first", &[Record], &["home", "g"]),
    ("last", TABLES, &["end", "G"]),
    ("last", &[Record], &["end", "G"]),
    ("choose", &[Fleet, Library, Hub, Usage, Race, History, Suite, Filter, Palette, Form, Vote], &["enter"]),
    ("back", EVERYWHERE, &["esc"]),
    ("yes", &[Confirm], &["y"]),
    ("no", &[Confirm], &["n"]),
    ("focus", &[Fleet, Prompt, Hub, Race], &["tab"]),
    ("next-tab", &[Race], &["right"]),
    ("previous-tab", &[Race], &["left"]),
    ("next-tab", &[Fleet], &["right", "l"]),
    ("next-tab", &[Prompt], &["ctrl-t"]),
    ("previous-tab", &[Fleet], &["left", "h"]),
    ("scroll-up", &[Fleet, Prompt], &["pgup"]),
    ("scroll-down", &[Fleet, Prompt], &["pgdn"]),
    ("scroll-up", &[Library], &["["]),
    ("scroll-down", &[Library], &["]"]),
    ("mark", &[Fleet, Library], &["space"]),
    ("race-marked", &[Fleet, Library], &["R"]),
    ("order", &[Race], &["o"]),
    ("blind", &[Race], &["b"]),
    ("vote", &[Race], &["v"]),
    ("lockstep", &[Race], &["l"]),
    ("go-on", &[Race], &["space"]),
    ("heat", &[Race], &["h"]),
    ("diff", &[Race], &["d"]),
    ("export-race", &[Race], &["e"]),
    ("ratings", &[Race], &["s"]),
    ("new", &[Fleet, Library, Race], &["n"]),
    ("configure", &[Fleet, Library, Race], &["c"]),
    ("force", &[Refused], &["F"]),
    ("cancel", &[Fleet, Prompt, Race], &["ctrl-x"]),
    ("stop", &[Fleet, Race], &["x"]),
    ("restart", &[Fleet, Race], &["r"]),
    ("clear", &[Fleet, Prompt], &["ctrl-l"]),
    ("fold", &[Fleet, Prompt, Race], &["t", "ctrl-o"]),
    ("copy", &[Fleet, Prompt, Race, Record], &["y", "ctrl-y"]),
    ("sort", &[Fleet, Library, Hub], &["s"]),
    ("pause", &[Hub], &["p"]),
    ("cancel-download", &[Hub], &["x"]),
    ("reverse", &[Fleet, Library], &["S"]),
    ("freeze", GRAPHS, &["f"]),
    ("zoom-in", GRAPHS, &["+", "="]),
    ("zoom-out", GRAPHS, &["-"]),
    ("earlier", &[Fleet], &["[", "shift-left"]),
    ("later", &[Fleet], &["]", "shift-right"]),
    ("earlier", &[Machine, Top], &["left", "h", "["]),
    ("later", &[Machine, Top], &["right", "l", "]"]),
    ("calibrate", &[Machine, Top], &["c"]),
    ("split", GRAPHS, &["v"]),
    ("export", GRAPHS, &["e"]),
    ("theme", TABLES, &["T"]),
    ("rescan", &[Library, Usage], &["ctrl-r"]),
    ("delete-model", &[Library, Usage, History], &["d"]),
    ("take-back", &[Library, Usage], &["U"]),
    ("group", &[Usage], &["tab"]),
    ("measure-bandwidth", &[Machine], &["b"]),
    ("more-threads", TABLES, &[">"]),
    ("fewer-threads", TABLES, &["<"]),
    ("send", &[Prompt], &["enter"]),
    ("newline", &[Prompt], &["alt-enter", "shift-enter", "ctrl-j"]),
    ("backspace", TEXT, &["backspace", "ctrl-h"]),
    ("delete", TEXT, &["delete", "ctrl-d"]),
    ("delete-word", TEXT, &["ctrl-w", "alt-backspace"]),
    ("delete-to-end", TEXT, &["ctrl-k"]),
    ("delete-to-start", TEXT, &["ctrl-u"]),
    ("cursor-left", TEXT, &["left", "ctrl-b"]),
    ("cursor-right", TEXT, &["right", "ctrl-f"]),
    ("cursor-up", &[Prompt], &["up"]),
    ("cursor-down", &[Prompt], &["down"]),
    ("word-left", TEXT, &["ctrl-left", "alt-b", "alt-left"]),
    ("word-right", TEXT, &["ctrl-right", "alt-f", "alt-right"]),
    ("line-start", TEXT, &["home", "ctrl-a"]),
    ("line-end", TEXT, &["end", "ctrl-e"]),
    ("undo", TEXT, &["ctrl-z"]),
    ("redo", TEXT, &["ctrl-r"]),
];

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
    /// An action that has no key anywhere can't be given one.
    NoPlace {
        /// The action.
        name: String,
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
                write!(f, "keys: `{name}` is no action; did you mean `{nearest}`?")
            }
            Self::UnknownAction { name, nearest: None } => write!(f, "keys: `{name}` is no action"),
            Self::NoPlace { name } => write!(f, "keys: `{name}` can't be given a key"),
            Self::BadKey { name, reason } => write!(f, "keys: {name}: {reason}"),
            Self::Clash { key, actions: [first, second] } => {
                write!(f, "keys: `{key}` is given to both `{first}` and `{second}`; it does `{first}`")
            }
        }
    }
}

/// Which key does what, and where.
#[derive(Debug, Clone)]
pub struct Keymap {
    actions: HashMap<(Context, Chord), &'static str>,
    /// The keys of an action in a place, in the order they were given.
    chords: HashMap<(Context, &'static str), Vec<Chord>>,
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
            for (name, contexts, built_in) in BUILT_IN {
                for context in *contexts {
                    let own = own_keys.get(name).map(|keys| usable(keys, *context)).filter(|keys| !keys.is_empty());
                    let emptied = own_keys.get(name).is_some_and(Vec::is_empty);
                    if own.is_some() == is_users && !emptied {
                        let chords = own.unwrap_or_else(|| {
                            usable(&built_in.iter().filter_map(|key| key.parse().ok()).collect::<Vec<_>>(), *context)
                        });
                        keymap.bind(*context, name, &chords, &mut problems);
                    }
                }
            }
        }
        problems.dedup();
        (keymap, problems)
    }

    fn bind(&mut self, context: Context, name: &'static str, chords: &[Chord], problems: &mut Vec<KeymapError>) {
        for chord in chords {
            match self.actions.get(&(context, *chord)) {
                Some(first) if *first != name => {
                    let actions = [(*first).to_owned(), name.to_owned()];
                    let clash = KeymapError::Clash { key: chord.to_string(), actions };
                    if !problems.contains(&clash) {
                        problems.push(clash);
                    }
                }
                Some(_) => {}
                None => {
                    self.actions.insert((context, *chord), name);
                    self.chords.entry((context, name)).or_default().push(*chord);
                }
            }
        }
    }

    /// What a key does now; `None` where it does nothing.
    pub fn resolve(&self, state: &State, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let context = Context::of(state);
        let chord = Chord::from(key);
        if let Some(letter) = chord.types().filter(|_| context.is_text()) {
            return Some(Action::Edit(Edit::Insert(letter.to_string())));
        }
        let name = self.actions.get(&(context, chord))?;
        NAMED.iter().find(|named| named.name == *name).map(|named| named.action.clone())
    }

    /// The key to show for an action in a place; `None` where it has none.
    pub fn hint(&self, context: Context, name: &'static str) -> Option<String> {
        self.chords.get(&(context, name))?.first().map(Chord::to_string)
    }

    /// All keys of a place with the action's name, in the table's order.
    pub fn all(&self, context: Context) -> impl Iterator<Item = (&'static str, String)> + '_ {
        BUILT_IN.iter().filter(move |(_, contexts, _)| contexts.contains(&context)).filter_map(move |(name, ..)| {
            let chords = self.chords.get(&(context, *name))?;
            let keys: Vec<_> = chords.iter().map(Chord::to_string).collect();
            Some((*name, keys.join(" ")))
        })
    }
}

/// The user's keys by action, as far as they are right.
fn read_changes(
    changes: &BTreeMap<String, Vec<String>>,
    problems: &mut Vec<KeymapError>,
) -> HashMap<&'static str, Vec<Chord>> {
    let mut read = HashMap::new();
    for (name, keys) in changes {
        let Some(named) = NAMED.iter().find(|named| named.name == name) else {
            let scored = NAMED.iter().map(|named| (strsim::jaro_winkler(name, named.name), named.name));
            let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.7);
            let nearest = best.map(|(_, name)| name.to_owned());
            problems.push(KeymapError::UnknownAction { name: name.clone(), nearest });
            continue;
        };
        if !BUILT_IN.iter().any(|(known, ..)| *known == named.name) {
            problems.push(KeymapError::NoPlace { name: name.clone() });
            continue;
        }
        let mut chords = Vec::new();
        for key in keys {
            match key.parse() {
                Ok(chord) => chords.push(chord),
                Err(reason) => problems.push(KeymapError::BadKey { name: name.clone(), reason }),
            }
        }
        if !chords.is_empty() || keys.is_empty() {
            read.insert(named.name, chords);
        }
    }
    read
}

/// Of these keys, those that can do something in this place.
fn usable(chords: &[Chord], context: Context) -> Vec<Chord> {
    chords.iter().copied().filter(|chord| !(context.is_text() && chord.types().is_some())).collect()
}

#[cfg(test)]
#[path = "keymap_tests.rs"]
mod tests;
