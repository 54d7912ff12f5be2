//! What several screens need: notices, commands, and the lists of models and sessions.

use domain::command::What;
use domain::model::library_view;

use super::foreign;
use crate::ui::client::Client;
use crate::ui::{Effect, Focus, Notice, fleet_view};

/// The most notices that are kept.
const MAX_NOTICES: usize = 20;

/// Filter and sort the library; the selection stays on the model of this id where it still shows.
pub(super) fn list_models(client: &mut Client<'_>, chosen: Option<&str>) {
    let (library, view) = (&client.domain.library, &mut client.ui.library);
    let facts = library_view::Facts { measured: &library.measured, openness: &library.openness.cards };
    view.rows = library_view::rows(&library.models, view.filter.text(), view.sort, view.reverse, facts);
    let place = chosen.and_then(|id| view.rows.iter().position(|row| library.models[*row].id == id));
    view.chosen = place.unwrap_or(view.chosen).min(view.rows.len().saturating_sub(1));
}

/// Filter and sort the sessions, and other programs' processes; a selection that shows no longer goes to the first row.
pub(super) fn list_sessions(client: &mut Client<'_>) {
    foreign::list(client);
    let fleet = &mut client.ui.fleet;
    fleet.rows = fleet_view::rows(&client.domain.sessions, fleet.filter.text(), fleet.sort, fleet.reverse);
    let is_elsewhere = fleet.chosen.is_none() && fleet.foreign.chosen.is_some();
    if !is_elsewhere && !fleet.chosen.is_some_and(|chosen| fleet.rows.contains(&chosen)) {
        fleet.chosen = fleet.rows.first().copied();
        fleet.scroll = 0;
        fleet.focus = Focus::Table;
    }
}

pub(super) fn notify(client: &mut Client<'_>, text: impl Into<String>, is_error: bool) {
    let text = text.into();
    let notices = &mut client.ui.notices;
    // A key that is pressed again and again says the same once.
    notices.retain(|notice| notice.text != text);
    if notices.len() == MAX_NOTICES {
        notices.pop_front();
    }
    notices.push_back(Notice { text, is_error, at: client.domain.now });
}

/// What the screen wants of the domain, as its effects.
pub(super) fn command(what: What) -> Vec<Effect> {
    vec![Effect::Command(what)]
}
