//! The life of a session as far as the user commands it: start, prompt, cancel, stop, restart.

use std::sync::Arc;

use wire::{Prompt, Role};

use super::common::{Outcome, find, generate, gone, next_id, not_measuring};
use super::load::load;
use super::request::{Asked, end_all, request};
use super::start::{claims, share_threads};
use super::{history, thread};
use crate::admission::{self, MemoryEstimate, ThreadRequest};
use crate::command::{Cause, EFFECTIVE, Force, Refused, Value};
use crate::conversation::{chat, room};
use crate::effect::Effect;
use crate::eviction;
use crate::model::Model;
use crate::request::{Client, Request};
use crate::session::{JobArray, JobRequest, Phase, Session, SessionId, Thread, Turn, WorkerId};
use crate::settings::{ChatSettings, ContextFull, InEffect, SchedulingPolicy, SessionSettings, in_effect};
use crate::state::Domain;
use crate::units::Bytes;

/// Start a model.
pub(super) fn start(domain: &mut Domain, id: &str, settings: SessionSettings, force: Force) -> Outcome {
    let Some(model) = domain.model(id).cloned() else {
        return Err(Refused::new(Cause::NotFound, "this model is no longer on this machine"));
    };
    open(domain, &model, settings, force)
}

/// Whether unloading what was loaded for requests, and is idle, makes room for a model.
fn makes_room(domain: &Domain, planned: MemoryEstimate, settings: &SessionSettings) -> bool {
    matches!(eviction::outcome(domain, None, planned, settings), eviction::Outcome::Evicts(_))
}

/// Whether a model may be started.
pub(super) fn may_start(model: &Model, force: Force) -> Result<(), Refused> {
    if !model.is_runnable() && !model.can_be_tried() {
        let reason = format!("{} can't be run: {}", model.name, model.status);
        return Err(Refused::new(Cause::NotRunnable, reason));
    }
    if !model.is_runnable() && force == Force::No {
        let reason = format!("{} is refused by the check of its file: {}", model.name, model.status);
        return Err(Refused::new(Cause::Unsafe, reason).with_hint("--force starts it all the same"));
    }
    Ok(())
}

/// Whether the machines are known whose devices these settings name.
pub(super) fn has_devices(domain: &Domain, settings: &SessionSettings) -> Result<(), Refused> {
    let Some(name) = settings.devices.unknown(&domain.settings.rpc) else { return Ok(()) };
    let reason = format!("the devices {} name a machine that the settings don't have: {name}", settings.devices);
    let hint = format!("write [rpc.{name}] with address = \"127.0.0.1:50052\" into config.toml");
    Err(Refused::new(Cause::Invalid, reason).with_hint(hint))
}

/// Start this model.
pub(super) fn open(domain: &mut Domain, model: &Arc<Model>, settings: SessionSettings, force: Force) -> Outcome {
    open_in(domain, model, settings, force, None)
}

/// Start this model, as a task of a job array where one is given.
pub(super) fn open_in(
    domain: &mut Domain,
    model: &Arc<Model>,
    settings: SessionSettings,
    force: Force,
    array: Option<JobArray>,
) -> Outcome {
    may_start(model, force)?;
    has_devices(domain, &settings)?;
    let model = model.forced();
    let settings = admission::settings_for(&model, settings);
    let planned = admission::planned(domain, &model, &settings);
    // Elsewhere the memory of this machine counts for nothing.
    let is_here = settings.on.is_here() && model.remote.is_none();
    if is_here && model.machine.is_none() && force != Force::All {
        admission::fits_elsewhere(domain, &model, &settings)
            .map_err(|error| Refused::new(Cause::MemoryTogether, error.to_string()).with_hint(error.remedy()))?;
    }
    // Of another machine's memory its worker tells, where its sensors have not.
    let measured = domain.machine.sample.is_some() || model.machine.is_some();
    if measured
        && is_here
        && force != Force::All
        && let Err(refusal) = admission::admit_on(domain, model.machine.as_deref(), planned)
    {
        // It waits until what makes room for it has been unloaded.
        if model.machine.is_none() && makes_room(domain, planned, &settings) {
            return Ok((Value::Session(create(domain, model, settings)), Vec::new()));
        }
        let reason = format!("{} {refusal}", model.name);
        return Err(Refused::new(Cause::Memory(Box::new(refusal)), reason).with_hint(refusal.remedy()));
    }
    let id = create(domain, model, settings);
    if let Some(session) = find(domain, id) {
        session.is_forced = force == Force::All;
        session.array = array;
    }
    let effects = if measured || force == Force::All { spawn(domain, id) } else { Vec::new() };
    Ok((Value::Session(id), effects))
}

