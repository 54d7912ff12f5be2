//! Dialogs: what closes them, and what follows from their answers.

use domain::command::{Force, What};
use domain::settings::SESSION_FIELDS;

use super::library::start_session;
use super::{Client, race, screen, storage};
use crate::ui::editor::Editor;
use crate::ui::{Effect, Form, Overlay, Then};

/// Close the dialog.
pub(super) fn close(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.overlay = None;
    Vec::new()
}

/// Do what was asked about, without asking again.
pub(super) fn yes(client: &mut Client<'_>) -> Vec<Effect> {
    match client.ui.overlay.take() {
        Some(Overlay::Confirm { then: Then::Quit, .. } | Overlay::Leave { .. }) => screen::leave(client),
        Some(Overlay::Confirm { then: Then::Reattach, .. }) => screen::reattach(client),
        Some(Overlay::Confirm { then: Then::Command(what), .. }) => Effect::command(*what),
        Some(Overlay::Plan { request, plan, .. }) => storage::perform(*request, *plan),
        _ => Vec::new(),
    }
}

/// Run the selected row of the palette on the screen beneath.
pub(super) fn run_command(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(Overlay::Palette { input, chosen }) = client.ui.overlay.take() else { return Vec::new() };
    vec![Effect::RunPalette { typed: input.text().to_owned(), row: chosen }]
}

/// Copy the record that shows.
pub(super) fn copy_record(client: &mut Client<'_>) -> Vec<Effect> {
    match &client.ui.overlay {
        Some(Overlay::Record { text, .. }) => vec![Effect::Copy(text.clone())],
        _ => Vec::new(),
    }
}

/// Start a model in spite of what speaks against it.
pub(super) fn start_anyway(client: &mut Client<'_>) -> Vec<Effect> {
    match client.ui.overlay.take() {
        Some(Overlay::Refused { model, settings, .. }) => start_session(model, *settings, Force::All),
        Some(Overlay::TryAnyway { model, settings }) => start_session(model, *settings, Force::File),
        _ => Vec::new(),
    }
}

/// Vote for the selected column; the row behind them is a tie.
pub(super) fn vote(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(Overlay::Vote { chosen }) = client.ui.overlay.take() else { return Vec::new() };
    Effect::command(What::Vote((chosen < client.race_n_columns()).then_some(chosen)))
}

/// Start a session with the settings, or give them to their column.
pub(super) fn start_with_settings(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(Overlay::Form(mut form)) = client.ui.overlay.take() else { return Vec::new() };
    if !form.take() {
        client.ui.overlay = Some(Overlay::Form(form));
        return Vec::new();
    }
    match form.column {
        Some(column) => race::configured(client, column, form.settings),
        None => start_session(form.model, form.settings, Force::No),
    }
}

impl Form {
    /// Show the selected row's value in the field.
    pub(super) fn show(&mut self) {
        let value = SESSION_FIELDS.get(self.chosen).and_then(|field| self.settings.get(field.name));
        self.input = Editor::with_text(&value.unwrap_or_default());
        self.error = None;
    }

    /// Take the field's text as the selected row's value. False, with the error shown, where it is none.
    pub(super) fn take(&mut self) -> bool {
        let Some(field) = SESSION_FIELDS.get(self.chosen) else { return true };
        self.error = self.settings.set(field.name, self.input.text()).err();
        self.error.is_none()
    }
}
