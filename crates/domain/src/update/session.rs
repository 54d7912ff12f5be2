//! The life of a session as far as the user commands it: start, prompt, cancel, stop, restart.

use std::sync::Arc;

use wire::{Chat, Generate, Prompt, Role, Sampling};

use super::common::{Outcome, find, generate, gone, next_id};
use super::load::load;
use super::start::{claims, share_threads, start_waiting};
use super::{history, query, thread};
use crate::admission::{self, MemoryEstimate, ThreadRequest};
use crate::ask::{Asker, Priority};
use crate::command::{AnswerOptions, Cause, EFFECTIVE, Force, Refused, Value};
use crate::conversation::{chat, room};
use crate::effect::Effect;
use crate::figure::Figure;
use crate::model::Model;
use crate::model::preset::{self, over};
use crate::moment::Moment;
use crate::record::Draft;
use crate::request::form::Form;
use crate::request::{self, Client, Request, RequestId, Step};
use crate::session::{End, JobArray, JobRequest, Phase, Session, SessionId, Thread, Turn, WorkerId};
use crate::settings::{ChatSettings, ContextFull, InEffect, SessionSettings, in_effect};
use crate::state::Domain;
use crate::units::Bytes;
use crate::{eviction, queue};

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

/// Put a session on the list. It has no worker yet.
pub(super) fn create(domain: &mut Domain, model: Arc<Model>, settings: SessionSettings) -> SessionId {
    let id = SessionId(next_id(domain));
    let n_same = domain.sessions.iter().filter(|session| session.model.id == model.id).count();
    let name = if n_same == 0 { model.name.clone() } else { format!("{} #{}", model.name, n_same + 1) };
    let mut session = Session::new(id, WorkerId(0), model, name, settings, domain.history());
    session.chat = domain.settings.chat.clone();
    session.planned = admission::planned(domain, &session.model, &session.settings);
    session.since = domain.now;
    domain.sessions.push(session);
    id
}

/// Give a session a new worker.
pub(super) fn spawn(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let worker = WorkerId(next_id(domain));
    let n_threads = idle_threads(domain, id);
    let now = domain.now;
    let Some(session) = find(domain, id) else { return Vec::new() };
    session.worker = worker;
    session.n_sequences = session.settings.parallel.max(1) as usize;
    session.phase = Phase::Loading { fraction: 0.0 };
    session.since = now;
    session.loaded = None;
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
    let scheduling = domain.settings.engine.scheduling();
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

/// How to answer where the session's own settings don't hold.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// The most tokens.
    pub(super) max_tokens: Option<u32>,
    /// The samplers.
    pub(super) sampling: Sampling,
    /// How many of the likeliest tokens to tell.
    pub(super) n_top_logprobs: u32,
    pub(super) logit_bias: Vec<wire::LogitBias>,
    /// Tokens that may come before more are allowed; `None` allows all.
    pub(super) credits: Option<u32>,
}

/// Have a session answer a prompt from outside its conversation.
pub(super) fn begin(
    domain: &mut Domain,
    id: SessionId,
    prompt: Prompt,
    (form, stop): (Option<Form>, Vec<String>),
    options: Option<AnswerOptions>,
    is_recorded: bool,
) -> Outcome {
    let session = find(domain, id).ok_or_else(gone)?;
    generate([&*session.model])?;
    if matches!(session.phase, Phase::Stopping | Phase::Failed { .. }) {
        return Err(Refused::new(Cause::Invalid, "this session has ended; restart it first"));
    }
    let n_open = session.requests.iter().filter(|request| request.is_open()).count();
    if n_open >= MAX_OPEN {
        return Err(Refused::new(Cause::BUSY, format!("{n_open} requests wait for this session already")));
    }
    let draft = is_recorded.then(|| history::draft(domain)).flatten();
    let (min_room, context_shift) = options.as_ref().map_or((0, false), |own| (own.min_room, own.context_shift));
    let ask = options.map(|own| Ask {
        max_tokens: own.max_tokens,
        sampling: own.sampling,
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
    });
    let asked = Asked { ask, form, stop, min_room, context_shift, draft, ..Asked::new(prompt) };
    let (request, effects) = request(domain, id, asked);
    Ok((Value::Request(request), effects))
}

/// The most requests of a session that have not ended: what waits longer than that has been given up by who asked.
const MAX_OPEN: usize = 256;

