//! The life of a request: asked, cancelled, ended.
//!
//! Absent: when it begins (`start`), and what its worker reports of it (`worker`).

use wire::{Chat, Generate, Prompt, Sampling};

use super::common::{Outcome, find, generate, gone, next_id, not_measuring};
use super::start::start_waiting;
use super::{history, query};
use crate::ask::{Asker, Priority};
use crate::command::{AnswerOptions, Cause, Refused, Value};
use crate::effect::Effect;
use crate::figure::Figure;
use crate::model::preset::{self, over};
use crate::moment::Moment;
use crate::queue;
use crate::record::Draft;
use crate::request::form::Form;
use crate::request::{self, Client, Request, RequestId, Step};
use crate::session::{End, Phase, Session, SessionId, Turn};
use crate::state::Domain;

/// How to answer where the session's own settings don't hold.
#[derive(Debug, Clone)]
pub(super) struct RequestOptions {
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
    not_measuring(domain, id)?;
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
    let ask = options.map(|own| RequestOptions {
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
    pub(super) ask: Option<RequestOptions>,
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
    let own = RequestOptions {
        max_tokens: session.settings.max_tokens,
        sampling: session.settings.sampling,
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
    };
    let RequestOptions { max_tokens, sampling, n_top_logprobs, logit_bias, credits } = ask.unwrap_or(own);
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
    of.measures = None;
    let mut effects = query::end_all(of, reason, hint);
    for id in open {
        if let Some(of) = find(domain, session) {
            of.finish(id, End::Failed { reason: reason.to_owned(), hint: hint.map(str::to_owned) }, now);
        }
        effects.extend(history::remember_answer(domain, session, id));
    }
    effects
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
