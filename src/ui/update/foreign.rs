//! Other programs' processes on the Fleet screen: which is selected, and that it is asked to end.

use domain::command::What;

use super::Client;
use crate::ui::{Effect, Focus, Overlay, fleet_view};

/// Filter and sort them anew, as the sessions are; a choice that shows no longer is none.
pub(super) fn list(client: &mut Client<'_>) {
    let fleet = &mut client.ui.fleet;
    let foreign = client.domain.machine.sample.as_ref().map_or(&[][..], |sample| &sample.foreign);
    let choice = &mut fleet.foreign;
    let filter = fleet_view::parse(fleet.filter.text(), &client.domain.sessions, foreign);
    choice.rows = fleet_view::foreign_rows(foreign, &client.domain.attribution, &filter, fleet.sort, fleet.reverse);
    choice.chosen = choice.chosen.filter(|chosen| choice.rows.contains(chosen));
}

/// Move the choice through the sessions and, below them, the other programs' processes.
pub(super) fn move_selection(client: &mut Client<'_>, by: i32) {
    let n_sessions = client.ui.fleet.rows.len();
    let fleet = &client.ui.fleet;
    let ids = &fleet.foreign.rows;
    let place = match (fleet.chosen, fleet.foreign.chosen) {
        (Some(chosen), _) => fleet.rows.iter().position(|id| *id == chosen),
        (None, Some(chosen)) => ids.iter().position(|id| *id == chosen).map(|at| n_sessions + at),
        (None, None) => None,
    };
    let last = (n_sessions + ids.len()).saturating_sub(1);
    // With no choice at all the first step leads to the first row.
    let place = place.map_or(0, |place| place.saturating_add_signed(by as isize).min(last));
    select(client, place);
}

/// Choose the row at a place in both lists.
pub(super) fn select(client: &mut Client<'_>, place: usize) {
    let fleet = &mut client.ui.fleet;
    let n_sessions = fleet.rows.len();
    let ids = &fleet.foreign.rows;
    let session = fleet.rows.get(place).copied();
    if session.is_none() || session != fleet.chosen {
        fleet.scroll = 0;
    }
    fleet.chosen = session;
    fleet.foreign.chosen = if session.is_none() { ids.get(place - n_sessions.min(place)).copied() } else { None };
    if session.is_none() {
        fleet.focus = Focus::Table;
    }
}

/// Ask whether the chosen process shall be asked to end, or be killed where it was asked before.
pub(super) fn stop(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(chosen) = client.chosen_foreign() else { return Vec::new() };
    let (id, title) = (chosen.id(), chosen.title());
    let kill = client.domain.asked_to_end.contains(&id);
    let question = if kill {
        format!("{title} got SIGTERM and still runs. Kill it (SIGKILL)? Unsaved work is lost.")
    } else {
        format!("{title} was not started by taffrail. Terminate it (SIGTERM)?")
    };
    let then = What::Signal { pid: id.0, started: id.1, kill }.into();
    client.ui.overlay = Some(Overlay::Confirm { question, then });
    Vec::new()
}
