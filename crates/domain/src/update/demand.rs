//! Models on demand: requests for a model by its id, when it is loaded for them, and when it is unloaded.
//!
//! Owned here: which session answers a request for a model, the bounds of the queues, the turns of models that wait for
//! memory, idle time. Absent: which models go for another (`eviction`), which request of a session begins next (`queue`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::common::{Outcome, find, generate, gone, notify};
use super::history;
use super::request::{self, Asked, RequestOptions, end_all};
use super::session::{self, create, spawn, stop_one};
use super::start::start_waiting;
use crate::admission::{self, AdmissionError};
use crate::alias;
use crate::ask::Ask;
use crate::command::{Cause, Refused, Value};
use crate::demand::{Crashes, Demand, Wait};
use crate::effect::Effect;
use crate::eviction::{self, Candidate, Hold, Outcome as Fit};
use crate::keep_alive::KeepAlive;
use crate::lab::working;
use crate::model::Model;
use crate::model::preset::over;
use crate::notification::Notification;
use crate::query::OpenQuery;
use crate::queue::{retry_after, whole_seconds};
use crate::request::{Client, Request, Stage};
use crate::session::{Phase, Session, SessionId, WorkerId};
use crate::settings::SessionSettings;
use crate::state::Domain;
use crate::units::Bytes;

/// How long the session of a model that could not be loaded or has died stays on the list, so that the user sees why.
const FAILED_KEPT: Duration = Duration::from_mins(10);

/// Text of prompts that may wait: a thousand of common length, and few that fill a long context. Each is held twice.
const MAX_QUEUED_BYTES: Bytes = Bytes(256_000_000);

/// Have a model answer, which is loaded for it where no session has it.
pub(super) fn ask(domain: &mut Domain, ask: Ask) -> Outcome {
    let Ask { model, settings, generation, asker, priority, keep_alive } = ask;
    generate(domain.model(&model).map(std::sync::Arc::as_ref))?;
    has_room(domain, &model)?;
    let id = session_for(domain, &model, settings.map(|settings| *settings), keep_alive)?;
    let Some(session) = domain.session(id) else { return Err(gone()) };
    let how = RequestOptions {
        max_tokens: generation.max_tokens.or(session.settings.max_tokens),
        sampling: over(generation.sampling, &session.settings.sampling),
        n_top_logprobs: generation.n_top_logprobs,
        logit_bias: generation.logit_bias,
        credits: None,
    };
    let asked = Asked {
        client: Client::Api,
        asker: Some(asker),
        priority,
        ask: Some(how),
        form: generation.form,
        stop: generation.stop,
        ..Asked::new(generation.prompt)
    };
    let (request, effects) = request::request(domain, id, asked);
    Ok((Value::Request(request), effects))
}

/// Have a model loaded as a request for it would.
pub(super) fn load(
    domain: &mut Domain,
    model: &str,
    settings: Option<SessionSettings>,
    keep_alive: Option<KeepAlive>,
) -> Outcome {
    let id = session_for(domain, model, settings, keep_alive)?;
    if let Some(session) = find(domain, id) {
        session.demand.is_wanted = true;
    }
    Ok((Value::Session(id), Vec::new()))
}

/// Unload what was loaded of a model for requests, as soon as nothing is asked of it.
pub(super) fn unload(domain: &mut Domain, model: &str) -> Outcome {
    let jobs = working::sessions(domain);
    let live = |session: &&mut Session| {
        session.model.id == model
            && matches!(session.phase, Phase::Queued | Phase::Loading { .. } | Phase::Ready)
            && !jobs.contains(&(session.id, true))
    };
    let (mut is_loaded, mut is_unloaded) = (None, false);
    for session in domain.sessions.iter_mut().filter(live) {
        is_loaded = Some(session.name.clone());
        if session.demand.is_on_demand {
            session.demand.keep_alive = Some(KeepAlive::For(Duration::ZERO));
            session.demand.is_wanted = false;
            session.settings.residence.pinned = false;
            is_unloaded = true;
        }
    }
    match is_loaded {
        _ if is_unloaded => Ok((Value::Accepted, Vec::new())),
        Some(name) => {
            let reason = format!("{name} was started by hand");
            Err(Refused::new(Cause::Invalid, reason).with_hint("stop its session"))
        }
        None => Err(Refused::new(Cause::NotFound, "this model is not loaded")),
    }
}

