//! From an action to its handler.

use super::{Client, bindings, list, screen, session};
use crate::ui::palette::{self, Entry};
use crate::ui::{Action, Effect, Mode, Overlay};

/// Carry out an action as it is meant where the keys are; nothing where it does nothing.
pub(super) fn act(client: &mut Client<'_>, action: Action) -> Vec<Effect> {
    bindings::find(client.mode(), action).map_or_else(Vec::new, |binding| binding.run(client))
}

/// Carry out a row of the palette, which is closed.
pub(super) fn run_palette(client: &mut Client<'_>, typed: &str, row: usize) -> Vec<Effect> {
    let row = palette::rows(typed, &client.ui.themes, client.mode()).into_iter().nth(row);
    match row.map(|row| row.entry) {
        Some(Entry::Action(action)) => act(client, action),
        Some(Entry::SortSessions(sort)) => list::sort_sessions_by(client, sort),
        Some(Entry::Theme(name)) => screen::set_theme(client, name),
        Some(Entry::Set { name, value }) => session::set(client, name, value),
        None => Vec::new(),
    }
}

/// The palette's selection stays within its rows.
pub(super) fn follow_palette(client: &mut Client<'_>) {
    let beneath = Mode::beneath(client.ui, client.domain);
    if let Some(Overlay::Palette { input, chosen }) = &mut client.ui.overlay {
        let n_rows = palette::rows(input.text(), &client.ui.themes, beneath).len();
        *chosen = (*chosen).min(n_rows.saturating_sub(1));
    }
}