/// Be a client of the session that the server of a model's machine has.
pub(super) fn join(domain: &mut Domain, id: &str) -> Outcome {
    let gone = || Refused::new(Cause::NotFound, "its machine's server has it loaded no more");
    let model = domain.model(id).cloned().ok_or_else(gone)?;
    let there = domain.session_there(&model).ok_or_else(gone)?;
    let context = there.context;
    let own = domain.settings.session;
    let settings = SessionSettings { context: context.unwrap_or(own.context), ..own };
    let id = create(domain, model, settings);
    if let Some(session) = find(domain, id) {
        session.is_joined = true;
        // It takes no further memory there.
        session.planned = MemoryEstimate::default();
    }
    Ok((Value::Session(id), spawn(domain, id)))
}

/// The model's name, with the lowest number that no session has where there are several.
fn free_name(domain: &Domain, model: &str) -> String {
    let is_taken = |name: &str| domain.sessions.iter().any(|session| session.name == name);
    let mut name = model.to_owned();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{model} #{number}");
    }
    name
}

/// Put a session on the list. It has no worker yet.
pub(super) fn create(domain: &mut Domain, model: Arc<Model>, settings: SessionSettings) -> SessionId {
    let id = SessionId(next_id(domain));
    let name = free_name(domain, &model.name);
    let mut session = Session::new(id, WorkerId(0), model, name, settings, domain.history());
    session.chat = domain.settings.chat.clone();
    session.planned = admission::planned(domain, &session.model, &session.settings);
    session.since = domain.now;
    domain.sessions.push(session);
    id
}

/// How a job has planned a session that measures.
pub(super) struct Planned {
    pub(super) memory: MemoryEstimate,
    pub(super) threads: u32,
    pub(super) scheduling: SchedulingPolicy,
}

/// Start a session as a job has planned it, which has seen to its memory.
pub(super) fn open_planned(
    domain: &mut Domain,
    model: &Arc<Model>,
    settings: SessionSettings,
    planned: &Planned,
) -> (SessionId, Vec<Effect>) {
    let id = create(domain, Arc::clone(model), settings);
    if let Some(session) = find(domain, id) {
        session.planned = planned.memory;
    }
    let effects = spawn_with(domain, id, planned.threads, planned.scheduling);
    measures(domain, id);
    (id, effects)
}

/// A session that was just started measures, and does nothing else until it is started again.
pub(super) fn measures(domain: &mut Domain, id: SessionId) {
    if let Some(session) = find(domain, id) {
        session.is_measuring = true;
    }
}

/// Give a session a new worker.
pub(super) fn spawn(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let n_threads = idle_threads(domain, id);
    let scheduling = domain.settings.engine.scheduling();
    spawn_with(domain, id, n_threads, scheduling)
}

fn spawn_with(domain: &mut Domain, id: SessionId, n_threads: u32, scheduling: SchedulingPolicy) -> Vec<Effect> {
    let worker = WorkerId(next_id(domain));
    let now = domain.now;
    let Some(session) = find(domain, id) else { return Vec::new() };
    session.worker = worker;
    session.n_sequences = session.settings.parallel.max(1) as usize;
    session.phase = Phase::Loading { fraction: 0.0 };
    session.since = now;
    session.loaded = None;
    (session.is_measuring, session.measures) = (false, None);
    session.job = None;
    session.place = session.settings.on;
    session.pid = None;
    session.process = None;
    session.n_past = 0;
    session.demand.wait = None;
    session.demand.loaded = None;
    session.demand.is_draining = false;
    session.demand.reload = None;
    session.timer.load(now.uptime);
    let (model, settings, joins) = (Arc::clone(&session.model), session.settings, session.is_joined);
    // Started again it is a job of its own.
    let array = session.array.take();
    let job = job_request(&model, settings, session.planned.total());
    let job = job.map(|job| Box::new(JobRequest { array, ..*job }));
    let n_gpu_layers = admission::layers(domain, &model, &settings);
    let load = load(&model, &SessionSettings { gpu_layers: n_gpu_layers, ..settings }, &domain.settings.rpc, n_threads);
    vec![Effect::Spawn { worker, model, load: Box::new(load), scheduling, job, joins }]
}

