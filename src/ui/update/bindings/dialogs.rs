//! Dialogs.

use super::{Binding, HIDDEN, Hint, bind, shown};
use crate::ui::update::{dialogs, screen, selection};
use crate::ui::{Action, FormPurpose, Overlay, State};

/// Text that can be scrolled.
pub(super) const SCROLL: &[Binding] = &[
    bind(Action::Down, &["down", "j"], |_| shown("scroll"), |client| selection::move_by(client, 1)),
    bind(Action::Up, &["up", "k"], HIDDEN, |client| selection::move_by(client, -1)),
];

/// Rows to select from.
pub(super) const ROWS: &[Binding] = &[
    bind(Action::Down, &["down", "j"], |_| shown("next"), |client| selection::move_by(client, 1)),
    bind(Action::Up, &["up", "k"], |_| shown("previous"), |client| selection::move_by(client, -1)),
];

pub(super) const CLOSE: &[Binding] = &[bind(Action::Back, &["esc"], |_| shown("close"), dialogs::close)];

pub(super) const HELP: &[Binding] = &[bind(Action::Help, &["?", "f1"], HIDDEN, screen::help)];

pub(super) const RECORD: &[Binding] = &[bind(Action::Copy, &["y", "ctrl-y"], |_| shown("copy"), dialogs::copy_record)];

pub(super) const PALETTE: &[Binding] = &[bind(Action::Choose, &["enter"], |_| shown("run"), dialogs::run_command)];

pub(super) const ANSWER: &[Binding] = &[
    bind(Action::Yes, &["y"], |_| shown("yes"), dialogs::yes),
    bind(Action::No, &["n"], |_| shown("no"), dialogs::close),
    bind(Action::Back, &["esc"], HIDDEN, dialogs::close),
];

pub(super) const KEEP: &[Binding] = &[
    bind(Action::Yes, &["y"], |_| shown("keep running"), dialogs::yes),
    bind(Action::No, &["n"], |_| shown("stop"), screen::stop_and_leave),
    bind(Action::Back, &["esc"], |_| shown("stay here"), dialogs::close),
];

pub(super) const PLAN: &[Binding] = &[
    bind(Action::Yes, &["y"], |_| shown("apply"), dialogs::yes),
    bind(Action::No, &["n"], |_| shown("cancel"), dialogs::close),
    bind(Action::Back, &["esc"], HIDDEN, dialogs::close),
];

pub(super) const REFUSED: &[Binding] =
    &[bind(Action::StartAnyway, &["F"], |_| shown("start anyway"), dialogs::start_anyway)];

pub(super) const VOTE: &[Binding] = &[bind(Action::Choose, &["enter"], |_| shown("vote"), dialogs::vote)];

pub(super) const FORM: &[Binding] = &[
    bind(Action::Choose, &["enter"], apply, dialogs::take_settings),
    bind(Action::ExternalEditor, &["ctrl-e"], |_| shown("editor"), dialogs::edit_field),
];

fn apply(state: &State) -> Hint {
    let starts = matches!(&state.ui.overlay, Some(Overlay::Form(form)) if form.purpose == FormPurpose::Start);
    shown(if starts { "start" } else { "apply" })
}