/// Whether one more request may wait.
fn has_room(domain: &Domain, model: &str) -> Result<(), Refused> {
    let n_waiting = |session: &Session| session.requests.iter().filter(|one| one.stage == Stage::Queued).count();
    let of_model = domain.sessions.iter().filter(|session| session.model.id == model).map(n_waiting).sum::<usize>();
    let of_all = domain.sessions.iter().map(n_waiting).sum::<usize>();
    let requests = domain.sessions.iter().flat_map(|session| &session.requests);
    let waiting = requests.filter(|request| request.stage == Stage::Queued);
    let n_bytes = Bytes(waiting.map(|request| request.prompt_bytes as u64).sum());
    let budget = &domain.settings.budget;
    let reason = if of_model >= budget.max_queued_per_model as usize {
        format!("{of_model} requests wait for this model already")
    } else if of_all >= budget.max_queued as usize {
        format!("{of_all} requests wait in all already")
    } else if n_bytes >= MAX_QUEUED_BYTES {
        format!("requests that wait hold {n_bytes} of text already")
    } else {
        return Ok(());
    };
    let after = eviction::serving(domain, model).map_or(Duration::from_secs(5), retry_after);
    let cause = Cause::Busy { retry_after: Some(after) };
    Err(Refused::new(cause, reason).with_hint("try again later"))
}

/// The session that answers for a model. Where there is none, one is made; it is loaded as soon as there is memory for it.
pub(super) fn session_for(
    domain: &mut Domain,
    model: &str,
    settings: Option<SessionSettings>,
    keep_alive: Option<KeepAlive>,
) -> Result<SessionId, Refused> {
    let Some(model) = domain.model(model).cloned() else {
        return Err(alias::missing(domain, "this model is no longer on this machine".to_owned()));
    };
    if let Some(id) = eviction::serving(domain, &model.id).map(|session| session.id) {
        lengthen(domain, id, settings);
        if let Some(session) = find(domain, id).filter(|session| session.demand.is_on_demand) {
            session.demand.keep_alive = keep_alive.or(session.demand.keep_alive);
        }
        return Ok(id);
    }
    session::may_start(&model, crate::command::Force::No)?;
    session::has_devices(domain, &settings.unwrap_or(domain.settings.session))?;
    if let Some((left, crash)) = domain.crashes.left(&model.id, domain.now) {
        let left = whole_seconds(left);
        let (name, count, reason) = (&model.name, crash.count, &crash.reason);
        let reason = format!("{name} has ended {count} times in a row ({reason})");
        let hint = format!("it is loaded again in {} s at the earliest", left.as_secs());
        return Err(Refused::new(Cause::Busy { retry_after: Some(left) }, reason).with_hint(hint));
    }
    let settings = admission::settings_for(&model, settings.unwrap_or(domain.settings.session));
    let planned = admission::planned(domain, &model, &settings);
    if let Fit::Refused { refusal, unloaded } = eviction::outcome(domain, model.machine.as_deref(), planned, &settings)
    {
        return Err(does_not_fit(&model, refusal, unloaded));
    }
    let now = domain.now;
    let failed =
        |session: &&mut Session| session.model.id == model.id && session.demand.is_on_demand && !session.is_live();
    let id = match domain.sessions.iter_mut().find(failed) {
        Some(session) => {
            (session.settings, session.planned) = (settings, planned);
            (session.phase, session.since) = (Phase::Queued, now);
            // Late events from its old worker are dropped.
            (session.worker, session.pid, session.process) = (WorkerId(0), None, None);
            session.id
        }
        None => create(domain, model, settings),
    };
    if let Some(session) = find(domain, id) {
        let served = std::mem::take(&mut session.demand.served);
        session.demand = Demand { is_on_demand: true, keep_alive, served, ..Demand::default() };
    }
    Ok(id)
}