/// The job that a worker is to run in; `None` on this machine.
pub(super) fn job_request(model: &Model, settings: SessionSettings, memory: Bytes) -> Option<Box<JobRequest>> {
    let request = || JobRequest { model: model.id.clone(), name: model.name.clone(), settings, memory, array: None };
    (!settings.on.is_here()).then(|| Box::new(request()))
}

/// Threads that a session begins with: what it would get if it began to answer now.
fn idle_threads(domain: &Domain, id: SessionId) -> u32 {
    let Some(session) = domain.session(id) else { return 1 };
    let mut claims = claims(domain, session.machine());
    if session.settings.on.is_here() {
        claims.push(ThreadRequest { session: id, fixed: session.settings.threads });
    }
    admission::share_threads(domain.thread_limit_on(session.machine()), &claims).last().map_or(1, |share| share.1)
}

/// Add a prompt to a session's conversation and have it answered. A session that still loads answers when it is ready.
pub(super) fn send(domain: &mut Domain, id: SessionId, text: String) -> Result<Vec<Effect>, Refused> {
    not_measuring(domain, id)?;
    let session = find(domain, id).ok_or_else(gone)?;
    generate([&*session.model])?;
    let waits = match &session.phase {
        Phase::Ready if session.open_chat().is_some() => {
            return Err(Refused::new(Cause::BUSY, "wait for the answer, or cancel it"));
        }
        Phase::Ready => false,
        Phase::Queued | Phase::Loading { .. } => true,
        Phase::Stopping | Phase::Failed { .. } => {
            return Err(Refused::new(Cause::Invalid, "this session has ended; restart it first"));
        }
    };
    if text.trim().is_empty() {
        return Err(Refused::new(Cause::Invalid, "the prompt is empty"));
    }
    session.turns.push(Turn::new(Role::User, text));
    thread::changed(domain, id);
    history::open_draft(domain, id);
    Ok(if waits { Vec::new() } else { answer(domain, id) })
}

/// Answer the conversation as it stands.
pub(super) fn answer(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(session) = find(domain, id) else { return Vec::new() };
    let prompt = Prompt::Chat(chat(&session.chat, &session.turns, session.n_dropped));
    let min_room = room(&session.turns, session.n_dropped, session.n_ctx(), session.settings.max_tokens);
    let draft = session.draft.take();
    let context_shift = session.settings.context_full == ContextFull::Shift;
    let asked = Asked { client: Client::Chat, min_room, context_shift, draft, ..Asked::new(prompt) };
    request(domain, id, asked).1
}

/// Stop a session. One that has ended, or never began, leaves the list.
pub(super) fn stop(domain: &mut Domain, id: SessionId) -> Result<Vec<Effect>, Refused> {
    let session = find(domain, id).ok_or_else(gone)?;
    if matches!(session.phase, Phase::Failed { .. } | Phase::Queued) {
        let effects = end_all(domain, id, "the session was stopped", None);
        remove(domain, id);
        return Ok(effects);
    }
    Ok(stop_one(domain, id))
}

/// Stop a session that has a worker.
pub(super) fn stop_one(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(session) = find(domain, id).filter(|session| session.is_live()) else { return Vec::new() };
    session.phase = Phase::Stopping;
    let mut effects = vec![Effect::Stop { worker: session.worker }];
    effects.extend(end_all(domain, id, "the session was stopped", None));
    effects.extend(share_threads(domain));
    effects
}

