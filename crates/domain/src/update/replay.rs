//! What follows from a recorded tick: the sessions are as they were, and the sample goes the way that a live one goes.

use std::sync::Arc;
use std::time::Duration;

use super::sample;
use crate::effect::Effect;
use crate::figure::Figure;
use crate::model::{Format, Model, Status, Store};
use crate::moment::Moment;
use crate::record::trace::{Frame, SessionSnapshot};
use crate::request::{Client, Request, RequestId, Stage, Step};
use crate::session::{Session, WorkerId};
use crate::settings::SessionSettings;
use crate::state::Domain;

/// Take a recorded tick. The machine's and the sessions' power are attributed anew; an answer's energy is what it was.
pub(super) fn replayed(domain: &mut Domain, frame: Frame) -> Vec<Effect> {
    let Frame { uptime_ms, unix, mut sample, sessions, baselines } = frame;
    // What the recorded program knew of idle power; recordings of an earlier version tell nothing of it.
    if !baselines.is_empty() {
        domain.attribution.baselines.known = baselines;
    }
    sample.at = Moment { uptime: Duration::from_millis(uptime_ms), unix };
    let (now, interval) = (sample.at.uptime, sample.elapsed);
    let mut before = std::mem::take(&mut domain.sessions);
    let (history, ticks) = (domain.history(), domain.machine.cpu.ticks());
    domain.sessions = sessions
        .iter()
        .map(|seen| {
            let place = before.iter().position(|session| session.id == seen.id);
            let known = place.map(|place| before.swap_remove(place));
            let mut session = known.unwrap_or_else(|| begin(seen, history, now).since_tick(history, ticks));
            work(&mut session, seen, now, interval);
            take(&mut session, seen);
            session
        })
        .collect();
    let effects = sample::sampled(domain, sample, now);
    for (session, seen) in domain.sessions.iter_mut().zip(&sessions) {
        if let Some(request) = session.requests.last_mut() {
            (request.figures.energy, request.figures.metered) = (seen.energy.clone(), seen.metered);
        }
    }
    effects
}

/// A session that shows for the first time. Its worker's name is none that a live one could have.
fn begin(seen: &SessionSnapshot, history: usize, now: Duration) -> Session {
    let model = Model {
        id: format!("recorded:{}", seen.model),
        name: seen.model.clone(),
        store: Store::Folder,
        repository: None,
        files: Vec::new(),
        size: seen.model_size,
        status: Status::Runnable,
        used: None,
        summary: None,
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    };
    let settings = SessionSettings { context: seen.n_ctx, ..SessionSettings::default() };
    let mut session = Session::new(seen.id, WorkerId(u64::MAX), Arc::new(model), seen.name.clone(), settings, history);
    // What it generated before is no throughput of the first tick.
    session.tokens_at_tick = seen.n_generated;
    // Nor is what an answer took before it work of the first tick.
    work(&mut session, seen, now, Duration::ZERO);
    if let Some(request) = session.requests.last_mut() {
        request.counted = Some((seen.counters.n_generated, seen.counters.generation_us));
    }
    session.timer.take(now);
    session
}

/// Time what it did since the tick before, as far as its counters and its phase tell: an answer that began in between is
/// taken to have begun with the tick, and one that ended to have ended with it.
fn work(session: &mut Session, seen: &SessionSnapshot, now: Duration, interval: Duration) {
    let before = session.requests.last().filter(|request| request.is_running()).map(|request| request.id.0);
    let running = seen.phase.split().1;
    if let Some((id, _)) = running.filter(|(id, _)| before != Some(*id)) {
        session.timer.end_all(now.saturating_sub(interval));
        let mut request = Request::new(RequestId(id), Client::Command, Vec::new(), Moment::default());
        request.figures.energy = Figure::unknown("no answer yet");
        session.requests = vec![request];
        session.timer.begin(id, now.saturating_sub(interval));
    }
    // The last answer's figures stay when it has ended.
    if session.requests.is_empty() {
        session.requests.push(Request::new(RequestId::default(), Client::Command, Vec::new(), Moment::default()));
    }
    let is_reading = matches!(running, Some((_, Step::Prompt { .. })));
    if let Some(id) = running.map(|(id, _)| id).filter(|_| !is_reading).or(before.filter(|_| running.is_none())) {
        session.timer.count(id, &seen.counters, now);
    }
    if running.is_none() {
        session.timer.end_all(now);
    }
    if let Some(request) = session.requests.last_mut() {
        request.stage = running.map_or(Stage::Ended, |(_, step)| Stage::Running(step));
    }
}

fn take(session: &mut Session, seen: &SessionSnapshot) {
    session.phase = seen.phase.split().0;
    session.name.clone_from(&seen.name);
    session.pid = seen.pid;
    session.threads = seen.threads;
    session.planned = seen.planned;
    session.n_past = seen.n_past;
    // A recording that was made up may count backwards.
    session.n_generated = seen.n_generated.max(session.tokens_at_tick);
    session.n_prompt = seen.n_prompt;
    if let Some(request) = session.requests.last_mut() {
        request.figures.counters = seen.counters;
        request.figures.n_cached = seen.n_cached;
    }
}
