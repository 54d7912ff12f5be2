//! What a screen does with keys, with replies to its commands, and with what happens to the domain.
//!
//! Owned here: the way of an event through the domain and the screen. A screen reads the domain and changes it by commands
//! alone: [`Client`] holds it for reading. Absent: which key gives which action (`keymap`), and drawing.

mod attached;
mod bench;
pub(super) mod bindings;
mod chats;
mod dialogs;
mod dispatch;
mod editing;
mod foreign;
mod graphs;
mod history;
mod hub;
mod library;
mod list;
mod machine;
mod measure;
mod mouse;
mod perplexity;
mod race;
mod reply;
mod requests;
mod screen;
mod selection;
mod session;
mod spoken;
mod step;
mod storage;
mod suite;
mod to_session;
mod writing;

use std::collections::VecDeque;
use std::time::Duration;

use domain::command::{Command, CommandId};
use domain::event::{HistoryEvent, LibraryEvent};
use domain::machine::remote::RemoteEvent;
use domain::settings::GraphStyle;
use domain::{Moment, Notification};

use self::list::{list_models, list_sessions};
use super::client::Client;
use super::editor::{Edit, Editor};
use super::{Action, Effect, Event, Focus, Overlay, RaceTab, Screen, State, Welcome};

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(8);
/// How long a notice of an error stays.
const ERROR_NOTICE: Duration = Duration::from_secs(20);

/// Change the state by what happened, and say what is to be done.
pub fn update(state: &mut State, now: Moment, event: impl Into<Event>) -> Vec<Effect> {
    state.ui.notices.retain(|notice| {
        let stays = if notice.is_error { ERROR_NOTICE } else { NOTICE };
        now.uptime.saturating_sub(notice.at.uptime) < stays
    });
    let mut done = Vec::new();
    let wanted = match event.into() {
        Event::Domain(event) => on_domain_event(state, now, event, &mut done),
        event => {
            // Time goes on for the domain as well; a copy of a server's takes what the server took, and nothing else.
            if state.ui.server.is_none() {
                give(state, now, domain::Event::Elapsed, &mut done);
            }
            let wanted = on_input(&mut state.client(), event);
            dispatch::follow_palette(&mut state.client());
            wanted
        }
    };
    match &state.ui.server {
        None => carry_out(state, now, wanted, &mut done),
        Some(_) => attached::send(&mut state.client(), wanted, &mut done),
    }
    spoken::follow(&mut state.client());
    done
}

/// Give the screen's commands to the domain, and their replies to the screen, which may want more.
fn carry_out(state: &mut State, now: Moment, wanted: Vec<Effect>, done: &mut Vec<Effect>) {
    let mut wanted: VecDeque<Effect> = wanted.into();
    while let Some(effect) = wanted.pop_front() {
        let what = match effect {
            Effect::Command(what) => what,
            Effect::RunPalette { typed, row } => {
                let effects = dispatch::run_palette(&mut state.client(), &typed, row);
                wanted.extend(effects);
                continue;
            }
            effect => {
                done.push(effect);
                continue;
            }
        };
        state.ui.n_commands += 1;
        let id = CommandId(state.ui.n_commands);
        let command = Command { id, what: what.clone() };
        give(state, now, domain::Event::Command(command), done);
        let is_reply =
            |effect: &Effect| matches!(effect, Effect::Domain(domain::Effect::Reply(reply)) if reply.id == id);
        let Some(place) = done.iter().rposition(is_reply) else { continue };
        if let Effect::Domain(domain::Effect::Reply(reply)) = done.remove(place) {
            for effect in reply::on_reply(&mut state.client(), what, reply.result).into_iter().rev() {
                wanted.push_front(effect);
            }
        }
    }
}

/// Give the domain an event. What it notifies of goes to the screen, what it wants done to `done`.
fn give(state: &mut State, now: Moment, event: domain::Event, done: &mut Vec<Effect>) {
    for effect in state.domain.update(now, event) {
        match effect {
            domain::Effect::Notify(notification) => on_notification(&mut state.client(), notification),
            effect => done.push(Effect::Domain(effect)),
        }
    }
    follow(&mut state.client());
}

/// Something happened to the domain: it takes it first, then the screen.
fn on_domain_event(state: &mut State, now: Moment, event: domain::Event, done: &mut Vec<Effect>) -> Vec<Effect> {
    let is_library = matches!(event, domain::Event::Library(_) | domain::Event::Remote(_, RemoteEvent::Models(_)));
    let is_scanned = matches!(event, domain::Event::Library(LibraryEvent::Finished { .. }));
    let is_sample = matches!(event, domain::Event::Sample(_));
    let is_tick = is_sample || matches!(event, domain::Event::Frame(_));
    let chosen = is_library.then(|| state.chosen_model().map(|model| model.id.clone())).flatten();
    let for_screen = match &event {
        domain::Event::History(HistoryEvent::Measured(_)) => None,
        domain::Event::Hub(_) | domain::Event::History(_) | domain::Event::Library(LibraryEvent::Storage(_)) => {
            Some(event.clone())
        }
        _ => None,
    };
    give(state, now, event, done);
    let mut wanted = attached::take_replies(&mut state.client(), done);
    let client = &mut state.client();
    wanted.extend(match for_screen {
        Some(domain::Event::Hub(event)) => hub::on_event(client, event),
        Some(domain::Event::History(event)) => on_history(client, &event),
        Some(domain::Event::Library(LibraryEvent::Storage(news))) => {
            storage::on_event(client, &news);
            Vec::new()
        }
        _ => Vec::new(),
    });
    if is_library {
        list_models(client, chosen.as_deref());
    }
    if is_scanned {
        library::welcome(client);
        wanted.extend(storage::disk_usage(client));
    }
    if is_tick {
        graphs::ticked(client);
        if client.ui.requests.shown {
            requests::list(client);
        }
        // Figures have moved; a prompt that is being written keeps its session whatever the filter says.
        if client.ui.fleet.focus == Focus::Table {
            list_sessions(client);
        } else {
            foreign::list(client);
        }
    }
    if is_sample {
        wanted.extend(measure::residency(client));
    }
    wanted.extend(suite::follow(client));
    wanted
}

