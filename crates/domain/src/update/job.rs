//! What the jobs of several models share: find or start a session for a model, ask it, take its answer once the last of
//! the energy is booked, make room for the next model.
//!
//! Absent: in which order the models take their turns, and what is asked (each job's own module).

use wire::{Prompt, Request};

use super::history;
use super::session::{self, Ask};
use crate::answer;
use crate::command::{Cause, Force, Refused, Value};
use crate::effect::Effect;
use crate::form::Form;
use crate::history::Measured;
use crate::job::JobSession;
use crate::race::Entry;
use crate::session::{End, Phase, Session, SessionId, Turn};
use crate::state::Domain;

/// What is said of a session that somebody stopped.
const STOPPED: &str = "its session was stopped";

/// Why nothing else may begin now: jobs that measure don't share the machine. `None` where nothing runs.
pub(super) fn running(domain: &Domain) -> Option<Refused> {
    let reason = if domain.is_racing() {
        "a race is running: wait for it, or cancel it"
    } else if domain.bench.is_running() {
        "a bench is running: wait for it, or cancel it"
    } else if domain.suite.as_ref().is_some_and(|run| !run.is_over()) {
        "a suite is running: wait for it, or cancel it"
    } else if domain.quality.as_ref().is_some_and(|quality| !quality.is_over()) {
        "a text is being scored: wait for it, or cancel it"
    } else {
        return None;
    };
    Some(Refused::new(Cause::Busy, reason))
}

/// A session that can answer for this entry as it is, and is none of `taken`.
pub(super) fn loaded_session(domain: &Domain, entry: &Entry, taken: &[SessionId]) -> Option<SessionId> {
    // What is asked with each answer needs no session of its own.
    let mut wanted = entry.settings;
    let fits = |session: &&Session| {
        wanted.sampling = session.settings.sampling;
        wanted.max_tokens = session.settings.max_tokens;
        session.phase == Phase::Ready
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
    let (value, effects) = session::open(domain, &entry.model, entry.settings, force)?;
    let id = if let Value::Session(id) = value { Some(id) } else { None };
    Ok((JobSession { id, is_own: true, before: Vec::new() }, effects))
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
    match domain.session(id).map(|session| &session.phase) {
        Some(Phase::Ready) => Readiness::Ready,
        Some(Phase::Failed { reason, hint }) => Readiness::Lost(reason.clone(), hint.clone()),
        None | Some(Phase::Stopping) => Readiness::Lost(STOPPED.to_owned(), None),
        Some(_) => Readiness::Loading,
    }
}

/// What a job asks.
pub(super) struct Question {
    /// The prompt.
    pub(super) prompt: Prompt,
    /// How it is to be answered.
    pub(super) ask: Ask,
    /// What the answer must look like.
    pub(super) form: Option<Form>,
    /// Texts that end it, in place of those of the model's store.
    pub(super) stop: Vec<String>,
}

/// Ask a job's session, which is ready. Its conversation is put aside until [`take_answer`].
pub(super) fn ask(domain: &mut Domain, job: &mut JobSession, question: Question) -> Vec<Effect> {
    let Some(id) = job.id else { return Vec::new() };
    let Some(session) = session::find(domain, id) else { return Vec::new() };
    job.before = std::mem::take(&mut session.turns);
    let Question { prompt, ask, form, stop } = question;
    session::ask(domain, id, prompt, ask, (form, stop))
}

/// Drop what is left of earlier prompts in a job's session.
pub(super) fn clear_cache(domain: &Domain, job: &JobSession) -> Option<Effect> {
    let session = job.id.and_then(|id| domain.session(id))?;
    Some(Effect::Tell { worker: session.worker, request: Request::ClearCache })
}

/// An answer that has ended.
pub(super) struct Answered {
    /// The answer with its figures; `None` where the session left without one.
    pub(super) turn: Option<Turn>,
    /// The session can't be asked again.
    pub(super) is_lost: bool,
    /// What it tells of the model's speed.
    pub(super) measured: Option<Measured>,
}

/// Take the answer of a job's session once it has ended and the last of its energy is booked, or will not come; `None`
/// before. The session gets its conversation back, with what the user wrote to it meanwhile.
pub(super) fn take_answer(domain: &mut Domain, job: &mut JobSession) -> Option<Answered> {
    let now = domain.now;
    let sample = domain.machine.sample.as_deref();
    let wait = domain.settings.engine.wait_policy;
    let known = job.id.and_then(|id| domain.session(id));
    let measured = known.filter(|session| session.phase == Phase::Ready);
    let measured = measured.map(|session| answer::measured(session, wait, sample));
    let may_wait = known.is_some_and(|session| history::may_settle(domain, session.since));
    let awaits_energy = |turn: &Turn| may_wait && turn.figures.as_ref().is_some_and(|figures| !figures.is_settled);
    let Some(session) = job.id.and_then(|id| session::find(domain, id)) else {
        return Some(Answered { turn: None, is_lost: true, measured: None });
    };
    let is_lost = matches!(session.phase, Phase::Stopping | Phase::Failed { .. });
    if is_lost {
        session.finish(End::failed(STOPPED), now);
    }
    // While its energy is waited for, the user may write to the session.
    let has_ended = |turn: &Turn| turn.end.is_some() && (is_lost || !awaits_energy(turn));
    if !session.turns.first().is_none_or(has_ended) {
        return None;
    }
    let mut turns = std::mem::take(&mut session.turns).into_iter();
    let turn = turns.next();
    session.turns = std::mem::take(&mut job.before);
    session.turns.extend(turns);
    Some(Answered { turn, is_lost, measured: measured.filter(|_| !is_lost) })
}

/// Stop a session that was started for the job, so that the next model has the machine for itself.
pub(super) fn leave(domain: &mut Domain, job: &JobSession) -> Vec<Effect> {
    job.id.filter(|_| job.is_own).map_or_else(Vec::new, |id| session::stop_one(domain, id))
}

/// Whether a job's session takes no memory of its own any more.
pub(super) fn has_left(domain: &Domain, job: &JobSession) -> bool {
    let session = job.id.filter(|_| job.is_own).and_then(|id| domain.session(id));
    session.is_none_or(|session| !session.is_live())
}

/// Take the sessions of an earlier job that failed off the list: they were looked at, or never will be.
pub(super) fn forget<'a>(domain: &mut Domain, jobs: impl Iterator<Item = &'a JobSession>) {
    for id in jobs.filter(|job| job.is_own).filter_map(|job| job.id) {
        if domain.session(id).is_some_and(|session| !session.is_live()) {
            session::remove(domain, id);
        }
    }
}
