//! What follows from a conversation that no longer fits its context.

use super::common::{find, notify};
use super::exchange::next_exchange;
use super::{history, session};
use crate::effect::Effect;
use crate::notification::Notification;
use crate::request::RequestId;
use crate::session::{End, SessionId};
use crate::settings::ContextFull;
use crate::state::Domain;
use wire::Role;

/// A prompt was too long for what is left of the context: tell the model less of the conversation, or give the prompt
/// back.
pub(super) fn too_long(
    domain: &mut Domain,
    id: SessionId,
    request: RequestId,
    reason: &str,
    hint: Option<&str>,
) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id) else { return Vec::new() };
    session.timer.end(request.0, now.uptime);
    // An answer that has begun stays: its prompt was none too long.
    if session.request(request).is_some_and(|request| request.answer.n_bytes() > 0) {
        let (reason, hint) = (reason.to_owned(), hint.map(str::to_owned));
        return session::ended(domain, id, request, End::Failed { reason, hint });
    }
    // The answer that did not come is none; what is written down of the prompt goes on.
    if let Some(place) = session.requests.iter().position(|known| known.id == request) {
        session.draft = session.requests.remove(place).draft;
    }
    let next = next_exchange(&session.turns, session.n_dropped);
    if let (ContextFull::DropOldest, Some(next)) = (session.settings.context_full, next) {
        let is_first = session.n_dropped == 0;
        session.n_dropped = next;
        if is_first {
            let text = format!("the context of {} is full: its oldest turns are no longer sent", session.name);
            notify(domain, text, false);
        }
        return session::answer(domain, id);
    }
    give_back(domain, id, reason, hint)
}

/// Put the prompt back where it was written. What was dropped to make room for it is told again.
fn give_back(domain: &mut Domain, id: SessionId, reason: &str, hint: Option<&str>) -> Vec<Effect> {
    let Some(session) = find(domain, id) else { return Vec::new() };
    let Some(turn) = session.turns.pop_if(|turn| turn.role == Role::User) else { return Vec::new() };
    session.n_dropped = session.n_dropped.min(session.turns.len());
    let stops = session.settings.context_full == ContextFull::Stop && !session.turns.is_empty();
    let remedy = if stops {
        "clear the conversation, or set `context_full` to drop_oldest"
    } else {
        hint.unwrap_or("shorten it")
    };
    domain.outbox.push(Notification::PromptReturned { session: id, text: turn.text });
    notify(domain, format!("{reason}. It is back in the editor: {remedy}"), true);
    history::discard_draft(domain, id).into_iter().collect()
}