/// What a session is asked.
pub(super) struct Asked {
    pub(super) client: Client,
    pub(super) prompt: Prompt,
    /// `None` takes the session's own settings.
    pub(super) ask: Option<Ask>,
    pub(super) form: Option<Form>,
    pub(super) stop: Vec<String>,
    /// Tokens of the context that must be left for the answer.
    pub(super) min_room: u32,
    /// Whether the older part of the context is dropped where the answer fills it.
    pub(super) context_shift: bool,
    pub(super) draft: Option<Draft>,
    pub(super) asker: Option<Asker>,
    pub(super) priority: Priority,
}

impl Asked {
    pub(super) fn new(prompt: Prompt) -> Self {
        let (client, priority) = (Client::Command, Priority::Interactive);
        let (form, stop) = (None, Vec::new());
        let (min_room, context_shift) = (0, false);
        Self { client, prompt, ask: None, form, stop, min_room, context_shift, draft: None, asker: None, priority }
    }
}

/// Ask a session: at once where it is ready and has a sequence free, else as soon as that is so.
pub(super) fn request(domain: &mut Domain, id: SessionId, asked: Asked) -> (RequestId, Vec<Effect>) {
    let Asked { client, prompt, ask, form, stop, min_room, context_shift, draft, asker, priority } = asked;
    let request_id = RequestId(next_id(domain));
    let now = domain.now;
    // Until a tick falls into the answer, its energy is unknown for the sensors' reason, or because there was none yet.
    let machine = domain.session(id).and_then(|session| session.machine());
    let unmetered = match domain.sample_on(machine).filter(|sample| sample.total_power().is_none()) {
        Some(sample) => {
            let (reason, remedy) = sample.why_no_power();
            Figure::Unknown { reason, remedy }
        }
        None => Figure::unknown("the answer was shorter than a sensor's tick"),
    };
    let Some(session) = find(domain, id) else { return (request_id, Vec::new()) };
    let unmetered = session.model.remote.as_ref().map_or(unmetered, |remote| match remote.energy(0.0) {
        Figure::Known { .. } => Figure::unknown("no answer yet"),
        unknown @ Figure::Unknown { .. } => unknown,
    });
    let turns = if client == Client::Chat { session.turns.clone() } else { request::turns(&prompt) };
    let mut request = Request::new(request_id, client, turns, now);
    request.is_raw = matches!(prompt, Prompt::Raw(_));
    (request.asker, request.priority) = (asker, priority);
    request.prompt_bytes = request.prompt.iter().map(Turn::n_bytes).sum();
    request.figures.energy = session.why_no_energy().map_or(unmetered, Figure::unknown);
    request.draft = draft;
    let own = Ask {
        max_tokens: session.settings.max_tokens,
        sampling: session.settings.sampling,
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
    };
    let Ask { max_tokens, sampling, n_top_logprobs, logit_bias, credits } = ask.unwrap_or(own);
    let preset = session.model.preset().cloned().unwrap_or_default();
    request.waiting = Some(Box::new(Generate {
        id: request_id.0,
        prompt: match prompt {
            Prompt::Chat(chat) => {
                let messages = preset::conversation(&session.model, &chat.messages);
                Prompt::Chat(Chat { messages, ..chat })
            }
            prompt @ Prompt::Raw(_) => prompt,
        },
        max_tokens: max_tokens.or(preset.max_tokens),
        sampling: over(sampling, &preset.sampling),
        logit_bias,
        grammar: form.as_ref().map(Form::for_worker),
        // Whoever names some names all of them; an empty one stands for none.
        stop: if stop.is_empty() { preset.stop } else { stop.clone() },
        n_top_logprobs,
        credits,
        min_room,
        context_shift,
    }));
    (request.form, request.stop) = (form, stop);
    queue::enter(session, &request);
    session.requests.push(request);
    let Domain { sessions, ended_requests, .. } = domain;
    if let Some(session) = sessions.iter_mut().find(|session| session.id == id) {
        for request in session.drop_ended() {
            ended_requests.push(session, &request);
        }
    }
    (request_id, start_waiting(domain, id))
}

/// Cancel the answers of a session's conversation and of commands; a race and a suite cancel their own.
pub(super) fn cancel(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(session) = domain.session(id) else { return Vec::new() };
    let is_cancelled =
        |request: &&Request| request.is_open() && !matches!(request.client, Client::Race | Client::Suite);
    let open: Vec<RequestId> = session.requests.iter().filter(is_cancelled).map(|request| request.id).collect();
    open.into_iter().flat_map(|request| cancel_request(domain, request).unwrap_or_default()).collect()
}

