//! The keys of a screen as a table of groups, for its explanation.

use strum::VariantArray as _;

use super::canvas::{Canvas, Span};
use super::theme::Meaning;
use super::widgets::text;
use crate::ui::{Action, Mode};

/// What an action is about, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
enum Group {
    Act,
    Select,
    View,
    Graphs,
    Write,
    Go,
    Program,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::Act => "Actions",
            Self::Select => "Select and list",
            Self::View => "View",
            Self::Graphs => "Graphs and machine",
            Self::Write => "Write",
            Self::Go => "Go to",
            Self::Program => "Program",
        }
    }

    fn of(action: Action) -> Self {
        use Action as A;
        match action {
            A::Fleet
            | A::Requests
            | A::Library
            | A::Hub
            | A::DiskUsage
            | A::Race
            | A::Bench
            | A::History
            | A::Suites
            | A::Machine => Self::Go,
            A::Up
            | A::Down
            | A::PageUp
            | A::PageDown
            | A::First
            | A::Last
            | A::Mark
            | A::UnmarkAll
            | A::Filter
            | A::Sort
            | A::Reverse
            | A::Group
            | A::PreviousPrompt
            | A::NextPrompt => Self::Select,
            A::Focus
            | A::NextTab
            | A::PreviousTab
            | A::ScrollUp
            | A::ScrollDown
            | A::Fold
            | A::Diff
            | A::Lockstep
            | A::KlHeatmap
            | A::Leaderboard
            | A::PlotAxis => Self::View,
            A::PauseGraphs
            | A::ZoomIn
            | A::ZoomOut
            | A::Earlier
            | A::Later
            | A::Split
            | A::ExportGraphs
            | A::Calibrate
            | A::MeasureBandwidth
            | A::MoreThreads
            | A::FewerThreads => Self::Graphs,
            A::Quit | A::Reattach | A::Help | A::Palette | A::Theme | A::Messages | A::DismissNotices | A::Suspend => {
                Self::Program
            }
            A::Newline
            | A::Backspace
            | A::Delete
            | A::DeleteWord
            | A::DeleteToEnd
            | A::DeleteToStart
            | A::CursorLeft
            | A::CursorRight
            | A::CursorUp
            | A::CursorDown
            | A::WordLeft
            | A::WordRight
            | A::LineStart
            | A::LineEnd
            | A::Undo
            | A::Redo => Self::Write,
            _ => Self::Act,
        }
    }
}

/// From this width on the groups stand in two columns.
const TWO_COLUMNS: usize = 76;
/// Columns of the keys.
const KEYS: usize = 12;
/// Blanks between the two columns.
const GAP: usize = 2;

/// The keys of a mode, a table of groups: the lines of it.
pub(super) fn table<'a>(canvas: &Canvas<'_>, mode: Mode, columns: usize) -> Vec<Vec<Span<'a>>> {
    let two = columns >= TWO_COLUMNS;
    let width = if two { (columns - GAP) / 2 } else { columns };
    let all: Vec<(Action, String)> = canvas.keys.all(mode).collect();
    let groups: Vec<Vec<Vec<Span<'a>>>> = Group::VARIANTS
        .iter()
        .filter_map(|group| {
            let keys: Vec<_> = all.iter().filter(|(action, _)| Group::of(*action) == *group).collect();
            (!keys.is_empty()).then(|| lines_of(canvas, *group, &keys, width))
        })
        .collect();
    if !two {
        return groups.into_iter().flatten().collect();
    }
    // The columns end as near to each other as whole groups allow.
    let heights: Vec<usize> = groups.iter().map(Vec::len).collect();
    let total: usize = heights.iter().sum();
    let uneven = |count: &usize| {
        let left: usize = heights.iter().take(*count).sum();
        left.abs_diff(total - left)
    };
    let n_left = (1..=groups.len()).min_by_key(uneven).unwrap_or(0);
    let mut left: Vec<_> = groups.into_iter().collect();
    let right: Vec<_> = left.split_off(n_left.min(left.len())).into_iter().flatten().collect();
    let left: Vec<_> = left.into_iter().flatten().collect();
    let mut right = right.into_iter();
    let mut left = left.into_iter();
    let rows = left.len().max(right.len());
    (0..rows)
        .map(|_| {
            let mut row = left.next().unwrap_or_default();
            let used: usize = row.iter().map(|span| text::width(&span.text)).sum();
            row.push(canvas.span(Meaning::Text, " ".repeat((width + GAP).saturating_sub(used))));
            row.extend(right.next().unwrap_or_default());
            row
        })
        .collect()
}

fn lines_of<'a>(canvas: &Canvas<'_>, group: Group, keys: &[&(Action, String)], width: usize) -> Vec<Vec<Span<'a>>> {
    let mut lines = vec![vec![canvas.span(Meaning::Heading, group.name())]];
    let room = width.saturating_sub(KEYS).max(8);
    for (action, keys) in keys {
        let help = action.help();
        for (index, range) in text::wrap(help, room).into_iter().enumerate() {
            // More keys than have room are told by the first ones.
            let mut keys = if index == 0 { keys.clone() } else { String::new() };
            while text::width(&keys) >= KEYS {
                match keys.rsplit_once(' ') {
                    Some((first, _)) => keys.truncate(first.len()),
                    None => break,
                }
            }
            let padding = KEYS.saturating_sub(text::width(&keys)).max(1);
            lines.push(vec![
                canvas.span(Meaning::Key, keys + &" ".repeat(padding)),
                canvas.span(Meaning::Muted, help.get(range).unwrap_or_default()),
            ]);
        }
    }
    lines
}

