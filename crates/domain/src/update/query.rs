//! How queries end.
//!
//! A query that was taken ends once, by [`Effect::EndQuery`], whatever becomes of its session and its worker.

use wire::{Failure, QueryResult};

use super::common::find;
use super::start::{share_threads, start_queries};
use crate::effect::Effect;
use crate::query::QueryError;
use crate::request::RequestId;
use crate::session::{Session, SessionId};
use crate::state::Domain;

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
    effects.extend(start_queries(domain, session));
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
