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
    bind(Action::Rename, &["N"], |state| when(has_rows(state), "name"), chats::begin_name).anywhere(),
    bind(Action::ExportChat, &["w"], |state| when(has_rows(state), "export"), chats::save).anywhere(),
    bind(Action::DeleteSelected, &["d"], |state| when(has_rows(state), "delete"), chats::delete),
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

fn back(state: &State) -> Hint {
    shown(if state.ui.chats.filter.is_empty() { "sessions" } else { "show all" })
}