/// The letters that mean something else on other screens, with what they mean there.
pub(super) fn elsewhere(canvas: &Canvas<'_>, mode: Mode) -> Vec<(String, String)> {
    let letters = |mode: Mode| {
        let all = canvas.keys.all(mode).collect::<Vec<_>>().into_iter();
        all.flat_map(|(action, keys)| keys.split(' ').map(|key| (key.to_owned(), action)).collect::<Vec<_>>())
            .filter(|(key, _)| key.chars().count() == 1)
            .collect::<Vec<_>>()
    };
    let others: Vec<(Mode, String, Action)> = Mode::VARIANTS
        .iter()
        .filter(|other| **other != mode && !other.is_text() && !other.is_dialog() && **other != Mode::Top)
        .flat_map(|other| letters(*other).into_iter().map(|(key, action)| (*other, key, action)))
        .collect();
    let mut told: Vec<(String, String)> = Vec::new();
    for (key, action) in letters(mode) {
        let mut meanings: Vec<(Action, Vec<&str>)> = Vec::new();
        for (other, _, meaning) in others.iter().filter(|(_, other, meaning)| *other == key && *meaning != action) {
            match meanings.iter_mut().find(|(known, _)| known == meaning) {
                Some((_, places)) if places.contains(&place(*other)) => {}
                Some((_, places)) => places.push(place(*other)),
                None => meanings.push((*meaning, vec![place(*other)])),
            }
        }
        if !meanings.is_empty() {
            let all: Vec<_> =
                meanings.iter().map(|(action, places)| format!("{}: {}", places.join(", "), words(*action))).collect();
            let all = all.join("; ");
            // Several keys of one action mean the same elsewhere too, mostly.
            match told.iter_mut().find(|(_, known)| *known == all) {
                Some((keys, _)) => keys.extend([" ", &key]),
                None => told.push((key, all)),
            }
        }
    }
    told
}

/// An action in a few words: its name, as it is read.
fn words(action: Action) -> String {
    action.name().replace('-', " ")
}

/// Where a mode's keys hold, as a person calls it.
fn place(mode: Mode) -> &'static str {
    match mode {
        Mode::Fleet => "Fleet",
        Mode::Requests => "requests",
        Mode::Chats => "chats",
        Mode::Library => "Library",
        Mode::Hub | Mode::HubQuants | Mode::Downloads => "Hub",
        Mode::DiskUsage => "disk usage",
        Mode::Race => "Race",
        Mode::Bench => "Bench",
        Mode::History => "history",
        Mode::Suites | Mode::SuiteRun => "suites",
        Mode::Machine => "Machine",
        _ => "elsewhere",
    }
}

/// Whether the keys of a mode include an action.
#[cfg(test)]
fn has(mode: Mode, action: Action) -> bool {
    super::update::bindings::of(mode).any(|binding| binding.action == action)
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;
    use crate::ui::{Keymap, Theme};

    fn text_of(lines: &[Vec<Span<'_>>]) -> String {
        lines.iter().map(|line| line.iter().map(|span| span.text.as_ref()).collect::<String>() + "\n").collect()
    }

    #[test]
    fn every_key_is_in_its_group_at_every_width() {
        let (theme, keys) = (Theme::monochrome(), Keymap::default());
        let mut buffer = ratatui::buffer::Buffer::empty(Rect::new(0, 0, 1, 1));
        let graphs = domain::settings::GraphStyle::Braille;
        let canvas = Canvas::new(&mut buffer, &theme, &keys, Mode::Fleet, graphs);
        for columns in [40, 74, 84] {
            let lines = table(&canvas, Mode::Library, columns);
            let text = text_of(&lines);
            for group in ["Actions", "Select and list", "Go to", "Program"] {
                assert!(text.contains(group), "{columns}: {text}");
            }
            assert!(has(Mode::Library, Action::Mark) && text.contains("space"), "{text}");
            assert!(lines.iter().all(|line| text::width(text_of(std::slice::from_ref(line)).trim_end()) <= columns));
        }
    }

    /// Letters that can't mean the same everywhere are few, and told.
    #[test]
    fn few_letters_mean_several_things() {
        let (theme, keys) = (Theme::monochrome(), Keymap::default());
        let mut buffer = ratatui::buffer::Buffer::empty(Rect::new(0, 0, 1, 1));
        let graphs = domain::settings::GraphStyle::Braille;
        let canvas = Canvas::new(&mut buffer, &theme, &keys, Mode::Fleet, graphs);
        let several: std::collections::BTreeSet<String> = Mode::VARIANTS
            .iter()
            .filter(|mode| !mode.is_text() && !mode.is_dialog() && **mode != Mode::Top)
            .flat_map(|mode| elsewhere(&canvas, *mode))
            .flat_map(|(keys, text)| {
                assert!(!text.contains('-'), "{keys}: {text}");
                keys.split(' ').map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        insta::assert_debug_snapshot!(several);
    }
}
