//! What the jobs of several models have in common: each model has a session that works for it.

use crate::request::RequestId;
use crate::session::SessionId;
use crate::state::Domain;

/// The session that works for one model of a job: one that was loaded already, or one that was started for the job.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct JobSession {
    /// Which; `None` before the model's turn.
    pub id: Option<SessionId>,
    /// What it was asked last; its conversation is left alone.
    pub request: Option<RequestId>,
    /// It was started for this job, and is stopped when the job needs it no more.
    pub(crate) is_own: bool,
}

/// The sessions that jobs work with now, and whether each was started for its job.
pub(crate) fn sessions(domain: &Domain) -> Vec<(SessionId, bool)> {
    let race = domain.race.iter().filter(|race| race.is_running()).flat_map(|race| &race.lanes);
    let suite = || domain.suite.iter().filter(|run| !run.is_over());
    let jobs = race.map(|lane| &lane.session);
    let jobs = jobs.chain(suite().flat_map(|run| &run.models).map(|model| &model.session));
    let jobs = jobs.chain(suite().map(|run| &run.judge.session));
    let jobs = jobs.filter_map(|job| Some((job.id?, job.is_own)));
    let scoring = domain.quality.iter().filter(|quality| !quality.is_over());
    let scoring = scoring.flat_map(|quality| [Some(quality.sessions.0), quality.sessions.1]);
    jobs.chain(scoring.flatten().map(|id| (id, true))).collect()
}
