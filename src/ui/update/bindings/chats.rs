//! The conversations' tab of the Fleet screen.

use super::{Binding, Hint, bind, shown, when};
use crate::ui::update::{chats, list};
use crate::ui::{Action, State};

/// The conversations, or the sessions again.
pub(super) const TURN: Binding =
    bind(Action::Chats, &["C"], |state| shown(if state.ui.chats.shown { "sessions" } else { "chats" }), chats::turn)
        .anywhere();

pub(super) const CHATS: &[Binding] = &[
    bind(Action::Choose, &["enter"], |state| when(has_rows(state), "continue"), chats::choose),
    bind(Action::Open, &["o"], |state| when(has_rows(state), "read"), chats::open),
    bind(Action::Filter, &["/"], |_| shown("search"), chats::filter),
    bind(Action::Mark, &["space"], |state| when(has_rows(state), "mark"), chats::mark),
    bind(Action::Rename, &["N"], |state| when(has_rows(state), "name"), chats::begin_name).anywhere(),
    bind(Action::ExportChat, &["w"], |state| on_marked(state, "export"), chats::save).anywhere(),
    bind(Action::DeleteSelected, &["d"], |state| on_marked(state, "delete"), chats::delete),
    bind(Action::Back, &["esc"], back, chats::back),
    TURN,
];

pub(super) const FILTER: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("keep"), list::keep_filter),
    bind(Action::Back, &["esc"], |_| shown("show all"), chats::back),
];

pub(super) const NAME: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("name"), chats::name),
    bind(Action::Back, &["esc"], |_| shown("cancel"), chats::back),
];

fn has_rows(state: &State) -> bool {
    !state.ui.chats.entries.is_empty()
}

/// What is done to the marked conversations, where there are any, else to the selected one.
fn on_marked(state: &State, label: &'static str) -> Hint {
    match state.ui.chats.marks.len() {
        0 => when(has_rows(state), label),
        count => Hint::Counted(label, count),
    }
}

fn back(state: &State) -> Hint {
    let chats = &state.ui.chats;
    shown(match (chats.filter.is_empty(), chats.marks.is_empty()) {
        (false, _) => "show all",
        (true, false) => "unmark",
        (true, true) => "sessions",
    })
}
