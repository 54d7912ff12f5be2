//! What can be done in each mode: a row for each action, with its keys, its label in the footer and its handler.
//!
//! The keymap, and by it the footer, the help and the palette, are made from these tables.

mod bench;
mod binding;
mod chats;
mod common;
mod dialogs;
mod fleet;
mod hub;
mod library;
mod machine;
mod race;
mod text;

use strum::VariantArray as _;

pub(in crate::ui) use self::binding::{Binding, Hint};
use self::binding::{HIDDEN, bind, first_when, shown, when};
use crate::ui::{Action, Mode};

/// What can be done in a mode, most useful first.
pub(in crate::ui) fn of(mode: Mode) -> impl Iterator<Item = &'static Binding> {
    tables(mode).iter().copied().flatten()
}

/// What an action does in a mode: as its table says, or by the palette the same as elsewhere.
pub(super) fn find(mode: Mode, action: Action) -> Option<&'static Binding> {
    let elsewhere = || anywhere().find(|binding| binding.action == action);
    of(mode).find(|binding| binding.action == action).or_else(|| if mode.is_dialog() { None } else { elsewhere() })
}

/// What can be done in every list.
fn anywhere() -> impl Iterator<Item = &'static Binding> {
    Mode::VARIANTS.iter().flat_map(|mode| of(*mode)).filter(|binding| binding.anywhere)
}

/// The actions that the palette offers where this mode has the keys beneath it, each once.
pub(in crate::ui) fn for_palette(mode: Mode) -> Vec<Action> {
    let mut actions = Vec::new();
    for binding in of(mode).chain(anywhere()) {
        if !is_for_fingers(binding.action) && !actions.contains(&binding.action) {
            actions.push(binding.action);
        }
    }
    actions.sort_unstable_by_key(|action| *action as usize);
    actions
}

/// Moving about and editing: there is no use for it by name.
fn is_for_fingers(action: Action) -> bool {
    use Action::{Back, Choose, Down, First, Focus, Last, PageDown, PageUp, Palette, ScrollDown, ScrollUp, Up};
    let edits = text::EDITING.iter().chain(text::PROMPT_EDITING).chain(text::END);
    let is_edit = edits.into_iter().any(|binding| binding.action == action);
    is_edit
        || action == Action::Newline
        || matches!(
            action,
            Back | Choose | Down | First | Focus | Last | Palette | PageDown | PageUp | ScrollDown | ScrollUp | Up
        )
}

fn tables(mode: Mode) -> &'static [&'static [Binding]] {
    use common::{COMMON, ENDS, LEAVE, MOVES, PAGES, QUIT, SCREENS};
    use text::{EDITING, PROMPT_EDITING};
    match mode {
        Mode::Fleet => &[fleet::TABLE, MOVES, fleet::ENDS, SCREENS, COMMON, QUIT],
        Mode::Prompt => &[fleet::PROMPT, EDITING, fleet::PROMPT_MOVES, SCREENS, text::COMMON, LEAVE],
        Mode::FleetFilter => &[fleet::FILTER, MOVES, PAGES, EDITING, text::LINE_END, LEAVE],
        Mode::Requests => &[fleet::REQUESTS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::RequestFilter => &[fleet::REQUEST_FILTER, MOVES, PAGES, EDITING, text::LINE_END, LEAVE],
        Mode::Chats => &[chats::CHATS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::ChatFilter => &[chats::FILTER, MOVES, PAGES, EDITING, text::LINE_END, LEAVE],
        Mode::ChatName => &[chats::NAME, EDITING, text::LINE_END, LEAVE],
        Mode::Library => &[library::MODELS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::LibraryFilter => &[library::FILTER, MOVES, PAGES, EDITING, text::LINE_END, LEAVE],
        Mode::DiskUsage => &[library::DISK_USAGE, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::Hub => &[hub::RESULTS, hub::TABLE, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::HubQuants => &[hub::QUANTS, hub::TABLE, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::Downloads => &[hub::DOWNLOADS, hub::TABLE, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::HubSearch => &[hub::SEARCH, MOVES, PAGES, EDITING, text::LINE_END, LEAVE],
        Mode::Race => &[race::TABLE, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::RacePrompt => {
            &[race::PROMPT, EDITING, PROMPT_EDITING, text::EDITOR, text::END, SCREENS, text::COMMON, LEAVE]
        }
        Mode::Bench => &[bench::BENCHES, bench::TABS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::History => &[bench::HISTORY, bench::TABS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::HistoryFilter => &[bench::HISTORY_FILTER, MOVES, PAGES, EDITING, text::LINE_END, LEAVE],
        Mode::Suites => &[bench::SUITES, bench::TABS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::SuiteRun => &[bench::SUITE_RUN, bench::TABS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::Machine => &[machine::TABLE, machine::GRAPHS, MOVES, PAGES, ENDS, SCREENS, COMMON, QUIT],
        Mode::Top => &[machine::TOP, machine::GRAPHS, MOVES, QUIT],
        Mode::Help => &[dialogs::SCROLL, PAGES, dialogs::CLOSE, dialogs::HELP, SCREENS, LEAVE],
        Mode::Record => &[dialogs::SCROLL, PAGES, ENDS, dialogs::RECORD, dialogs::CLOSE, SCREENS, LEAVE],
        Mode::Palette => &[dialogs::PALETTE, dialogs::ROWS, dialogs::CLOSE, EDITING, text::LINE_END, LEAVE],
        Mode::Confirm => &[dialogs::ANSWER, LEAVE],
        Mode::Leave => &[dialogs::KEEP, LEAVE],
        Mode::Plan => &[dialogs::PLAN, dialogs::SCROLL, LEAVE],
        Mode::Refused => &[dialogs::REFUSED, dialogs::CLOSE, LEAVE],
        Mode::Vote => &[dialogs::VOTE, dialogs::ROWS, dialogs::CLOSE, LEAVE],
        Mode::Form => &[dialogs::FORM, dialogs::ROWS, dialogs::CLOSE, EDITING, text::END, LEAVE],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_action_has_one_row_in_a_mode_and_every_action_has_one_somewhere() {
        let mut all = BTreeSet::new();
        for mode in Mode::VARIANTS {
            let mut names = BTreeSet::new();
            for binding in of(*mode) {
                assert!(names.insert(binding.action.name()), "{mode:?}: {}", binding.action.name());
            }
            all.extend(names);
        }
        let missing: Vec<_> = Action::all().map(Action::name).filter(|name| !all.contains(name)).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn an_action_without_a_key_is_in_the_palette() {
        for mode in Mode::VARIANTS.iter().filter(|mode| !mode.is_text() && !mode.is_dialog() && **mode != Mode::Top) {
            for binding in of(*mode).filter(|binding| binding.keys.is_empty()) {
                assert!(for_palette(*mode).contains(&binding.action), "{mode:?}: {}", binding.action.name());
            }
        }
    }
}
