//! A row of a mode's table: an action, its keys, its label and its handler.

use crate::ui::client::Client;
use crate::ui::{Action, Effect, State};

/// An action in a mode.
pub(in crate::ui) struct Binding {
    pub(in crate::ui) action: Action,
    /// The built-in keys; the first is the one that hints show. Without any, it is in the palette alone.
    pub(in crate::ui) keys: &'static [&'static str],
    /// What the footer calls it now.
    pub(in crate::ui) hint: fn(&State) -> Hint,
    pub(super) run: fn(&mut Client<'_>) -> Vec<Effect>,
    /// Whether it does the same in the other lists, by the palette.
    pub(super) anywhere: bool,
}

/// Whether the footer has an action now, and under which label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Hint {
    /// It hasn't.
    Hidden,
    /// In the order of the table.
    Shown(&'static str),
    /// In the order of the table, with how many it is done to.
    Counted(&'static str, usize),
    /// Before all others.
    First(&'static str),
}

/// Never in the footer.
pub(super) const HIDDEN: fn(&State) -> Hint = |_| Hint::Hidden;

pub(super) const fn bind(
    action: Action,
    keys: &'static [&'static str],
    hint: fn(&State) -> Hint,
    run: fn(&mut Client<'_>) -> Vec<Effect>,
) -> Binding {
    Binding { action, keys, hint, run, anywhere: false }
}

impl Binding {
    pub(super) const fn anywhere(self) -> Self {
        Self { anywhere: true, ..self }
    }

    /// Do it.
    pub(in crate::ui::update) fn run(&self, client: &mut Client<'_>) -> Vec<Effect> {
        (self.run)(client)
    }
}

pub(super) const fn shown(label: &'static str) -> Hint {
    Hint::Shown(label)
}

pub(super) const fn when(condition: bool, label: &'static str) -> Hint {
    if condition { Hint::Shown(label) } else { Hint::Hidden }
}

pub(super) const fn first_when(condition: bool, label: &'static str) -> Hint {
    if condition { Hint::First(label) } else { Hint::Hidden }
}