/// A model that was loaded for requests is to be loaded again where one needs a longer context than it has.
fn lengthen(domain: &mut Domain, id: SessionId, wanted: Option<SessionSettings>) {
    let Some(session) = domain.session(id).filter(|session| session.is_evictable()) else { return };
    let Some(wanted) = wanted.map(|wanted| admission::settings_for(&session.model, wanted)) else { return };
    let has = session.demand.reload.as_deref().unwrap_or(&session.settings).context;
    let planned = admission::planned(domain, &session.model, &wanted);
    let fits = || !matches!(eviction::outcome(domain, session.machine(), planned, &wanted), Fit::Refused { .. });
    if wanted.context <= has || !fits() {
        return;
    }
    let Some(session) = find(domain, id) else { return };
    if session.phase == Phase::Queued {
        (session.settings, session.planned) = (wanted, planned);
    } else {
        session.demand.reload = Some(Box::new(wanted));
        session.demand.is_draining = true;
    }
}

/// Why a model can't be loaded, with the figures.
fn does_not_fit(model: &Model, refusal: AdmissionError, unloaded: Bytes) -> Refused {
    let name = &model.name;
    let reason = if unloaded > Bytes(0) {
        format!("{name} {refusal}; {unloaded} of that by unloading what was loaded for requests")
    } else {
        format!("{name} {refusal}")
    };
    Refused::new(Cause::Memory(Box::new(refusal)), reason).with_hint(refusal.remedy())
}

/// A worker has died, or could not load its model.
pub(super) fn crashed(domain: &mut Domain, id: SessionId, reason: &str) {
    let now = domain.now;
    let Some(session) = find(domain, id) else { return };
    let ran = session.demand.loaded.take().map(|loaded| now.uptime.saturating_sub(loaded.uptime));
    let (model, name, is_on_demand) = (session.model.id.clone(), session.name.clone(), session.demand.is_on_demand);
    let count = domain.crashes.add(&model, reason, ran, now);
    let pause = Crashes::pause(count);
    if is_on_demand && !pause.is_zero() {
        let text = format!(
            "{name} has ended {count} times in a row: {reason}; a request loads it again after {} s",
            pause.as_secs()
        );
        notify(domain, text, true);
    }
}

/// Unload what has been idle for long enough, and load what waits for memory.
pub(super) fn advance(domain: &mut Domain, is_tick: bool) -> Vec<Effect> {
    if is_tick {
        forget(domain);
    }
    let mut effects = expire(domain);
    effects.extend(reload(domain));
    effects.extend(load_waiting(domain));
    effects
}

/// Take sessions off the list that nobody waits for. With a tick, so that whoever asked has seen how its request ended.
fn forget(domain: &mut Domain) {
    let now = domain.now.uptime;
    let is_over = |session: &&Session| {
        let is_asked = session.demand.is_wanted || session.is_asked_for();
        session.is_evictable()
            && match session.phase {
                Phase::Queued => !is_asked,
                Phase::Failed { .. } => now.saturating_sub(session.since.uptime) >= FAILED_KEPT,
                _ => false,
            }
    };
    let over: Vec<SessionId> = domain.sessions.iter().filter(is_over).map(|session| session.id).collect();
    for id in over {
        session::remove(domain, id);
    }
}

