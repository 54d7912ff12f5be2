//! Moving the selection of the list that has the keys, or scrolling its text.

use super::step::step;
use super::{Client, foreign, history, hub, race, requests, session, suite};
use crate::ui::{Effect, Form, Mode, Overlay};

/// A page, in rows. The state does not know the terminal's height, and a fixed step can be learned by the fingers.
pub(super) const PAGE: i32 = 10;

/// More lines than any text has.
const MAX_SCROLL: i32 = 1 << 24;

/// Move by so many rows; negative is up.
pub(super) fn move_by(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let (domain, mode) = (client.domain, client.mode());
    if mode.is_dialog() {
        move_in_dialog(client, by);
        return Vec::new();
    }
    let ui = &mut *client.ui;
    match mode {
        // What fills the screen is read.
        Mode::Fleet if ui.fleet.is_zoomed => return session::scroll(client, by.clamp(-MAX_SCROLL, MAX_SCROLL)),
        Mode::Chats | Mode::ChatFilter => ui.chats.chosen = step(ui.chats.chosen, by, ui.chats.entries.len()),
        Mode::Fleet | Mode::FleetFilter | Mode::Top => foreign::move_selection(client, by),
        Mode::Requests | Mode::RequestFilter => requests::move_selection(client, by),
        Mode::Library | Mode::LibraryFilter => ui.library.chosen = step(ui.library.chosen, by, ui.library.rows.len()),
        Mode::DiskUsage => ui.usage.chosen = step(ui.usage.chosen, by, domain.cleanup.n_rows(ui.usage.grouping)),
        Mode::Hub | Mode::HubQuants | Mode::Downloads | Mode::HubSearch => return hub::move_selection(client, by),
        Mode::Bench => ui.bench_row = step(ui.bench_row, by, domain.bench.rows.len()),
        Mode::History | Mode::HistoryFilter => {
            ui.history.chosen = step(ui.history.chosen, by, ui.history.entries.len());
            return history::ask_older(client);
        }
        Mode::Suites | Mode::SuiteRun => suite::move_selection(client, by),
        Mode::Machine => {
            let sources = domain.machine.sample.as_ref().map_or(0, |sample| sample.sources.len());
            ui.machine.scroll = step(ui.machine.scroll, by, sources);
        }
        Mode::Race => return race::scroll(client, by),
        // Prompts move their cursor instead; dialogs were above.
        _ => {}
    }
    Vec::new()
}

fn move_in_dialog(client: &mut Client<'_>, by: i32) {
    let n_columns = client.race_n_columns();
    match &mut client.ui.overlay {
        // The next frame knows how far it can be scrolled.
        Some(Overlay::Help { scroll } | Overlay::Record { scroll, .. } | Overlay::Plan { scroll, .. }) => {
            *scroll = scroll.saturating_add_signed(by as isize);
        }
        // So does the update how many rows the palette has.
        Some(Overlay::Palette { chosen, .. }) => *chosen = chosen.saturating_add_signed(by as isize),
        // Behind the columns is the tie.
        Some(Overlay::Vote { chosen }) => *chosen = step(*chosen, by, n_columns + 1),
        Some(Overlay::Form(form)) => move_field(form, by),
        _ => {}
    }
}

/// To another row, once the text of this one is right.
fn move_field(form: &mut Form, by: i32) {
    if form.take() {
        form.chosen = step(form.chosen, by, form.fields().len());
        form.show();
    }
}
