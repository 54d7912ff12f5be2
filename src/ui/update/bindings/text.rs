//! Text fields.

use super::{Binding, HIDDEN, bind, shown};
use crate::ui::Action;
use crate::ui::editor::Edit;
use crate::ui::update::editing::edit;
use crate::ui::update::{screen, writing};

/// What every field has.
pub(super) const EDITING: &[Binding] = &[
    bind(Action::Backspace, &["backspace", "ctrl-h"], HIDDEN, |client| edit(client, &Edit::Backspace)),
    bind(Action::Delete, &["delete", "ctrl-d"], HIDDEN, |client| edit(client, &Edit::Delete)),
    bind(Action::DeleteWord, &["ctrl-w", "alt-backspace"], HIDDEN, |client| edit(client, &Edit::DeleteWord)),
    bind(Action::DeleteToEnd, &["ctrl-k"], HIDDEN, |client| edit(client, &Edit::DeleteToEnd)),
    bind(Action::DeleteToStart, &["ctrl-u"], HIDDEN, |client| edit(client, &Edit::DeleteToStart)),
    bind(Action::CursorLeft, &["left", "ctrl-b"], HIDDEN, |client| edit(client, &Edit::Left)),
    bind(Action::CursorRight, &["right", "ctrl-f"], HIDDEN, |client| edit(client, &Edit::Right)),
    bind(Action::WordLeft, &["ctrl-left", "alt-b", "alt-left"], HIDDEN, |client| edit(client, &Edit::WordLeft)),
    bind(Action::WordRight, &["ctrl-right", "alt-f", "alt-right"], HIDDEN, |client| edit(client, &Edit::WordRight)),
    bind(Action::LineStart, &["home", "ctrl-a"], HIDDEN, |client| edit(client, &Edit::Home)),
    bind(Action::Undo, &["ctrl-/", "ctrl-_", "ctrl-7", "alt-u"], HIDDEN, |client| edit(client, &Edit::Undo)),
    bind(Action::Redo, &["ctrl-r"], HIDDEN, |client| edit(client, &Edit::Redo)),
];

/// The end of the line, in a field of one.
pub(super) const LINE_END: &[Binding] =
    &[bind(Action::LineEnd, &["end", "ctrl-e"], HIDDEN, |client| edit(client, &Edit::End))];

/// The end of the line, where `ctrl-e` opens an editor.
pub(super) const END: &[Binding] = &[bind(Action::LineEnd, &["end"], HIDDEN, |client| edit(client, &Edit::End))];

/// An editor of the user's.
pub(super) const EDITOR: &[Binding] = &[bind(Action::ExternalEditor, &["ctrl-e"], HIDDEN, writing::edit_externally)];

/// What a field of several lines has besides.
pub(super) const PROMPT_EDITING: &[Binding] = &[
    bind(Action::CursorUp, &["up"], HIDDEN, |client| edit(client, &Edit::Up)),
    bind(Action::CursorDown, &["down"], HIDDEN, |client| edit(client, &Edit::Down)),
];

pub(super) const NEWLINE: Binding = bind(
    Action::Newline,
    &["alt-enter", "shift-enter", "ctrl-j"],
    |_| shown("new line"),
    |client| edit(client, &Edit::Newline),
);

/// What a prompt has of what every list has.
pub(super) const COMMON: &[Binding] =
    &[bind(Action::Help, &["f1"], HIDDEN, screen::help), bind(Action::Palette, &["ctrl-p"], HIDDEN, screen::palette)];
