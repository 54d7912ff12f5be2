//! What waits in a session begins: requests and queries go to its worker, and threads are shared anew.

use super::common::find;
use crate::admission::{self, ThreadRequest};
use crate::effect::Effect;
use crate::model::preset::conversation;
use crate::queue;
use crate::request::{self, Step};
use crate::session::{Phase, Session, SessionId};
use crate::state::Domain;
use wire::QueryJob;

/// The most queries of a session that its worker has: the next ones, while it tells of the last.
const MAX_RUNNING: usize = 8;

/// What the busy sessions on a machine ask of its threads. Jobs of Slurm, engines of other programs and sessions of other
/// machines' servers ask nothing.
pub(super) fn claims(domain: &Domain, machine: Option<&str>) -> Vec<ThreadRequest> {
    let is_elsewhere =
        |session: &Session| session.model.remote.is_some() || session.is_joined || !session.settings.on.is_here();
    let asks = |session: &&Session| session.is_busy() && session.machine() == machine && !is_elsewhere(session);
    let busy = domain.sessions.iter().filter(asks);
    busy.map(|session| ThreadRequest { session: session.id, fixed: session.settings.threads }).collect()
}

/// Share the threads anew among the sessions that answer, and tell those whose share has changed.
pub(super) fn share_threads(domain: &mut Domain) -> Vec<Effect> {
    let mut shares = admission::share_threads(domain.thread_limit(), &claims(domain, None));
    for machine in domain.machines.iter().map(|machine| machine.name.as_str()) {
        let limit = domain.thread_limit_on(Some(machine));
        shares.extend(admission::share_threads(limit, &claims(domain, Some(machine))));
    }
    let mut effects = Vec::new();
    for session in &mut domain.sessions {
        let share = shares.iter().find(|share| share.0 == session.id).map_or(0, |share| share.1);
        // Who has answered holds none, yet its figures are those of the threads that it had.
        if share > 0 {
            for request in session.requests.iter_mut().filter(|request| request.is_running()) {
                request.figures.threads = share;
            }
        }
        if share != session.threads {
            session.threads = share;
            if share > 0 {
                let request = wire::Request::Threads { n_threads: share };
                effects.push(Effect::Send { worker: session.worker, request });
            }
        }
    }
    effects
}

/// Give what waits to the worker: queries, and as many requests as it has sequences free.
pub(super) fn start_waiting(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let mut effects = start_queries(domain, id);
    effects.extend(start_requests(domain, id));
    effects
}

fn start_requests(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id).filter(|session| session.phase == Phase::Ready) else { return Vec::new() };
    let n_running = session.requests.iter().filter(|request| request.is_running()).count();
    let n_free = session.n_sequences().saturating_sub(n_running);
    let n_free = if session.demand.is_draining { 0 } else { n_free };
    let mut asked = Vec::new();
    for _ in 0..n_free {
        let Some(request) = queue::next(session).and_then(|id| session.request_mut(id)) else { break };
        let Some(generate) = request.waiting.take() else { break };
        request.stage = request::Stage::Running(Step::Prompt { n_done: 0, n_prompt: 0 });
        request.started = Some(now);
        let priority = request.priority;
        queue::started(session, priority);
        session.timer.begin(generate.id, now.uptime);
        asked.push(Effect::Send { worker: session.worker, request: wire::Request::Generate(*generate) });
    }
    if asked.is_empty() {
        return Vec::new();
    }
    session.since = now;
    let mut effects = share_threads(domain);
    effects.extend(asked);
    effects
}

/// Give queries that wait to the worker, oldest first.
pub(super) fn start_queries(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
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
