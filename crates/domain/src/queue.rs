//! Which of a session's waiting requests starts next.
//!
//! Owned here: the order among clients and priorities, the limits of the queue, and how long a refused client should
//! wait. Absent: when a request may start (`update::session`), and the batch, which is up to the worker.
//!
//! The client that has been served least goes first, counted in tokens: a generated one counts twice as much as a
//! prompt token, since it takes a whole decode. A client that arrives or returns starts with the count of the
//! least-served waiting client, so that idle time earns no credit. (Sheng et al., "Fairness in Serving Large Language
//! Models", 2024.)

mod served;

pub use served::Served;

use std::time::Duration;

use crate::ask::Priority;
use crate::request::{Request, RequestId, Stage};
use crate::session::Session;

/// At most this many interactive requests start while a batch request waits.
pub const MAX_AHEAD: u32 = 4;

/// How long a client should wait if it is unknown how long answers take.
const UNKNOWN_WAIT: Duration = Duration::from_secs(5);
/// Limits of the wait that a client is given.
const MIN_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_mins(1);

/// Whom a request is counted for: its key; what is asked on this machine's own screen is one client.
pub fn client(request: &Request) -> &str {
    request.asker.as_ref().map_or("", |asker| asker.name.as_str())
}

/// A request comes to a session; it is not among its requests yet.
pub(crate) fn enter(session: &mut Session, request: &Request) {
    let name = client(request);
    let others = session.requests.iter().filter(|other| other.is_open()).map(client);
    let (mut is_here, mut least) = (false, None::<u64>);
    for other in others {
        is_here |= other == name;
        let served = session.demand.served.of(other);
        least = Some(least.map_or(served, |least| least.min(served)));
    }
    if !is_here {
        session.demand.served.enter(name, least.unwrap_or(0));
    }
}

/// The request that starts next, if any is waiting.
pub fn next(session: &Session) -> Option<RequestId> {
    let waiting = || session.requests.iter().filter(|request| request.stage == Stage::Queued);
    let of = |priority| waiting().any(|request| request.priority == priority);
    let served = &session.demand.served;
    let has_batch = of(Priority::Batch);
    let priority = match (of(Priority::Interactive), has_batch) {
        (true, true) if served.n_ahead >= MAX_AHEAD => Priority::Batch,
        (true, _) => Priority::Interactive,
        (false, _) => Priority::Batch,
    };
    let n_running = |name: &str| session.requests.iter().filter(|one| one.is_running() && client(one) == name).count();
    // Of equals the first to arrive: `min_by_key` keeps it.
    let key = |request: &&Request| (served.of(client(request)), n_running(client(request)));
    waiting().filter(|request| request.priority == priority).min_by_key(key).map(|request| request.id)
}

/// A request of this priority starts; those still waiting are in the session.
pub(crate) fn started(session: &mut Session, priority: Priority) {
    let mut waiting = session.requests.iter().filter(|request| request.stage == Stage::Queued);
    let has_batch = waiting.any(|request| request.priority == Priority::Batch);
    let n_ahead = &mut session.demand.served.n_ahead;
    *n_ahead = if priority == Priority::Interactive && has_batch { *n_ahead + 1 } else { 0 };
}

/// When a request of a full queue might find a place: by how long this session's last answers took. Rounded up to seconds,
/// as the header has it.
pub fn retry_after(session: &Session) -> Duration {
    let took = |request: &Request| Some(request.ended?.uptime.saturating_sub(request.started?.uptime));
    let took: Vec<Duration> = session.requests.iter().filter_map(took).collect();
    let Ok(n) = u32::try_from(took.len()) else { return UNKNOWN_WAIT };
    if n == 0 {
        return UNKNOWN_WAIT;
    }
    let mean = took.iter().sum::<Duration>() / n;
    let n_sequences = u32::try_from(session.n_sequences()).unwrap_or(u32::MAX).max(1);
    whole_seconds((mean / n_sequences).clamp(MIN_WAIT, MAX_WAIT))
}

/// A time in whole seconds, rounded up.
pub(crate) fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