/// Unload what has been idle for so long as it is kept.
fn expire(domain: &mut Domain) -> Vec<Effect> {
    let jobs = working::sessions(domain);
    let now = domain.now;
    let is_settled = |session: &Session, request: &Request| {
        let Some(ended) = request.ended else { return true };
        request.figures.is_settled || !history::may_settle(domain, session.machine(), ended)
    };
    let is_over = |session: &&Session| {
        // It has a conversation on the screen.
        let is_chat = session.demand.is_on_demand && !session.turns.is_empty();
        session.idle(now).is_some_and(|idle| session.keep_alive().is_over(idle))
            && !is_chat
            && !jobs.iter().any(|(id, _)| *id == session.id)
            // The last of its answers' energy is booked with the next tick.
            && session.requests.iter().all(|request| is_settled(session, request))
    };
    let over: Vec<SessionId> = domain.sessions.iter().filter(is_over).map(|session| session.id).collect();
    over.into_iter().flat_map(|id| stop_one(domain, id)).collect()
}

/// Make way for a longer context where nothing runs any more.
fn reload(domain: &mut Domain) -> Vec<Effect> {
    let is_free = |session: &&Session| {
        session.demand.reload.is_some()
            && session.phase == Phase::Ready
            && !session.is_busy()
            && !session.queries.iter().any(OpenQuery::is_running)
    };
    let free: Vec<SessionId> = domain.sessions.iter().filter(is_free).map(|session| session.id).collect();
    free.into_iter().flat_map(|id| make_way(domain, id)).collect()
}

/// Unload a session. What waits in it waits in a new one for its turn.
fn make_way(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(session) = find(domain, id) else { return Vec::new() };
    let is_waiting = |request: &mut Request| request.stage == Stage::Queued;
    let waiting: Vec<Request> = session.requests.extract_if(.., is_waiting).collect();
    let queries: Vec<OpenQuery> = session.queries.extract_if(.., |query| !query.is_running()).collect();
    if !waiting.is_empty() || !queries.is_empty() {
        let settings = session.demand.reload.take().map_or(session.settings, |settings| *settings);
        let (model, name) = (std::sync::Arc::clone(&session.model), session.name.clone());
        let served = std::mem::take(&mut session.demand.served);
        let demand = Demand { is_on_demand: true, keep_alive: session.demand.keep_alive, served, ..Demand::default() };
        let new = create(domain, model, settings);
        if let Some(new) = find(domain, new) {
            (new.name, new.requests, new.queries, new.demand) = (name, waiting, queries, demand);
        }
    }
    stop_one(domain, id)
}

/// Load what waits, as far as there is memory: the one that has waited longest first. Others go before it where they fit
/// beside what is loaded, but not once it has waited for long.
fn load_waiting(domain: &mut Domain) -> Vec<Effect> {
    let queued = domain.sessions.iter().filter(|session| session.phase == Phase::Queued);
    let mut queued: Vec<_> = queued.map(|session| (session.since, session.id)).collect();
    queued.sort_by_key(|(since, _)| *since);
    let mut effects = Vec::new();
    let (mut first, mut is_strict, mut draining) = (None, false, BTreeSet::new());
    for (since, id) in queued {
        if let Some(first) = first.filter(|_| is_strict) {
            let name = domain.session(first).map(|session| session.name.clone()).unwrap_or_default();
            waits(domain, id, Wait::Turn(first, name));
            continue;
        }
        let Some(fit) = fit(domain, id, first.is_none(), &mut effects) else { continue };
        match fit {
            Fit::Unknown | Fit::Loaded(_) => {}
            Fit::Fits => effects.extend(spawn(domain, id)),
            Fit::Evicts(all) | Fit::Waits(all) => {
                // What is started by hand waits for nothing that runs.
                let is_on_demand = domain.session(id).is_some_and(|session| session.demand.is_on_demand);
                if !is_on_demand && !all.iter().all(goes) {
                    effects.extend(refuse_start(domain, id));
                    continue;
                }
                if first.is_none() {
                    first = Some(id);
                    is_strict = domain.now.uptime.saturating_sub(since.uptime) >= domain.settings.budget.min_loaded;
                    draining.extend(all.iter().filter(|_| is_strict).map(|one| one.session));
                }
                wait_for(domain, id, &all);
            }
            Fit::Refused { refusal, unloaded } => effects.extend(refuse(domain, id, refusal, unloaded)),
        }
    }
    effects.extend(drain(domain, &draining));
    effects
}