/// Restart a session. The old worker is stopped; what it still reports is dropped.
pub(super) fn restart(domain: &mut Domain, id: SessionId) -> Result<Vec<Effect>, Refused> {
    let session = domain.session(id).ok_or_else(gone)?;
    let context = admission::context(&session.model, session.settings.context);
    has_devices(domain, &session.settings)?;
    let planned = if session.is_joined {
        MemoryEstimate::default()
    } else {
        admission::planned(domain, &session.model, &SessionSettings { context, ..session.settings })
    };
    if !session.is_forced
        && session.settings.on.is_here()
        && let Err(refusal) = admission::readmit(domain, session, planned)
    {
        let reason = format!("{} {refusal}", session.model.name);
        return Err(Refused::new(Cause::Memory(Box::new(refusal)), reason).with_hint(refusal.remedy()));
    }
    let session = find(domain, id).ok_or_else(gone)?;
    let old = session.is_live().then_some(session.worker);
    session.settings.context = context;
    session.planned = planned;
    // Whoever restarts it wants it, whatever it was loaded for.
    session.demand.is_on_demand = false;
    let mut effects: Vec<Effect> = old.map(|worker| Effect::Stop { worker }).into_iter().collect();
    effects.extend(end_all(domain, id, "the session was restarted", None));
    effects.extend(spawn(domain, id));
    effects.extend(share_threads(domain));
    Ok(effects)
}

/// Drop a session's conversation.
pub(super) fn clear(domain: &mut Domain, id: SessionId) -> Result<Vec<Effect>, Refused> {
    let Domain { sessions, ended_requests, .. } = domain;
    let session = sessions.iter_mut().find(|session| session.id == id).ok_or_else(gone)?;
    if session.is_busy() {
        return Err(Refused::new(Cause::BUSY, "wait for the answer, or cancel it"));
    }
    session.turns.clear();
    // A race or a suite that has its answer still waits for the energy.
    let goes = |request: &mut Request| !request.is_open() && !matches!(request.client, Client::Race | Client::Suite);
    let left: Vec<Request> = session.requests.extract_if(.., goes).collect();
    for request in &left {
        ended_requests.push(session, request);
    }
    session.n_dropped = 0;
    session.n_past = 0;
    // What was said stays in the history; what is said next is another conversation.
    session.thread = Thread::default();
    let mut effects = match session.phase {
        Phase::Ready => vec![Effect::Send { worker: session.worker, request: wire::Request::ClearCache }],
        _ => Vec::new(),
    };
    // A prompt that waited for its model is dropped with the rest.
    effects.extend(history::discard_draft(domain, id));
    Ok(effects)
}

/// Change a setting of a session.
pub(super) fn set(domain: &mut Domain, id: SessionId, name: &str, value: &str) -> Outcome {
    let session = find(domain, id).ok_or_else(gone)?;
    let set = if ChatSettings::has(name) { session.chat.set(name, value) } else { session.settings.set(name, value) };
    if let Err(error) = set {
        return Err(Refused::new(Cause::Invalid, format!("{name} {error}")));
    }
    let [now, prompt, answer, restart] = EFFECTIVE;
    let when = match in_effect(name) {
        InEffect::Now => now,
        InEffect::NextPrompt => prompt,
        InEffect::NextAnswer => answer,
        InEffect::Reload => restart,
    };
    // What is kept of a conversation has the settings that it goes on with.
    if session.thread.key.is_some() {
        session.thread.is_changed = true;
    }
    let effects = if name == "threads" { share_threads(domain) } else { Vec::new() };
    Ok((Value::Effective(when), effects))
}

/// Take a session off the list.
pub(super) fn remove(domain: &mut Domain, id: SessionId) {
    // What it did since the last tick is no stranger's.
    let is_pending = domain.session(id).is_some_and(|session| session.timer.is_pending());
    match domain.session(id).and_then(|session| session.machine()).map(str::to_owned) {
        None => domain.attribution.lost_consumer |= is_pending,
        Some(name) => {
            let there = domain.machines.iter_mut().filter(|machine| machine.name == name);
            there.for_each(|machine| machine.attribution.lost_consumer |= is_pending);
        }
    }
    let Domain { sessions, ended_requests, .. } = domain;
    for session in sessions.extract_if(.., |session| session.id == id) {
        session.requests.iter().for_each(|request| ended_requests.push(&session, request));
    }
    ended_requests.session_gone(id);
}

/// The processes to be sampled.
pub(super) fn watch(domain: &Domain) -> Effect {
    let here = domain.sessions.iter().filter(|session| session.machine().is_none());
    Effect::Watch { pids: here.filter_map(|session| session.pid).collect() }
}
