//! Going to a session from another screen.

use domain::session::SessionId;

use super::{Client, list};
use crate::ui::{Effect, Focus, Screen, SessionTab};

/// Go to a session, whatever the filter says.
pub(super) fn show(client: &mut Client<'_>, id: SessionId) -> Vec<Effect> {
    if !client.ui.fleet.rows.contains(&id) {
        list::clear_session_filter(client);
    }
    let fleet = &mut client.ui.fleet;
    (fleet.chosen, fleet.foreign.chosen) = (Some(id), None);
    (fleet.tab, fleet.scroll, fleet.filtering) = (SessionTab::Conversation, 0, false);
    fleet.focus = Focus::Prompt;
    client.ui.screen = Screen::Fleet;
    client.ui.requests.shown = false;
    client.ui.chats.shown = false;
    Vec::new()
}
