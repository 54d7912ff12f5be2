//! A screen whose domain is a copy of a server's: its commands go to the server, and come back as events with their
//! replies.

use std::collections::VecDeque;

use domain::command::{Cause, Refused};
use domain::{Effect as DomainEffect, command::Command};

use super::{Client, dispatch, hub, list_models, list_sessions, race, reply};
use crate::ui::{Effect, Focus, Overlay, Server, Then};

/// Commands that may wait for their replies: more than anybody gives in the time that a server takes.
const MAX_UNANSWERED: usize = 256;

/// Send the commands among what is wanted; the rest is the driver's.
pub(super) fn send(client: &mut Client<'_>, wanted: Vec<Effect>, done: &mut Vec<Effect>) {
    let mut wanted: VecDeque<Effect> = wanted.into();
    while let Some(effect) = wanted.pop_front() {
        let what = match effect {
            Effect::Command(what) => what,
            Effect::RunPalette { typed, row } => {
                wanted.extend(dispatch::run_palette(client, &typed, row));
                continue;
            }
            effect => {
                done.push(effect);
                continue;
            }
        };
        let refusal = if client.ui.unanswered.len() >= MAX_UNANSWERED {
            "the server does not answer"
        } else if let Some(id) = client.ui.next_command() {
            client.ui.unanswered.insert(id, what.clone());
            done.push(Effect::Send(Command { id, what }));
            continue;
        } else {
            "the server has ended"
        };
        done.extend(reply::on_reply(client, what, Err(Refused::new(Cause::BUSY, refusal))));
    }
}

/// Take what is for this screen out of what an event brought; gives what follows. The rest was the server's to do.
pub(super) fn take_replies(client: &mut Client<'_>, done: &mut Vec<Effect>) -> Vec<Effect> {
    if client.ui.server.is_none() {
        return Vec::new();
    }
    let mut wanted = Vec::new();
    for effect in std::mem::take(done) {
        if let Effect::Domain(DomainEffect::Reply(reply)) = effect
            && let Some(what) = client.ui.unanswered.remove(&reply.id)
        {
            wanted.extend(reply::on_reply(client, what, reply.result));
        }
    }
    wanted
}

/// The domain is a new copy of the server's: what shows follows it.
pub(super) fn attached(client: &mut Client<'_>, server: Server) {
    let was_lost = client.ui.server.as_ref().is_some_and(|server| server.is_lost);
    refuse_unanswered(client);
    client.ui.server = Some(server);
    if was_lost {
        if matches!(client.ui.overlay, Some(Overlay::Confirm { then: Then::Reattach, .. })) {
            client.ui.overlay = None;
        }
        client.notify("attached to the server again", false);
    }
    let model = client.chosen_model().map(|model| model.id.clone());
    client.ui.fleet.known = client.domain.sessions.iter().map(|session| session.id).collect();
    list_sessions(client);
    list_models(client, model.as_deref());
    race::rate(client);
    hub::clamp(client);
}

/// The server is gone. What it was asked for and did not answer is refused.
pub(super) fn lost(client: &mut Client<'_>, how: &str) {
    if let Some(server) = &mut client.ui.server {
        server.is_lost = true;
    }
    // Nobody takes what is written now.
    client.ui.fleet.focus = Focus::Table;
    client.ui.race.typing = false;
    super::requests::follow(client);
    refuse_unanswered(client);
    let question = format!("{how}. Attach again? A server is started if none is running.");
    client.ui.overlay = Some(Overlay::Confirm { question, then: Then::Reattach });
}

fn refuse_unanswered(client: &mut Client<'_>) {
    for (_, what) in std::mem::take(&mut client.ui.unanswered) {
        let _ = reply::on_reply(client, what, Err(Refused::new(Cause::BUSY, "the connection to the server was lost")));
    }
}
