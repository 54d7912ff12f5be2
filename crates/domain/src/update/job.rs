//! What the jobs of several models share: find or start a session for a model, ask it, take its answer once the last of
//! the energy is booked, make room for the next model.
//!
//! Absent: in which order the models take their turns, and what is asked (each job's own module).

use wire::Prompt;

use super::common::{find, next_id};
use super::history;
use super::request::{self, Asked, RequestOptions};
use super::session;
use crate::command::{Cause, Force, Refused, Value};
use crate::effect::Effect;
use crate::lab::job::JobSession;
use crate::lab::race::Entry;
use crate::record::{Measured, run_record};
use crate::request::form::Form;
use crate::request::{Client, Request};
use crate::session::{JobArray, Phase, Session, SessionId};
use crate::state::Domain;

/// What is said of a session that somebody stopped.
pub(super) const STOPPED: &str = "its session was stopped";

/// What is said of a session that somebody restarted while it worked for a job.
pub(super) const RESTARTED: &str = "its session was restarted";

/// Why nothing else may begin now: jobs that measure don't share the machine. `None` where nothing runs.
pub(super) fn running(domain: &Domain) -> Option<Refused> {
    let reason = if domain.is_racing() {
        "a race is running: wait for it, or cancel it"
    } else if domain.bench.is_running() {
        "a bench is running: wait for it, or cancel it"
    } else if domain.suite.as_ref().is_some_and(|run| !run.is_over()) {
        "a suite is running: wait for it, or cancel it"
    } else if domain.perplexity.as_ref().is_some_and(|run| !run.is_over()) {
        "a text is being scored: wait for it, or cancel it"
    } else {
        return None;
    };
    Some(Refused::new(Cause::BUSY, reason))
}

/// A session that can answer for this entry as it is, and is none of `taken`.
pub(super) fn loaded_session(domain: &Domain, entry: &Entry, taken: &[SessionId]) -> Option<SessionId> {
    // What is asked with each answer needs no session of its own.
    let mut wanted = entry.settings;
    let fits = |session: &&Session| {
        wanted.sampling = session.settings.sampling;
        wanted.max_tokens = session.settings.max_tokens;
        session.phase == Phase::Ready
            // What is measured needs a worker of its own.
            && !session.is_joined
            && !session.requests.iter().any(Request::is_open)
            && session.model.id == entry.model.id
            && session.settings == wanted
            && !taken.contains(&session.id)
    };
    domain.sessions.iter().find(fits).map(|session| session.id)
}

/// Give an entry its session: one that is loaded and none of `taken`, or a new one.
pub(super) fn enter(domain: &mut Domain, entry: &Entry, taken: &[SessionId], force: Force) -> Entered {
    if let Some(id) = loaded_session(domain, entry, taken) {
        return Ok((JobSession { id: Some(id), ..JobSession::default() }, Vec::new()));
    }
    enter_new(domain, entry, force, None)
}

/// Give an entry a new session.
fn enter_new(domain: &mut Domain, entry: &Entry, force: Force, array: Option<JobArray>) -> Entered {
    let (value, effects) = session::open_in(domain, &entry.model, entry.settings, force, array)?;
    let id = if let Value::Session(id) = value { Some(id) } else { None };
    Ok((JobSession { id, is_own: true, request: None }, effects))
}

/// Give an entry this many sessions, at least one: those that are loaded, and for the rest new ones, which are the tasks of one
/// job array.
pub(super) fn enter_all(
    domain: &mut Domain,
    entry: &Entry,
    n_sessions: u32,
    taken: &[SessionId],
    force: Force,
) -> Result<(Vec<JobSession>, Vec<Effect>), Refused> {
    let (mut taken, mut sessions, mut effects) = (taken.to_vec(), Vec::new(), Vec::new());
    let n_sessions = n_sessions.max(1);
    while (sessions.len() as u32) < n_sessions
        && let Some(id) = loaded_session(domain, entry, &taken)
    {
        taken.push(id);
        sessions.push(JobSession { id: Some(id), ..JobSession::default() });
    }
    let size = n_sessions.saturating_sub(sessions.len() as u32);
    let id = next_id(domain);
    for place in 0..size {
        let array = (size > 1).then_some(JobArray { id, place, size });
        match enter_new(domain, entry, force, array) {
            Ok((session, started)) => {
                sessions.push(session);
                effects.extend(started);
            }
            // What refuses one refuses all.
            Err(refused) if sessions.is_empty() => return Err(refused),
            Err(_) => break,
        }
    }
    Ok((sessions, effects))
}

/// A session with what is to be done for it, or why there is none.
pub(super) type Entered = Result<(JobSession, Vec<Effect>), Refused>;

/// Where a job's session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It loads, or answers something else.
    Loading,
    /// It can be asked.
    Ready,
    /// Nothing comes of it: why, and what could be done.
    Lost(String, Option<String>),
}

/// Where it is before it is asked.
pub(super) fn readiness(domain: &Domain, job: &JobSession) -> Readiness {
    job.id.map_or(Readiness::Lost(STOPPED.to_owned(), None), |id| readiness_of(domain, id))
}

