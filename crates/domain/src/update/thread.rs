//! Conversations are kept as they change.

use super::common::{find, next_id, now_ms};
use crate::conversation::{Conversation, ConversationKey};
use crate::effect::Effect;
use crate::session::SessionId;
use crate::state::Domain;

/// Something was said in a session's conversation: it is to be kept.
pub(super) fn changed(domain: &mut Domain, id: SessionId) {
    let key = ConversationKey::new(domain.now, next_id(domain));
    let now = now_ms(domain);
    let Some(session) = find(domain, id) else { return };
    let thread = &mut session.thread;
    if thread.key.is_none() {
        (thread.key, thread.created_ms) = (Some(key), now);
    }
    thread.is_changed = true;
}

/// Keep the conversations that have changed, unless the user wants nothing kept.
pub(super) fn save_changed(domain: &mut Domain) -> Vec<Effect> {
    let now = now_ms(domain);
    let mut effects = Vec::new();
    for session in domain.sessions.iter_mut().filter(|session| session.thread.is_changed) {
        session.thread.is_changed = false;
        let Some(key) = session.thread.key.filter(|_| domain.settings.history.keep) else { continue };
        let conversation = Conversation::of(session, key, &domain.settings.energy, now);
        effects.push(Effect::SaveConversation(Box::new(conversation)));
    }
    effects
}
