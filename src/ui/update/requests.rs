//! The requests' tab of the Fleet screen: who asks what, and cancelling it.

use domain::command::What;
use domain::request::RequestId;
use domain::requests::{self, Facts, RequestSort, Row};

use super::Client;
use super::step::step;
use crate::ui::editor::Editor;
use crate::ui::requests_view;
use crate::ui::{Effect, Focus, Screen};

/// Show the requests, or the sessions again.
pub(super) fn turn(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.requests.shown = !(client.ui.screen == Screen::Fleet && client.ui.requests.shown);
    client.ui.requests.filtering = false;
    client.ui.fleet.filtering = false;
    client.ui.chats.shown = false;
    client.ui.screen = Screen::Fleet;
    list(client);
    Vec::new()
}

/// Filter and sort the requests; a selection that shows no longer goes to the row at its place.
pub(super) fn list(client: &mut Client<'_>) {
    let domain = client.domain;
    let server = client.ui.server.clone();
    let view = &mut client.ui.requests;
    let place = view.chosen.and_then(|chosen| view.rows.iter().position(|id| *id == chosen)).unwrap_or(0);
    let facts = Facts { now: domain.now, energy: &domain.settings.energy };
    let all = || requests_view::requests(domain, server.as_ref());
    let rows = requests::listed(all(), view.filter.text(), (view.sort, view.reverse), facts);
    view.rows = rows.iter().map(|row| row.id).collect();
    view.n_all = all().count();
    view.problem = requests::filter_problem(view.filter.text(), all());
    if !view.chosen.is_some_and(|chosen| view.rows.contains(&chosen)) {
        view.chosen = view.rows.get(place.min(view.rows.len().saturating_sub(1))).copied();
    }
}

/// The list follows the requests: at once where one came, began to end or went, else with the next tick.
pub(super) fn follow(client: &mut Client<'_>) {
    if client.ui.screen != Screen::Fleet || !client.ui.requests.shown {
        return;
    }
    let (domain, server) = (client.domain, client.ui.server.clone());
    let view = &mut client.ui.requests;
    let now = || requests_view::requests(domain, server.as_ref()).map(|row| (row.id, row.is_open()));
    if !now().eq(view.known.iter().copied()) {
        view.known = now().collect();
        list(client);
    }
}

/// Move the selection.
pub(super) fn move_selection(client: &mut Client<'_>, by: i32) {
    let view = &mut client.ui.requests;
    let place = view.chosen.and_then(|chosen| view.rows.iter().position(|id| *id == chosen));
    let place = place.map_or(0, |place| step(place, by, view.rows.len()));
    view.chosen = view.rows.get(place).copied();
}

/// Cancel the selected request.
pub(super) fn cancel(client: &mut Client<'_>) -> Vec<Effect> {
    match chosen(client) {
        Some(row) if row.is_open() => Effect::command(What::CancelRequest(row.id)),
        Some(_) => {
            client.notify("this request has ended", true);
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// Show the selected request's session.
pub(super) fn choose(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = chosen(client).map(|row| row.session) else { return Vec::new() };
    if client.domain.session(session).is_none() {
        client.notify("the session of this request no longer exists", true);
        return Vec::new();
    }
    super::list::clear_session_filter(client);
    client.ui.fleet.chosen = Some(session);
    client.ui.fleet.foreign.chosen = None;
    client.ui.fleet.focus = Focus::Table;
    client.ui.fleet.scroll = 0;
    client.ui.requests.shown = false;
    Vec::new()
}

/// Esc: the filter goes first, then the tab.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    let view = &mut client.ui.requests;
    if view.filtering || !view.filter.is_empty() {
        view.filtering = false;
        view.filter = Editor::default();
        list(client);
    } else {
        view.shown = false;
    }
    Vec::new()
}

/// Type the filter.
pub(super) fn filter(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.requests.filtering = true;
    Vec::new()
}

/// Sort by the next column.
pub(super) fn sort(client: &mut Client<'_>) -> Vec<Effect> {
    let all = RequestSort::ALL;
    let place = all.iter().position(|(_, sort)| *sort == client.ui.requests.sort).unwrap_or(0);
    client.ui.requests.sort = all[(place + 1) % all.len()].1;
    list(client);
    Vec::new()
}

/// Sort the other way round.
pub(super) fn reverse(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.requests.reverse = !client.ui.requests.reverse;
    list(client);
    Vec::new()
}

fn chosen<'a>(client: &Client<'a>) -> Option<Row<'a>> {
    let id: RequestId = client.ui.requests.chosen?;
    requests_view::requests(client.domain, client.ui.server.as_ref()).find(|row| row.id == id)
}
