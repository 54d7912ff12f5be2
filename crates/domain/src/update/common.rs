//! What several subjects need: ids, notices, the clock, a session by its id.

use crate::command::{Cause, Refused, Value};
use crate::effect::Effect;
use crate::model::{EMBED_HINT, EMBEDS_ONLY, Model};
use crate::notification::Notification;
use crate::session::{Session, SessionId};
use crate::state::Domain;

/// Send a message to all clients.
pub(super) fn notify(domain: &mut Domain, text: impl Into<String>, is_error: bool) {
    domain.outbox.push(Notification::Notice { text: text.into(), is_error });
}

pub(super) fn next_id(domain: &mut Domain) -> u64 {
    let id = domain.next_id;
    domain.next_id += 1;
    id
}

/// What a command gives, with what is to be done for it.
pub(super) type Outcome = Result<(Value, Vec<Effect>), Refused>;

/// Now by the wall clock, milliseconds since 1970.
pub(super) fn now_ms(domain: &Domain) -> i64 {
    domain.now.unix.saturating_mul(1000)
}

pub(super) fn find(domain: &mut Domain, id: SessionId) -> Option<&mut Session> {
    domain.sessions.iter_mut().find(|session| session.id == id)
}

/// Refuse to have models answer that only make vectors of texts.
pub(super) fn generate<'a>(models: impl IntoIterator<Item = &'a Model>) -> Result<(), Refused> {
    match models.into_iter().find(|model| model.embeds_only()) {
        None => Ok(()),
        Some(model) => Err(Refused::new(Cause::Invalid, format!("{} {EMBEDS_ONLY}", model.name)).with_hint(EMBED_HINT)),
    }
}

/// A session that measures answers nothing else.
pub(super) fn not_measuring(domain: &Domain, id: SessionId) -> Result<(), Refused> {
    if domain.session(id).is_some_and(|session| session.is_measuring) {
        return Err(Refused::new(
            Cause::BUSY,
            "this session measures: wait for the bench or the scoring, or cancel it",
        ));
    }
    Ok(())
}
/// Why nothing was done for a session that has left.
pub(super) fn gone() -> Refused {
    Refused::new(Cause::NotFound, "this session no longer exists")
}
