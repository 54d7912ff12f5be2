//! Which queries are taken, and by which session.

use std::time::Duration;

use wire::QueryJob;

use super::common::{Outcome, find, gone, next_id};
use super::demand;
use super::start::start_queries;
use crate::command::{Cause, Refused, Value};
use crate::eviction;
use crate::query::{OpenQuery, Query, Target};
use crate::request::RequestId;
use crate::session::Phase;
use crate::state::Domain;

/// The most queries that have not ended, of a session and in all: each holds its input in memory, and what waits longer
/// has been given up by who asked.
const MAX_OPEN: usize = 64;
const MAX_OPEN_IN_ALL: usize = 256;

/// The most bytes of queries that have not ended; one alone may have more, up to what a body may have.
const MAX_BYTES: usize = 64 << 20;

/// When a query that is refused might find a place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Take a query, or refuse it.
pub(super) fn admit(domain: &mut Domain, query: Query) -> Outcome {
    let Query { target, job } = query;
    let known = match &target {
        Target::Session(id) => Some(domain.session(*id).ok_or_else(gone)?),
        Target::Model { id, .. } => eviction::serving(domain, id),
    };
    let of_session = known.map_or(0, |session| session.queries.len());
    let all = || domain.sessions.iter().flat_map(|session| &session.queries);
    let (of_all, n_bytes) = (all().count(), all().map(|query| query.n_bytes).sum::<usize>());
    let is_too_much = n_bytes > 0 && n_bytes.saturating_add(job.n_bytes()) > MAX_BYTES;
    if of_session >= MAX_OPEN || of_all >= MAX_OPEN_IN_ALL || is_too_much {
        let cause = Cause::Busy { retry_after: Some(RETRY_AFTER) };
        let reason = format!("{} queries of {} bytes wait already", of_session.max(of_all), n_bytes);
        return Err(Refused::new(cause, reason).with_hint("try again later"));
    }
    if known.is_some_and(|session| matches!(session.phase, Phase::Stopping | Phase::Failed { .. })) {
        return Err(Refused::new(Cause::Invalid, "this session has ended; restart it first"));
    }
    let session = match target {
        Target::Session(id) => id,
        Target::Model { id, settings, keep_alive } => {
            demand::session_for(domain, &id, settings.map(|settings| *settings), keep_alive)?
        }
    };
    let id = RequestId(next_id(domain));
    let since = domain.now;
    let of = find(domain, session).ok_or_else(gone)?;
    let is_heavy = matches!(job, QueryJob::Embed { .. });
    let n_bytes = job.n_bytes();
    of.queries.push(OpenQuery { id, since, is_heavy, n_bytes, waiting: Some(Box::new(job)) });
    Ok((Value::Request(id), start_queries(domain, session)))
}
