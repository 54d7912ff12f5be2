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
        let words = match &entry {
            Entry::Action(action) => synonyms(*action),
            Entry::SortSessions(_) => "order",
            Entry::Theme(_) => "colors appearance look",
            Entry::Set { .. } => "",
        };
        let score = if typed.trim().is_empty() {
            // In the order of the bindings; what ends the program is not what Enter does first.
            Some(-i32::from(entry == Entry::Action(Action::Quit)))
        } else {
            by_words(typed, &label, words, help).or_else(|| fuzzy(typed, &label))
        };
        if let Some(score) = score {
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

/// How well the words that are typed begin words of the label, of what people call it, or of its description; `None`
/// where one of them begins none. Always better than letters here and there.
fn by_words(typed: &str, label: &str, synonyms: &str, help: &str) -> Option<i32> {
    const WORDS: i32 = 100;
    let typed = typed.to_lowercase();
    let begins = |text: &str, word: &str| {
        text.to_lowercase().split([' ', '-', ',', ';', ':', '.']).any(|known| known.starts_with(word))
    };
    let mut score = 0;
    let mut words = typed.split_whitespace().peekable();
    words.peek()?;
    for word in words {
        score += match word {
            _ if begins(label, word) => 3 * WORDS,
            _ if begins(synonyms, word) => 2 * WORDS,
            // A short beginning of some word of a sentence says nothing.
            _ if word.len() >= 3 && begins(help, word) => WORDS,
            _ => return None,
        };
    }
    // The shorter name is meant more likely.
    Some(score - i32::try_from(label.len()).unwrap_or(WORDS))
}

/// What people call an action besides its name.
fn synonyms(action: Action) -> &'static str {
    match action {
        Action::Quit => "exit close leave",
        Action::Reattach => "reconnect connect server",
        Action::Fleet => "sessions chat chats running loaded home",
        Action::Requests => "clients api queue traffic",
        Action::Library => "models start load new chat session",
        Action::Hub => "download pull find get install huggingface search",
        Action::DiskUsage => "space storage size cleanup",
        Action::Race => "compare answers side",
        Action::Bench => "speed benchmark performance",
        Action::History => "past previous log records answers conversations",
        Action::Suites => "evaluate eval test tests prompts",
        Action::Machine => "hardware sensors cpu gpu memory power energy cost temperature system",
        Action::Help => "keys shortcuts manual documentation",
        Action::Filter => "search find",
        Action::New => "start load session chat another open",
        Action::Configure => {
            "settings options parameters preferences system prompt temperature context configure change"
        }
        Action::Cancel => "abort interrupt halt generating",
        Action::Stop => "unload kill end close terminate eject session",
        Action::Restart => "reload again",
        Action::Clear => "new chat reset forget conversation start over delete",
        Action::Fold => "thinking reasoning hide show",
        Action::Copy => "clipboard yank answer",
        Action::Sort => "order",
        Action::Mark => "select choose several multiple",
        Action::UnmarkAll => "deselect clear marks",
        Action::RaceMarked => "compare models side answers",
        Action::Blind => "hide names anonymous",
        Action::Vote => "best winner judge",
        Action::Leaderboard => "ranking elo ratings scores",
        Action::ExportRace => "save write file html markdown report",
        Action::BenchModel => "benchmark speed measure performance test",
        Action::KeepDisturbed => "outliers busy noisy",
        Action::PlotAxis => "cost energy price time memory",
        Action::DeleteSelected => "remove erase trash rm uninstall",
        Action::UndoCleanup => "restore untrash revert back",
        Action::Rescan => "refresh reload update scan",
        Action::PauseDownload => "resume continue",
        Action::CancelDownload => "abort stop discard",
        Action::PauseGraphs => "freeze hold",
        Action::Split => "stack separate",
        Action::ExportGraphs => "save write file csv data",
        Action::Calibrate => "energy cost power idle baseline meter",
        Action::MeasureBandwidth => "memory speed ram",
        Action::MoreThreads | Action::FewerThreads => "cpu cores budget",
        Action::Theme => "colors dark light appearance look",
        Action::Messages => "errors notices notifications log",
        Action::Suspend => "background shell pause",
        _ => "",
    }
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
        // Everyday words, where nothing is called so.
        for (mode, typed, wanted) in [
            (Mode::Library, "undo", "undo-cleanup"),
            (Mode::Race, "save", "export-race"),
            (Mode::Fleet, "save", "export-graphs"),
            (Mode::Library, "delete", "delete-selected"),
            (Mode::Fleet, "new chat", "new-chat"),
            (Mode::Fleet, "system prompt", "configure"),
            (Mode::Library, "system prompt", "configure"),
            (Mode::Fleet, "settings", "configure"),
            (Mode::Fleet, "cost", "machine"),
            (Mode::SuiteRun, "cost", "plot-axis"),
            (Mode::Fleet, "unload", "stop"),
            (Mode::Library, "download", "hub"),
            (Mode::Library, "compare", "race-marked"),
            (Mode::Machine, "exit", "quit"),
            (Mode::Fleet, "dark", "theme dark"),
            (Mode::Fleet, "errors", "messages"),
        ] {
            let found = labels(typed, mode);
            assert!(found.iter().take(3).any(|label| label == wanted), "{mode:?} {typed}: {found:?}");
        }
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
