//! The life of queries: which session has one, when it begins, how it ends.
//!
//! A query that was taken ends once, by [`Effect::EndQuery`], whatever becomes of its session and its worker.

use std::time::Duration;

use wire::{Failure, QueryJob, QueryResult};

use super::common::{Outcome, find, next_id};
use super::demand;
use super::session::{gone, share_threads};
use crate::command::{Cause, Refused, Value};
use crate::effect::Effect;
use crate::eviction;
use crate::model::preset::conversation;
use crate::query::{OpenQuery, Query, QueryError, Target};
use crate::request::RequestId;
use crate::session::{Phase, Session, SessionId};
use crate::state::Domain;

/// The most queries that have not ended, of a session and in all: each holds its input in memory, and what waits longer
/// has been given up by who asked.
const MAX_OPEN: usize = 64;
const MAX_OPEN_IN_ALL: usize = 256;

/// The most bytes of queries that have not ended; one alone may have more, up to what a body may have.
const MAX_BYTES: usize = 64 << 20;

/// The most queries of a session that its worker has: the next ones, while it tells of the last.
const MAX_RUNNING: usize = 8;

/// When a query that is refused might find a place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Take a query, or refuse it.
pub(super) fn ask(domain: &mut Domain, query: Query) -> Outcome {
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
    Ok((Value::Request(id), start(domain, session)))
}

/// Give queries that wait to the worker, oldest first.
pub(super) fn start(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id).filter(|session| session.phase == Phase::Ready) else { return Vec::new() };
    if session.demand.is_draining {
        return Vec::new();
    }
    let n_running = session.queries.iter().filter(|query| query.is_running()).count();
    let n_free = MAX_RUNNING.saturating_sub(n_running);
    let (worker, model) = (session.worker, std::sync::Arc::clone(&session.model));
    let mut is_heavy = false;
    let mut asked = Vec::new();
    for query in session.queries.iter_mut().filter(|query| !query.is_running()).take(n_free) {
        let Some(job) = query.waiting.take() else { continue };
        let job = match *job {
            // As an answer to it would be asked for.
            QueryJob::ApplyTemplate(mut chat) => {
                chat.messages = conversation(&model, &chat.messages);
                QueryJob::ApplyTemplate(chat)
            }
            job => job,
        };
        is_heavy |= query.is_heavy;
        let request = wire::Request::Query(wire::Query { id: query.id.0, job });
        asked.push(Effect::Send { worker, request });
    }
    if asked.is_empty() {
        return asked;
    }
    session.since = now;
    let mut effects = if is_heavy { share_threads(domain) } else { Vec::new() };
    effects.extend(asked);
    effects
}

/// A worker has a result.
pub(super) fn answered(domain: &mut Domain, session: SessionId, id: RequestId, result: QueryResult) -> Vec<Effect> {
    ended(domain, session, id, Ok(Box::new(result)))
}

/// A worker has cancelled a query, as it was asked to.
pub(super) fn cancelled(domain: &mut Domain, session: SessionId, id: RequestId) -> Vec<Effect> {
    ended(domain, session, id, Err(QueryError::new(CANCELLED)))
}

/// A worker could not carry a query out.
pub(super) fn failed(domain: &mut Domain, session: SessionId, id: RequestId, failure: Failure) -> Vec<Effect> {
    let Failure { kind, message, hint, .. } = failure;
    ended(domain, session, id, Err(QueryError { reason: message, hint, kind: Some(kind) }))
}

const CANCELLED: &str = "the request was cancelled";

/// Cancel a query; `None` where there is none of this name.
pub(super) fn cancel(domain: &mut Domain, id: RequestId) -> Option<Vec<Effect>> {
    let session = domain.sessions.iter().find(|session| session.queries.iter().any(|query| query.id == id))?;
    if session.is_asked(id) {
        let request = wire::Request::Cancel { id: id.0 };
        return Some(vec![Effect::Send { worker: session.worker, request }]);
    }
    let session = session.id;
    Some(cancelled(domain, session, id))
}

fn ended(
    domain: &mut Domain,
    session: SessionId,
    id: RequestId,
    result: Result<Box<QueryResult>, QueryError>,
) -> Vec<Effect> {
    let now = domain.now;
    let Some(of) = find(domain, session) else { return Vec::new() };
    let Some(place) = of.queries.iter().position(|query| query.id == id) else { return Vec::new() };
    let was_heavy = of.queries.remove(place).is_heavy;
    if !of.is_busy() {
        of.since = now;
    }
    let mut effects = vec![Effect::EndQuery { id, result }];
    effects.extend(start(domain, session));
    if was_heavy {
        effects.extend(share_threads(domain));
    }
    effects
}

/// All queries of a session end with the same error.
pub(super) fn end_all(session: &mut Session, reason: &str, hint: Option<&str>) -> Vec<Effect> {
    let error = QueryError { hint: hint.map(str::to_owned), ..QueryError::new(reason) };
    session.queries.drain(..).map(|query| Effect::EndQuery { id: query.id, result: Err(error.clone()) }).collect()
}

impl Session {
    /// Whether the worker has the query of this name.
    pub(super) fn is_asked(&self, id: RequestId) -> bool {
        self.queries.iter().any(|query| query.id == id && query.is_running())
    }
}
