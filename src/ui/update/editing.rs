//! Text that is typed or pasted, and what follows from it.

use super::list::{list_models, list_sessions};
use super::{Client, chats, history, requests};
use crate::ui::editor::{Edit, Editor};
use crate::ui::{Effect, Mode, Overlay};

/// Change the text of the field that has the keys.
pub(super) fn edit(client: &mut Client<'_>, edit: &Edit) -> Vec<Effect> {
    // What is typed takes the place of a value that was there; a cursor that moves goes into it.
    let replaces = matches!(edit, Edit::Insert(_));
    if let Some(Overlay::Form(form)) = &mut client.ui.overlay
        && std::mem::take(&mut form.is_fresh)
        && replaces
    {
        form.input.clear();
    }
    change(client, |field| {
        field.apply(edit);
    })
}

/// Put in what was written in an editor of the user's.
pub(super) fn replace(client: &mut Client<'_>, text: &str) -> Vec<Effect> {
    if let Some(Overlay::Form(form)) = &mut client.ui.overlay {
        form.is_fresh = false;
    }
    change(client, |field| field.replace(text))
}

/// Empty it.
pub(super) fn clear(client: &mut Client<'_>) -> Vec<Effect> {
    change(client, |field| *field = Editor::default())
}

fn change(client: &mut Client<'_>, change: impl FnOnce(&mut Editor)) -> Vec<Effect> {
    let mode = client.mode();
    let Some(field) = client.ui.field(mode) else { return Vec::new() };
    change(field);
    match mode {
        Mode::LibraryFilter => {
            client.ui.library.chosen = 0;
            list_models(client, None);
        }
        Mode::FleetFilter => list_sessions(client),
        Mode::RequestFilter => requests::list(client),
        Mode::ChatFilter => return chats::list(client),
        Mode::HistoryFilter => return history::ask(client),
        _ => {}
    }
    match &mut client.ui.overlay {
        Some(Overlay::Palette { chosen, .. }) => *chosen = 0,
        Some(Overlay::Form(form)) => form.error = None,
        _ => {}
    }
    Vec::new()
}
