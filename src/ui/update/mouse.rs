//! What the mouse does: a click selects and focuses, a double click acts, the wheel scrolls what is under it, a drag over
//! a graph moves the cursor.

use super::{Client, dispatch, foreign, graphs, history, hub, library, race, requests, selection, session, suite};
use crate::ui::hits::{Gesture, List, Mouse, Target};
use crate::ui::{Action, Effect, Focus, Mode, Overlay};

/// Rows that one notch of the wheel moves.
const NOTCH: i32 = 3;

/// Take what the mouse did.
pub(super) fn on_mouse(client: &mut Client<'_>, mouse: Mouse) -> Vec<Effect> {
    let is_click = matches!(mouse.gesture, Gesture::Click | Gesture::DoubleClick);
    match (mouse.hit.target, mouse.gesture) {
        (Target::Action(action), _) if is_click => dispatch::act(client, action),
        (Target::Rows { list, first, count }, Gesture::Click | Gesture::DoubleClick) => {
            let place = first + usize::from(mouse.at.y);
            if place >= count {
                return Vec::new();
            }
            let mut effects = select(client, list, place);
            if mouse.gesture == Gesture::DoubleClick {
                effects.extend(dispatch::act(client, Action::Choose));
            }
            effects
        }
        (Target::Rows { list, .. }, Gesture::Wheel(by)) => turn(client, list, by * NOTCH),
        (Target::Tab(tab), _) if is_click => {
            client.ui.fleet.tab = tab;
            client.ui.fleet.scroll = 0;
            Vec::new()
        }
        (Target::Column(_), Gesture::Wheel(by)) => race::scroll(client, by * NOTCH),
        (Target::Column(place), _) if is_click => race::select_column(client, place),
        (Target::Field(mode), _) if is_click => focus(client, mode),
        (Target::Field(mode) | Target::Text(mode), Gesture::Wheel(by)) => scroll(client, mode, by * NOTCH),
        (Target::Graph, Gesture::Click | Gesture::DoubleClick | Gesture::Drag) => {
            graphs::point(client, mouse.at.x, mouse.hit.area.width)
        }
        // A click beside it closes what has nothing to lose.
        (Target::Beside, _) if is_click && closes_beside(client) => dispatch::act(client, Action::Back),
        (Target::Graph, Gesture::Wheel(by)) => graphs::zoom(client, by.signum()),
        _ => Vec::new(),
    }
}

/// Whether what lies over the screen has nothing that closing it would lose.
fn closes_beside(client: &Client<'_>) -> bool {
    matches!(client.ui.overlay, Some(Overlay::Help { .. } | Overlay::Palette { .. }))
}

/// Give a field the keys.
fn focus(client: &mut Client<'_>, mode: Mode) -> Vec<Effect> {
    leave_fields(client);
    match mode {
        Mode::Prompt => session::choose(client),
        Mode::RacePrompt => race::type_prompt(client),
        Mode::HubSearch => hub::type_search(client),
        _ => {
            match mode {
                Mode::LibraryFilter => client.ui.library.filtering = true,
                Mode::FleetFilter => client.ui.fleet.filtering = true,
                Mode::RequestFilter => client.ui.requests.filtering = true,
                Mode::HistoryFilter => client.ui.history.filtering = true,
                Mode::ChatFilter => client.ui.chats.filtering = true,
                _ => {}
            }
            Vec::new()
        }
    }
}

/// What is typed stays, and the list has the keys.
fn leave_fields(client: &mut Client<'_>) {
    let ui = &mut *client.ui;
    (ui.library.filtering, ui.fleet.filtering, ui.requests.filtering, ui.history.filtering) =
        (false, false, false, false);
    (ui.hub.typing, ui.race.typing, ui.chats.filtering) = (false, false, false);
    ui.fleet.focus = Focus::Table;
}

/// Select a row of a list, which gets the keys.
fn select(client: &mut Client<'_>, list: List, place: usize) -> Vec<Effect> {
    let is_dialog = matches!(list, List::Palette | List::Fields | List::Votes);
    if is_dialog != client.ui.overlay.is_some() {
        return Vec::new();
    }
    if !is_dialog {
        leave_fields(client);
    }
    let ui = &mut *client.ui;
    match list {
        List::Sessions => foreign::select(client, place),
        List::OtherProcesses => foreign::select(client, client.ui.fleet.rows.len() + place),
        List::Requests => ui.requests.chosen = ui.requests.rows.get(place).copied(),
        List::Models => ui.library.chosen = place,
        List::Chats => ui.chats.chosen = place,
        List::Repositories => {
            (ui.hub.in_downloads, ui.hub.open) = (false, None);
            ui.hub.chosen = place;
            // The files of what is selected are asked for.
            return hub::move_selection(client, 0);
        }
        List::Quants => (ui.hub.in_downloads, ui.hub.open) = (false, Some(place)),
        List::Downloads => (ui.hub.in_downloads, ui.hub.chosen_download) = (true, place),
        List::Cleanup => ui.usage.chosen = place,
        List::DiskUsage => ui.usage.chosen = client.domain.cleanup.reclaimable().len() + place,
        List::Bench => ui.bench_row = place,
        List::Records => {
            ui.history.chosen = place;
            return history::ask_older(client);
        }
        List::Suites => ui.suites.chosen = place,
        List::SuiteModels => ui.suites.row = place,
        List::Palette | List::Fields | List::Votes => choose(client, place),
    }
    Vec::new()
}

/// Select a row of a dialog.
fn choose(client: &mut Client<'_>, place: usize) {
    match &mut client.ui.overlay {
        Some(Overlay::Palette { chosen, .. } | Overlay::Vote { chosen }) => *chosen = place,
        // The text of the row before must be right.
        Some(Overlay::Form(form)) => {
            let is_right = form.take();
            if is_right {
                form.chosen = place.min(form.fields().len().saturating_sub(1));
                form.show();
            }
        }
        _ => {}
    }
}

/// Move the selection of a list by so many rows.
fn turn(client: &mut Client<'_>, list: List, by: i32) -> Vec<Effect> {
    match list {
        List::Sessions | List::OtherProcesses => foreign::move_selection(client, by),
        List::Requests => requests::move_selection(client, by),
        List::SuiteModels | List::Suites => suite::move_selection(client, by),
        // These lists have the keys wherever they show.
        _ => return selection::move_by(client, by),
    }
    Vec::new()
}

/// Scroll text by so many lines; negative is up.
fn scroll(client: &mut Client<'_>, mode: Mode, by: i32) -> Vec<Effect> {
    match mode {
        Mode::Fleet | Mode::Prompt => session::scroll(client, by),
        Mode::Library => library::scroll(client, by),
        Mode::Race | Mode::RacePrompt => race::scroll(client, by),
        Mode::Machine | Mode::Help | Mode::Record | Mode::Plan => selection::move_by(client, by),
        _ => Vec::new(),
    }
}
