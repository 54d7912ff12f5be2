//! Dialogs: what closes them, and what follows from their answers.

use domain::command::{Force, What};

use super::library::start_session;
use super::{Client, race, screen, session, storage};
use crate::ui::{Effect, FormPurpose, Overlay, Then};

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
        Some(Overlay::Confirm { then: Then::Commands(all), .. }) => all.into_iter().map(Effect::Command).collect(),
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

/// Start a session with the settings, give them to their column, or change those of a session that runs.
pub(super) fn take_settings(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(Overlay::Form(mut form)) = client.ui.overlay.take() else { return Vec::new() };
    if !form.take() {
        client.ui.overlay = Some(Overlay::Form(form));
        return Vec::new();
    }
    match form.purpose {
        FormPurpose::Column(column) => race::configured(client, column, form.settings),
        FormPurpose::Session(session) => session::reconfigured(client, session, &form),
        FormPurpose::Start => {
            // They are the conversation's, which begins with the session.
            let is_usual = form.chat == client.domain.settings.chat;
            client.ui.fleet.next_chat = (!is_usual).then_some((form.model.clone(), form.chat));
            start_session(form.model, form.settings, Force::No)
        }
    }
}

/// Write the text of the selected row in an editor of the user's.
pub(super) fn edit_field(client: &mut Client<'_>) -> Vec<Effect> {
    match &client.ui.overlay {
        Some(Overlay::Form(form)) => vec![Effect::EditExternally(form.input.text().to_owned())],
        _ => Vec::new(),
    }
}