/// Where a session is that is to be asked.
pub(super) fn readiness_of(domain: &Domain, id: SessionId) -> Readiness {
    let Some(session) = domain.session(id) else { return Readiness::Lost(STOPPED.to_owned(), None) };
    match &session.phase {
        // What else it answers meanwhile would spoil the figures.
        Phase::Ready if !session.requests.iter().any(Request::is_open) => Readiness::Ready,
        Phase::Failed { reason, hint } => Readiness::Lost(reason.clone(), hint.clone()),
        Phase::Stopping => Readiness::Lost(STOPPED.to_owned(), None),
        Phase::Ready | Phase::Queued | Phase::Loading { .. } => Readiness::Loading,
    }
}

/// What a job asks.
pub(super) struct Question {
    /// For which kind of job.
    pub(super) client: Client,
    /// The prompt.
    pub(super) prompt: Prompt,
    /// How it is to be answered.
    pub(super) ask: RequestOptions,
    /// What the answer must look like.
    pub(super) form: Option<Form>,
    /// Texts that end it, in place of those of the model's store.
    pub(super) stop: Vec<String>,
}

/// Ask a job's session, which is ready. Its conversation stays as it is.
pub(super) fn ask(domain: &mut Domain, job: &mut JobSession, question: Question) -> Vec<Effect> {
    let Some(id) = job.id else { return Vec::new() };
    let Question { client, prompt, ask, form, stop } = question;
    let (request, effects) =
        request::request(domain, id, Asked { client, ask: Some(ask), form, stop, ..Asked::new(prompt) });
    job.request = Some(request);
    effects
}

/// Have a session's worker measure. It is work as an answer is: no idle power, and no other program's.
pub(super) fn measure(domain: &mut Domain, id: SessionId, request: u64, what: wire::Request) -> Vec<Effect> {
    let now = domain.now.uptime;
    let Some(session) = find(domain, id) else { return Vec::new() };
    session.timer.begin(request, now);
    session.measures = Some(request);
    vec![Effect::Send { worker: session.worker, request: what }]
}

/// Cancel what a job's session was asked.
pub(super) fn cancel(domain: &mut Domain, job: &JobSession) -> Vec<Effect> {
    // One that is gone needs nothing more.
    job.request.and_then(|id| request::cancel_request(domain, id).ok()).unwrap_or_default()
}

/// Drop what is left of earlier prompts in a job's session.
pub(super) fn clear_cache(domain: &Domain, job: &JobSession) -> Option<Effect> {
    let session = job.id.and_then(|id| domain.session(id))?;
    Some(Effect::Send { worker: session.worker, request: wire::Request::ClearCache })
}

/// An answer that has ended.
pub(super) struct Answered {
    /// What was asked, with the answer and its figures; `None` where it is gone.
    pub(super) request: Option<Request>,
    /// The session can't be asked again.
    pub(super) is_lost: bool,
    /// What it tells of the model's speed.
    pub(super) measured: Option<Measured>,
}

/// The answer of a job's session once it has ended and the last of its energy is booked, or will not come; `None` before.
pub(super) fn take_answer(domain: &Domain, job: &JobSession) -> Option<Answered> {
    let gone = |is_lost| Some(Answered { request: None, is_lost, measured: None });
    let Some(session) = job.id.and_then(|id| domain.session(id)) else { return gone(true) };
    let is_lost = matches!(session.phase, Phase::Stopping | Phase::Failed { .. });
    let Some(request) = job.request.and_then(|id| session.request(id)) else { return gone(is_lost) };
    let ended = request.ended?;
    if !is_lost && !request.figures.is_settled && history::may_settle(domain, session.machine(), ended) {
        return None;
    }
    let (wait, sample) = (domain.settings.engine.wait_policy, domain.sample_on(session.machine()));
    let measured = (!is_lost && session.is_here()).then(|| run_record::measured(session, request, wait, sample));
    Some(Answered { request: Some(request.clone()), is_lost, measured })
}

/// Stop a session that was started for the job, so that the next model has the machine for itself.
pub(super) fn leave(domain: &mut Domain, job: &JobSession) -> Vec<Effect> {
    job.id.filter(|_| job.is_own).map_or_else(Vec::new, |id| session::stop_one(domain, id))
}

/// Whether a job's session, which was stopped, takes no memory for it any more. One that was restarted meanwhile keeps its own.
pub(super) fn has_left(domain: &Domain, job: &JobSession) -> bool {
    let session = job.id.filter(|_| job.is_own).and_then(|id| domain.session(id));
    session.is_none_or(|session| session.phase != Phase::Stopping)
}

/// Take the sessions of an earlier job that failed off the list: they were looked at, or never will be.
pub(super) fn forget<'a>(domain: &mut Domain, jobs: impl Iterator<Item = &'a JobSession>) {
    for id in jobs.filter(|job| job.is_own).filter_map(|job| job.id) {
        if domain.session(id).is_some_and(|session| !session.is_live()) {
            session::remove(domain, id);
        }
    }
}
