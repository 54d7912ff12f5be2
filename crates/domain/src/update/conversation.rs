//! Conversations: kept as they change, gone on with, and their last turns said again.

use wire::Role;

use super::common::{Outcome, find, gone};
use super::thread::changed;
use super::{history, session};
use crate::command::{Cause, Force, Refused, Value};
use crate::conversation::{Conversation, ConversationKey};
use crate::effect::Effect;
use crate::session::{Phase, Session, SessionId, Thread};
use crate::state::Domain;

/// A session whose conversation may be changed: none of its answers comes.
fn at_rest(domain: &mut Domain, id: SessionId) -> Result<&mut Session, Refused> {
    let session = find(domain, id).ok_or_else(gone)?;
    if session.open_chat().is_some() {
        return Err(Refused::new(Cause::BUSY, "wait for the answer, or cancel it"));
    }
    Ok(session)
}

/// Why a session can't answer.
fn may_answer(session: &Session) -> Result<(), Refused> {
    if matches!(session.phase, Phase::Stopping | Phase::Failed { .. }) {
        return Err(Refused::new(Cause::Invalid, "this session has ended; restart it first"));
    }
    Ok(())
}

/// The turn that the last prompt of a conversation is.
fn last_prompt(session: &Session) -> Result<usize, Refused> {
    let place = session.turns.iter().rposition(|turn| turn.role == Role::User);
    place.ok_or_else(|| Refused::new(Cause::Invalid, "the conversation is empty"))
}

/// Cut a conversation. What was dropped for want of room may have room again.
fn truncate(session: &mut Session, n_turns: usize) {
    session.turns.truncate(n_turns);
    if session.n_dropped > 0 && n_turns <= session.n_dropped {
        session.n_dropped = 0;
    }
}

/// Drop the last answer, and have its prompt answered again.
pub(super) fn regenerate(domain: &mut Domain, id: SessionId) -> Result<Vec<Effect>, Refused> {
    let session = at_rest(domain, id)?;
    may_answer(session)?;
    let place = last_prompt(session)?;
    truncate(session, place + 1);
    let is_ready = session.phase == Phase::Ready;
    changed(domain, id);
    history::open_draft(domain, id);
    Ok(if is_ready { session::answer(domain, id) } else { Vec::new() })
}

/// Drop the last prompt with its answer. A conversation of which nothing is left is none any more.
pub(super) fn delete_exchange(domain: &mut Domain, id: SessionId) -> Result<Vec<Effect>, Refused> {
    let session = at_rest(domain, id)?;
    let place = last_prompt(session)?;
    truncate(session, place);
    let mut effects = Vec::new();
    if session.turns.is_empty() {
        effects.extend(std::mem::take(&mut session.thread).key.map(Effect::DeleteConversation));
    } else {
        session.thread.is_changed = session.thread.key.is_some();
    }
    // A prompt that waited for its model was the last one.
    effects.extend(history::discard_draft(domain, id));
    Ok(effects)
}

/// Put another text in the place of a prompt, drop what came after it, and have it answered.
pub(super) fn edit_prompt(
    domain: &mut Domain,
    id: SessionId,
    turn: usize,
    text: String,
) -> Result<Vec<Effect>, Refused> {
    let session = at_rest(domain, id)?;
    may_answer(session)?;
    if session.turns.get(turn).is_none_or(|turn| turn.role != Role::User) {
        return Err(Refused::new(Cause::NotFound, "this prompt is no longer part of the conversation"));
    }
    if text.trim().is_empty() {
        return Err(Refused::new(Cause::Invalid, "the prompt is empty"));
    }
    truncate(session, turn);
    session::send(domain, id, text)
}

/// Go on with a conversation that was kept.
pub(super) fn resume(domain: &mut Domain, conversation: Conversation, force: Force) -> Outcome {
    if let Some(session) = domain.sessions.iter().find(|session| session.thread.key == Some(conversation.key)) {
        return Ok((Value::Session(session.id), Vec::new()));
    }
    let model = conversation.model.id.clone().unwrap_or_default();
    if domain.model(&model).is_none() {
        let name = conversation.model.name.as_deref().unwrap_or(&model);
        let reason = format!("{}, which answered it, is no longer on this machine", gguf::clean(name, 120));
        return Err(Refused::new(Cause::NotFound, reason));
    }
    let is_kept = domain.settings.history.keep;
    let takes = |session: &&Session| {
        session.model.id == model
            && matches!(session.phase, Phase::Ready | Phase::Loading { .. } | Phase::Queued)
            && !session.is_busy()
            && session.open_chat().is_none()
            && session.draft.is_none()
            && (session.turns.is_empty() || is_kept)
    };
    let (id, effects) = if let Some(id) = domain.sessions.iter().find(takes).map(|session| session.id) {
        (id, session::clear(domain, id)?)
    } else {
        let settings = conversation.settings(domain.settings.session);
        match session::start(domain, &model, settings, force)? {
            (Value::Session(id), effects) => (id, effects),
            other => return Ok(other),
        }
    };
    let Some(session) = find(domain, id) else { return Err(gone()) };
    session.turns = conversation.restore();
    session.n_dropped = conversation.n_dropped.min(session.turns.len());
    session.chat = conversation.chat;
    session.thread = Thread {
        key: Some(conversation.key),
        name: conversation.name,
        created_ms: conversation.created_ms,
        // It is kept as it is.
        ..Thread::default()
    };
    Ok((Value::Session(id), effects))
}

/// Keep a conversation that no session has.
pub(super) fn save_own(domain: &mut Domain, conversation: Box<Conversation>) -> Result<Vec<Effect>, Refused> {
    if domain.sessions.iter().any(|session| session.thread.key == Some(conversation.key)) {
        return Err(Refused::new(Cause::BUSY, "a session has this conversation"));
    }
    Ok(if domain.settings.history.keep { vec![Effect::SaveConversation(conversation)] } else { Vec::new() })
}

/// Give a conversation a name; an empty one takes it.
pub(super) fn name(domain: &mut Domain, key: ConversationKey, name: &str) -> Vec<Effect> {
    let name = gguf::clean(name.trim(), Conversation::MAX_NAME);
    let name = Some(name).filter(|name| !name.is_empty());
    if let Some(session) = domain.sessions.iter_mut().find(|session| session.thread.key == Some(key)) {
        session.thread.name.clone_from(&name);
    }
    vec![Effect::NameConversation { key, name }]
}

/// Delete a conversation. The session that has it begins another one with what it is told next.
pub(super) fn delete(domain: &mut Domain, key: ConversationKey) -> Result<Vec<Effect>, Refused> {
    if let Some(session) = domain.sessions.iter_mut().find(|session| session.thread.key == Some(key)) {
        if session.open_chat().is_some() {
            return Err(Refused::new(Cause::BUSY, "it is being answered: wait for the answer, or cancel it"));
        }
        session.thread = Thread::default();
    }
    Ok(vec![Effect::DeleteConversation(key)])
}