/// Something that concerns this screen alone.
fn on_input(client: &mut Client<'_>, event: Event) -> Vec<Effect> {
    match event {
        Event::Action(action) => return dispatch::act(client, action),
        Event::Text(text) => return editing::edit(client, &Edit::Insert(text)),
        Event::Mouse(mouse) => return mouse::on_mouse(client, mouse),
        Event::Show(screen) => return screen::show(client, screen),
        Event::ScrollLimit(limit) => match &mut client.ui.overlay {
            Some(Overlay::Help { scroll } | Overlay::Record { scroll, .. } | Overlay::Plan { scroll, .. }) => {
                *scroll = (*scroll).min(limit);
            }
            Some(_) => {}
            _ if client.ui.screen == Screen::Library => {
                client.ui.library.scrolled.iter_mut().for_each(|(_, rows)| *rows = (*rows).min(limit));
            }
            _ if client.ui.screen == Screen::Race => client.ui.race.limit = limit,
            _ => client.ui.fleet.scroll = client.ui.fleet.scroll.min(limit),
        },
        Event::Suites(suites) => suite::listed(client, suites),
        Event::Residency { model, share } => measure::resident(client, model, share),
        Event::Hub(event) => return hub::on_event(client, event),
        Event::History(HistoryEvent::Failed(text)) => {
            history::on_event(client, &HistoryEvent::Failed(String::new()));
            client.notify(text, true);
        }
        Event::History(event) => return on_history(client, &event),
        Event::Edited(text) => return editing::replace(client, &text),
        Event::Notice { text, is_error } => client.notify(text, is_error),
        Event::Attached(server) => attached::attached(client, *server),
        Event::Lost(how) => attached::lost(client, &how),
        Event::FirstStart => {
            client.ui.welcome = Welcome::Pending;
            library::welcome(client);
        }
        Event::AsciiOnly => (client.ui.ascii, client.ui.graphs) = (true, GraphStyle::Ascii),
        Event::Redraw => client.ui.suspending = false,
        Event::Domain(_) => {}
    }
    Vec::new()
}

/// An answer of the history: to its list, and to that of the conversations.
fn on_history(client: &mut Client<'_>, event: &HistoryEvent) -> Vec<Effect> {
    let mut wanted = history::on_event(client, event);
    wanted.extend(chats::on_event(client, event));
    wanted
}

/// News for every client.
fn on_notification(client: &mut Client<'_>, notification: Notification) {
    match notification {
        Notification::Notice { text, is_error } => client.notify(text, is_error),
        Notification::StartRefused { model, settings, refusal } => {
            client.ui.overlay = Some(Overlay::Refused { model, settings, refusal });
        }
        // It can be restarted from the table; what was typed stays in the editor.
        Notification::SessionFailed(id) => {
            if client.ui.fleet.chosen == Some(id) {
                client.ui.fleet.focus = Focus::Table;
            }
        }
        Notification::PromptReturned { session, text, reason } => {
            let editor = client.ui.fleet.prompts.entry(session).or_default();
            let text = if editor.is_empty() { text } else { format!("{text}\n{}", editor.text()) };
            *editor = Editor::with_text(&text);
            client.notify_with(reason, true, &[Action::Clear, Action::Configure]);
        }
        Notification::ContextFull { session: _, text } => {
            client.notify_with(text, false, &[Action::Configure, Action::Clear]);
        }
        Notification::RaceDiverged => {
            client.ui.race.tab = RaceTab::Lockstep;
            race::part(client);
        }
        Notification::RaceEnded => race::ended(client),
        Notification::VotesChanged => race::rate(client),
    }
}

/// The screen's lists follow the domain's.
fn follow(client: &mut Client<'_>) {
    let sessions = &client.domain.sessions;
    if !sessions.iter().map(|session| session.id).eq(client.ui.fleet.known.iter().copied()) {
        client.ui.fleet.known = sessions.iter().map(|session| session.id).collect();
        client.ui.fleet.prompts.retain(|id, _| sessions.iter().any(|session| session.id == *id));
        client.ui.fleet.folds.retain(|id, _| sessions.iter().any(|session| session.id == *id));
        client.ui.fleet.editing.take_if(|editing| !sessions.iter().any(|session| session.id == editing.session));
        list_sessions(client);
    }
    requests::follow(client);
    hub::clamp(client);
}

#[cfg(test)]
mod tests;
