//! What follows from the answers of the history.

use super::bench;
use super::common::notify;
use crate::event::HistoryEvent;
use crate::lab::race::rating::MAX_VOTES;
use crate::notification::Notification;
use crate::state::Domain;
use crate::units::counted;

/// Take an answer of the history. Lists and records are for the client that asked.
pub(super) fn on_event(domain: &mut Domain, event: HistoryEvent) {
    match event {
        HistoryEvent::Measured(latest) => domain.library.take_measured(latest),
        HistoryEvent::Saved { ask, id: _, earlier } => bench::compared(domain, ask, earlier),
        HistoryEvent::NotSaved { ask, reason } => {
            notify(domain, reason, true);
            bench::compared(domain, ask, Vec::new());
        }
        HistoryEvent::Votes(mut votes) => {
            // Those of this program's life come behind: the history was asked before the first of them.
            votes.append(&mut domain.votes);
            votes.drain(..votes.len().saturating_sub(MAX_VOTES));
            domain.votes = votes;
            domain.outbox.push(Notification::VotesChanged);
        }
        HistoryEvent::Revealed(id) => notify(domain, format!("the names of race {id} are revealed"), false),
        HistoryEvent::Deleted { id, vote } => {
            if let Some(vote) = vote
                && let Some(place) = domain.votes.iter().position(|known| known.is_same(&vote))
            {
                domain.votes.remove(place);
                domain.outbox.push(Notification::VotesChanged);
            }
            notify(domain, format!("record {id} was deleted"), false);
        }
        HistoryEvent::Recovered(n_records) => {
            let text = format!("{} of a run that was interrupted, in the history now", counted(n_records, "record"));
            notify(domain, text, false);
        }
        HistoryEvent::Failed(reason) => notify(domain, reason, true),
        HistoryEvent::Listed { .. }
        | HistoryEvent::Record(_)
        | HistoryEvent::Conversations { .. }
        | HistoryEvent::Conversation(_)
        | HistoryEvent::ConversationsChanged => {}
    }
}
