//! Filtering and sorting the lists of sessions, models and records.

use domain::Domain;
use domain::filter::Filter;
use domain::model::library_view::{self, LibrarySort};

use super::{Client, foreign, race};
use crate::ui::editor::Editor;
use crate::ui::fleet_view::FleetField;
use crate::ui::{Effect, FleetSort, Focus, Welcome, fleet_view};

/// Type the filter of the sessions.
pub(super) fn filter_sessions(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.fleet.filtering = true;
    Vec::new()
}

/// Type the filter of the models.
pub(super) fn filter_models(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.library.filtering = true;
    Vec::new()
}

/// Type the filter of the history.
pub(super) fn filter_history(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.history.filtering = true;
    Vec::new()
}

/// Go back to the list with the filter as it is.
pub(super) fn keep_filter(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.fleet.filtering = false;
    client.ui.requests.filtering = false;
    client.ui.library.filtering = false;
    client.ui.history.filtering = false;
    client.ui.chats.filtering = false;
    Vec::new()
}

/// Show all sessions again.
pub(super) fn clear_session_filter(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.fleet.filter = Editor::default();
    client.ui.fleet.filtering = false;
    list_sessions(client);
    Vec::new()
}

/// Esc in the table of models: the filter goes first, then the welcome, then the marks.
pub(super) fn back_in_models(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.library.filter.is_empty() && client.ui.welcome == Welcome::Shown {
        client.ui.welcome = Welcome::Done;
        return vec![Effect::Welcomed];
    }
    if client.ui.library.filter.is_empty() { race::unmark_all(client) } else { clear_model_filter(client) }
}

/// Show all models again.
pub(super) fn clear_model_filter(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.library.filter = Editor::default();
    client.ui.library.filtering = false;
    relist_models(client)
}

/// Unmark everything that is marked, in all lists.
pub(super) fn unmark_all(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.chats.marks.clear();
    client.ui.history.marks.clear();
    client.ui.suites.marks.clear();
    race::unmark_all(client)
}

/// Sort the sessions by the next column.
pub(super) fn sort_sessions(client: &mut Client<'_>) -> Vec<Effect> {
    let all = FleetSort::ALL;
    let place = all.iter().position(|(_, sort)| *sort == client.ui.fleet.sort).unwrap_or(0);
    sort_sessions_by(client, all[(place + 1) % all.len()].1)
}

/// Sort the sessions by this column.
pub(super) fn sort_sessions_by(client: &mut Client<'_>, sort: FleetSort) -> Vec<Effect> {
    client.ui.fleet.sort = sort;
    list_sessions(client);
    Vec::new()
}

/// Sort the sessions the other way round.
pub(super) fn reverse_sessions(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.fleet.reverse = !client.ui.fleet.reverse;
    list_sessions(client);
    Vec::new()
}

/// Sort the models by the next column.
pub(super) fn sort_models(client: &mut Client<'_>) -> Vec<Effect> {
    let all = LibrarySort::ALL;
    let place = all.iter().position(|(_, sort)| *sort == client.ui.library.sort).unwrap_or(0);
    client.ui.library.sort = all[(place + 1) % all.len()].1;
    relist_models(client)
}

/// Sort the models the other way round.
pub(super) fn reverse_models(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.library.reverse = !client.ui.library.reverse;
    relist_models(client)
}

/// The selection stays on its model.
fn relist_models(client: &mut Client<'_>) -> Vec<Effect> {
    let chosen = client.chosen_model().map(|model| model.id.clone());
    list_models(client, chosen.as_deref());
    Vec::new()
}

/// Filter and sort the library; the selection stays on the model of this id where it still shows.
pub(super) fn list_models(client: &mut Client<'_>, chosen: Option<&str>) {
    let (library, view) = (&client.domain.library, &mut client.ui.library);
    let sessions = client.domain.sessions.iter().filter(|session| session.is_live());
    let loaded = sessions.map(|session| session.model.id.clone()).collect();
    let facts = library_view::Facts {
        measured: &library.measured,
        joules: &library.measured_joules,
        loaded: &loaded,
        openness: &library.openness.cards,
    };
    view.problem = library_view::parse(view.filter.text(), &library.models).problem().map(str::to_owned);
    view.rows = library_view::rows(&library.models, view.filter.text(), view.sort, view.reverse, facts);
    let place = chosen.and_then(|id| view.rows.iter().position(|row| library.models[*row].id == id));
    view.chosen = place.unwrap_or(view.chosen).min(view.rows.len().saturating_sub(1));
}

/// Read a filter of the Fleet screen.
pub(super) fn fleet_filter(domain: &Domain, text: &str) -> Filter<FleetField> {
    let foreign = domain.machine.sample.as_ref().map_or(&[][..], |sample| &sample.foreign);
    fleet_view::parse(text, &domain.sessions, foreign)
}

/// Filter and sort the sessions, and other programs' processes; a selection that shows no longer goes to the first row.
pub(super) fn list_sessions(client: &mut Client<'_>) {
    foreign::list(client);
    let fleet = &mut client.ui.fleet;
    let filter = fleet_filter(client.domain, fleet.filter.text());
    fleet.problem = filter.problem().map(str::to_owned);
    fleet.rows = fleet_view::rows(&client.domain.sessions, &filter, fleet.sort, fleet.reverse);
    let is_elsewhere = fleet.chosen.is_none() && fleet.foreign.chosen.is_some();
    if !is_elsewhere && !fleet.chosen.is_some_and(|chosen| fleet.rows.contains(&chosen)) {
        fleet.chosen = fleet.rows.first().copied();
        fleet.scroll = 0;
        fleet.focus = Focus::Table;
    }
}
