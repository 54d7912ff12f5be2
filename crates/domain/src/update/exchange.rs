//! The exchanges of a conversation, and the room that is left for an answer.

use wire::Role;

use crate::session::{Session, Turn};

/// The most tokens that are kept free for an answer.
const MAX_ROOM: u32 = 1024;

/// Tokens that must be left for the answer. A first prompt may fill the context; later ones would leave less and less.
pub(super) fn room(session: &Session) -> u32 {
    let is_first = next_exchange(&session.turns, session.n_dropped).is_none();
    if is_first {
        return 0;
    }
    let quarter = (session.n_ctx() / 4).min(MAX_ROOM);
    session.settings.max_tokens.map_or(quarter, |most| most.min(quarter))
}

/// Where the second exchange begins that the model is told, if there is one: before it lie whole exchanges.
pub(super) fn next_exchange(turns: &[Turn], n_dropped: usize) -> Option<usize> {
    let told = turns.iter().enumerate().skip(n_dropped);
    let mut begins = told.filter(|(place, turn)| {
        // Two prompts without an answer between them are told as one.
        turn.role == Role::User && (*place == 0 || turns[place - 1].role != Role::User)
    });
    begins.next()?;
    begins.next().map(|(place, _)| place)
}
