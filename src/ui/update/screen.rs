//! What is done on every screen: going to another one, help, palette, theme, notices, quitting.

use domain::command::What;
use domain::settings::OnQuit;

use super::Client;
use crate::ui::editor::Editor;
use crate::ui::{Effect, Overlay, RecordView, Screen, Then};

/// Go to a screen.
pub(super) fn show(client: &mut Client<'_>, screen: Screen) -> Vec<Effect> {
    client.ui.screen = screen;
    client.ui.overlay = None;
    client.ui.library.filtering = false;
    client.ui.fleet.filtering = false;
    client.ui.requests.filtering = false;
    client.ui.history.filtering = false;
    client.ui.chats.filtering = false;
    client.ui.chats.naming = None;
    client.ui.race.typing = false;
    Vec::new()
}

/// Explain the screen, or stop explaining.
pub(super) fn help(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.overlay = match client.ui.overlay {
        Some(Overlay::Help { .. }) => None,
        _ => Some(Overlay::Help { scroll: 0 }),
    };
    Vec::new()
}

/// Open the command palette.
pub(super) fn palette(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.overlay = Some(Overlay::Palette { input: Editor::default(), chosen: 0 });
    Vec::new()
}

/// Switch to the next theme.
pub(super) fn next_theme(client: &mut Client<'_>) -> Vec<Effect> {
    let themes = &client.ui.themes;
    let place = themes.iter().position(|name| *name == client.ui.theme).map_or(0, |place| place + 1);
    if let Some(name) = themes.get(place % themes.len().max(1)).cloned() {
        client.notify(format!("theme {name}"), false);
        client.ui.theme = name;
    }
    Vec::new()
}

/// Switch to the theme of this name.
pub(super) fn set_theme(client: &mut Client<'_>, name: String) -> Vec<Effect> {
    if client.ui.themes.contains(&name) {
        client.ui.theme = name;
    } else {
        client.notify(format!("there is no theme {name}"), true);
    }
    Vec::new()
}

/// Show the last messages in full.
pub(super) fn messages(client: &mut Client<'_>) -> Vec<Effect> {
    let text: Vec<String> = client
        .ui
        .messages
        .iter()
        .rev()
        .map(|(at, notice)| {
            let ago = domain::units::ago(*at, client.domain.now.unix);
            format!("{ago}: {notice}")
        })
        .collect();
    let text = if text.is_empty() { "No messages yet.".to_owned() } else { text.join("\n\n") };
    client.ui.overlay =
        Some(Overlay::Record { title: "messages, newest first".to_owned(), text, view: RecordView::Text, scroll: 0 });
    Vec::new()
}

/// Stop until the shell continues the program.
pub(super) fn suspend(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.suspending = true;
    Vec::new()
}

/// Dismiss the notices.
pub(super) fn dismiss_notices(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.notices.clear();
    Vec::new()
}

/// Quit; asks while sessions are loaded.
pub(super) fn quit(client: &mut Client<'_>) -> Vec<Effect> {
    match client.ui.overlay.take() {
        // Asking twice to quit is an answer.
        Some(Overlay::Confirm { then: Then::Quit, .. } | Overlay::Leave { .. }) => return leave(client),
        question @ Some(Overlay::Confirm { .. }) => {
            client.ui.overlay = question;
            return Vec::new();
        }
        _ => {}
    }
    let live = client.domain.sessions.iter().filter(|session| session.is_live()).count();
    let busy = client.domain.sessions.iter().filter(|session| session.is_busy()).count();
    if live == 0 {
        return leave(client);
    }
    let what = match (live, busy) {
        (1, 0) => "One session is loaded",
        (1, _) => "One session is answering",
        (_, 0) => &format!("{live} sessions are loaded"),
        (_, 1) => &format!("{live} sessions are loaded, one is answering"),
        (_, busy) => &format!("{live} sessions are loaded, {busy} are answering"),
    };
    let them = if live == 1 { "it" } else { "them" };
    let is_lost = client.ui.server.as_ref().is_some_and(|server| server.is_lost);
    match client.ui.on_quit {
        // What shows has ended already.
        _ if is_lost => return leave(client),
        OnQuit::Keep if client.ui.is_attached() => return leave(client),
        OnQuit::Stop => return stop_and_leave(client),
        OnQuit::Ask if client.ui.is_attached() => {
            client.ui.overlay = Some(Overlay::Leave { question: format!("{what}. Keep {them} running?") });
        }
        // They are this process's own, and end with it.
        OnQuit::Ask | OnQuit::Keep => {
            let question = format!("{what}. Quit and stop {them}?");
            client.ui.overlay = Some(Overlay::Confirm { question, then: Then::Quit });
        }
    }
    Vec::new()
}

/// Stop all sessions of the server, and quit. Those of this process end with it.
pub(super) fn stop_and_leave(client: &mut Client<'_>) -> Vec<Effect> {
    let live = client.domain.sessions.iter().filter(|session| session.is_live() && client.ui.is_attached());
    let mut effects: Vec<Effect> = live.map(|session| What::StopSession(session.id).into()).collect();
    client.ui.overlay = None;
    effects.extend(leave(client));
    effects
}

/// Attach to the server again.
pub(super) fn reattach(client: &mut Client<'_>) -> Vec<Effect> {
    match &client.ui.server {
        Some(server) if server.is_lost => vec![Effect::Reattach],
        _ => {
            client.notify("no connection was lost", false);
            Vec::new()
        }
    }
}

/// Quit without asking.
pub(super) fn leave(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.leaving = true;
    vec![Effect::Quit]
}
