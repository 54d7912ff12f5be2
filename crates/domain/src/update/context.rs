//! What follows from a conversation that no longer fits its context.

use super::common::find;
use super::{history, request as requests, session};
use crate::conversation::next_exchange;
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
    // An answer that has started stays: its prompt was not too long.
    if session.request(request).is_some_and(|request| request.answer.n_bytes() > 0) {
        let (reason, hint) = (reason.to_owned(), hint.map(str::to_owned));
        return requests::ended(domain, id, request, End::Failed { reason, hint });
    }
    // The answer that did not come is none; what is written down of the prompt goes on.
    if let Some(place) = session.requests.iter().position(|known| known.id == request) {
        session.draft = session.requests.remove(place).draft;
    }
    let next = next_exchange(&session.turns, session.n_dropped);
    if let (ContextFull::DropOldest | ContextFull::Shift, Some(next)) = (session.settings.context_full, next) {
        let is_first = session.n_dropped == 0;
        session.n_dropped = next;
        session.thread.is_changed = true;
        if is_first {
            let text = format!("the context of {} is full: its oldest turns are no longer sent", session.name);
            domain.outbox.push(Notification::ContextFull { session: id, text });
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
    let mut effects = Vec::new();
    if session.turns.is_empty() {
        // Nothing is left of it.
        effects.extend(std::mem::take(&mut session.thread).key.map(Effect::DeleteConversation));
    } else {
        session.thread.is_changed = true;
    }
    let remedy = if stops {
        "begin a new chat, or set `context_full` to drop_oldest or shift"
    } else {
        hint.unwrap_or("shorten it")
    };
    let reason = format!("{reason}. It is back in the editor: {remedy}");
    domain.outbox.push(Notification::PromptReturned { session: id, text: turn.text, reason });
    effects.extend(history::discard_draft(domain, id));
    effects
}