/// Whether a session that holds memory gives it back by itself, or can be unloaded now.
fn goes(one: &Candidate) -> bool {
    matches!(one.hold, None | Some(Hold::Stopping))
}

/// What a session that waits comes to. Where it may have others unloaded and that can be at once, it is.
fn fit(domain: &mut Domain, id: SessionId, may_evict: bool, effects: &mut Vec<Effect>) -> Option<Fit> {
    let session = domain.session(id)?;
    let (planned, settings, name) = (session.planned, session.settings, session.name.clone());
    let fit = eviction::outcome(domain, session.machine(), planned, &settings);
    let (Fit::Evicts(all) | Fit::Waits(all)) = &fit else { return Some(fit) };
    if !may_evict || !all.iter().all(goes) || all.iter().all(|one| one.hold.is_some()) {
        return Some(fit);
    }
    for one in all.iter().filter(|one| one.hold.is_none()) {
        effects.extend(make_way(domain, one.session));
        notify(domain, format!("{} is unloaded to make room for {name}", one.name), false);
    }
    let machine = domain.session(id)?.machine();
    Some(eviction::outcome(domain, machine, planned, &settings))
}

fn waits(domain: &mut Domain, id: SessionId, wait: Wait) {
    if let Some(session) = find(domain, id) {
        session.demand.wait = Some(wait);
    }
}

fn wait_for(domain: &mut Domain, id: SessionId, all: &[Candidate]) {
    let free = admission::free_memory(domain).map(|memory| memory.free).unwrap_or_default();
    let Some(needed) = domain.session(id).map(|session| session.planned.here()) else { return };
    let sessions = all.iter().map(|one| (one.session, one.name.clone())).collect();
    waits(domain, id, Wait::Memory { needed, free, sessions });
}

/// Let nothing begin in these sessions, as far as they have been loaded for long enough, and let the others go on.
fn drain(domain: &mut Domain, draining: &BTreeSet<SessionId>) -> Vec<Effect> {
    let drains = |session: &Session| {
        session.demand.reload.is_some() || (draining.contains(&session.id) && eviction::may_drain(domain, session))
    };
    let all: Vec<(SessionId, bool)> = domain.sessions.iter().map(|session| (session.id, drains(session))).collect();
    let mut effects = Vec::new();
    for (id, drains) in all {
        let Some(session) = find(domain, id) else { continue };
        let drained = std::mem::replace(&mut session.demand.is_draining, drains);
        if drained && !drains {
            effects.extend(start_waiting(domain, id));
        }
    }
    effects
}

/// A session that waited can't be loaded: who asked is told, and it stays on the list with the reason.
fn refuse(domain: &mut Domain, id: SessionId, refusal: AdmissionError, unloaded: Bytes) -> Vec<Effect> {
    let Some(session) = domain.session(id) else { return Vec::new() };
    if !session.demand.is_on_demand {
        return refuse_start(domain, id);
    }
    let Refused { reason, hint, .. } = does_not_fit(&session.model, refusal, unloaded);
    let now = domain.now;
    let effects = end_all(domain, id, &reason, hint.as_deref());
    if let Some(session) = find(domain, id) {
        session.phase = Phase::Failed { reason, hint };
        session.since = now;
        session.demand.wait = None;
    }
    domain.outbox.push(Notification::SessionFailed(id));
    effects
}

/// A session that was started by hand does not fit: it is gone, and the figures are those of now.
fn refuse_start(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(session) = domain.session(id) else { return Vec::new() };
    let (model, settings) = (session.model.id.clone(), Box::new(session.settings));
    if let Err(refusal) = admission::admit_on(domain, session.machine(), session.planned) {
        domain.outbox.push(Notification::StartRefused { model, settings, refusal });
    }
    let effects = end_all(domain, id, "there is not enough memory", None);
    session::remove(domain, id);
    effects
}

#[cfg(test)]
mod tests;