/// Cancel a request or a query. One that waits ends at once; one that has ended needs nothing more.
pub(super) fn cancel_request(domain: &mut Domain, id: RequestId) -> Result<Vec<Effect>, Refused> {
    if let Some(effects) = query::cancel(domain, id) {
        return Ok(effects);
    }
    let session = domain.sessions.iter_mut().find(|session| session.request(id).is_some());
    let session = session.ok_or_else(|| Refused::new(Cause::NotFound, "this request no longer exists"))?;
    let (of, worker) = (session.id, session.worker);
    let Some(request) = session.request_mut(id) else { return Ok(Vec::new()) };
    match request.stage {
        request::Stage::Queued => Ok(ended(domain, of, id, End::Finished(wire::Finish::Cancelled))),
        request::Stage::Running(_) => {
            request.stage = request::Stage::Running(Step::Cancelling);
            Ok(vec![Effect::Send { worker, request: wire::Request::Cancel { id: id.0 } }])
        }
        request::Stage::Ended => Ok(Vec::new()),
    }
}

/// A request ends: its answer is kept, and the next one begins.
pub(super) fn ended(domain: &mut Domain, session: SessionId, id: RequestId, end: End) -> Vec<Effect> {
    let now = domain.now;
    let Some(of) = find(domain, session) else { return Vec::new() };
    of.finish(id, end, now);
    let mut effects = history::remember_answer(domain, session, id);
    effects.extend(start_waiting(domain, session));
    effects
}

/// What a session's worker was asked ends with the same error; what waits goes on waiting.
pub(super) fn end_running(domain: &mut Domain, session: SessionId, reason: &str, hint: Option<&str>) -> Vec<Effect> {
    let Some(of) = find(domain, session) else { return Vec::new() };
    let running = of.requests.iter().filter(|request| request.is_running()).map(|request| request.id).collect();
    end_these(domain, session, running, (reason, hint))
}

/// All requests and queries of a session end with the same error.
pub(super) fn end_all(domain: &mut Domain, session: SessionId, reason: &str, hint: Option<&str>) -> Vec<Effect> {
    let Some(of) = find(domain, session) else { return Vec::new() };
    let open = of.requests.iter().filter(|request| request.is_open()).map(|request| request.id).collect();
    let mut effects = end_these(domain, session, open, (reason, hint));
    effects.extend(history::remember_prompt(domain, session));
    effects
}

fn end_these(
    domain: &mut Domain,
    session: SessionId,
    open: Vec<RequestId>,
    (reason, hint): (&str, Option<&str>),
) -> Vec<Effect> {
    let now = domain.now;
    let Some(of) = find(domain, session) else { return Vec::new() };
    of.timer.end_all(now.uptime);
    let mut effects = query::end_all(of, reason, hint);
    for id in open {
        if let Some(of) = find(domain, session) {
            of.finish(id, End::Failed { reason: reason.to_owned(), hint: hint.map(str::to_owned) }, now);
        }
        effects.extend(history::remember_answer(domain, session, id));
    }
    effects
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
    let sessions = here.filter_map(|session| session.pid);
    Effect::Watch { pids: sessions.chain(domain.bench.pids()).collect() }
}

impl Session {
    /// A request ends. The answer of the conversation becomes a part of it.
    pub(super) fn finish(&mut self, id: RequestId, end: End, now: Moment) {
        self.timer.end(id.0, now.uptime);
        let is_elsewhere = self.why_no_energy().is_some() || self.model.remote.is_some();
        let Some(request) = self.request_mut(id).filter(|request| request.is_open()) else { return };
        request.end(end, now);
        // No tick of a sensor of this machine pays for it.
        request.figures.is_settled |= is_elsewhere;
        let Some(request) = self.requests.iter().find(|request| request.id == id) else { return };
        self.totals.ended(request);
        let answer = request.answer.clone();
        if request.client == Client::Chat {
            self.turns.push(answer);
            self.thread.is_changed = true;
        }
        if !self.is_busy() {
            self.since = now;
        }
    }

    /// Take off the oldest requests that have ended.
    fn drop_ended(&mut self) -> Vec<Request> {
        let n_ended = self.requests.iter().filter(|request| !request.is_open()).count();
        let mut n_over = n_ended.saturating_sub(Self::MAX_ENDED);
        let goes = |request: &mut Request| {
            let goes = n_over > 0 && !request.is_open();
            n_over -= usize::from(goes);
            goes
        };
        self.requests.extract_if(.., goes).collect()
    }

    /// Sequences of the worker's context: the most requests that run at once.
    pub fn n_sequences(&self) -> usize {
        self.n_sequences
    }
}
