//! What follows from news of a worker.

use std::sync::Arc;
use std::time::Duration;

use wire::{Channel, Event as Message, FailureKind, Finish, Role};

use super::common::find;
use super::request::{end_all, end_running, ended};
use super::session::{answer as answer_now, remove, watch};
use super::start::{share_threads, start_waiting};
use super::{bench, context, demand, perplexity, query, tries};
use crate::effect::Effect;
use crate::event::WorkerEvent;
use crate::figure::Graded;
use crate::model::Outcome;
use crate::moment::Moment;
use crate::notification::Notification;
use crate::record::run_record;
use crate::request::{Client, Request, RequestId, Step};
use crate::session::{End, Phase, Session, SessionId, WorkerId};
use crate::state::Domain;
use crate::units::Bytes;
use crate::{admission, queue, settings};

/// The most lines of a worker's log that are kept.
const MAX_LOG: usize = 200;

/// The most bytes of one answer: a context of a million tokens is below. A worker that sends more is lying.
const MAX_ANSWER: usize = 16 << 20;

/// The most tokens of an answer that are kept with what else was likely: some hundred bytes each.
const MAX_TOKENS: usize = 1 << 16;

/// The most tools that an answer may call: what calls more runs in circles.
const MAX_TOOL_CALLS: usize = 256;

/// Take news of a worker. An old worker's news are dropped.
pub(super) fn on_event(domain: &mut Domain, worker: WorkerId, event: WorkerEvent) -> Vec<Effect> {
    let Some(id) = domain.session_of(worker).map(|session| session.id) else { return Vec::new() };
    let Some(session) = find(domain, id) else { return Vec::new() };
    match event {
        WorkerEvent::Spawned { pid } => {
            // That of another machine says it itself: this is ssh.
            if session.machine().is_none() {
                session.pid = Some(pid);
            }
            vec![watch(domain)]
        }
        WorkerEvent::Logged(line) => {
            session.note(line);
            Vec::new()
        }
        WorkerEvent::Job(job) => {
            session.job = Some(job);
            Vec::new()
        }
        WorkerEvent::Requeued { reason } => requeued(domain, id, &reason),
        WorkerEvent::Message(message) => on_message(domain, id, message),
        WorkerEvent::Exited { reason, expected, hint } => exited(domain, id, reason, expected, hint),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each message, and none is long")]
fn on_message(domain: &mut Domain, id: SessionId, message: Message) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id) else { return Vec::new() };
    match message {
        Message::Hello(hello) => {
            session.note(format!("engine {}", hello.engine));
            session.engine = hello.engine;
            session.devices = hello.devices;
            if let Some(machine) = session.machine().map(str::to_owned) {
                session.pid = Some(hello.pid);
                return vec![super::watch::watch(domain, machine)];
            }
        }
        Message::Loading { fraction } => {
            if let Phase::Loading { fraction: shown } = &mut session.phase {
                *shown = fraction.clamp(0.0, 1.0);
            }
        }
        Message::Loaded(loaded) if matches!(session.phase, Phase::Loading { .. }) => {
            session.timer.loaded(since_tick(session, loaded.load_cpu_us), now.uptime);
            session.loaded = Some(loaded);
            session.phase = Phase::Ready;
            session.since = now;
            session.demand.loaded = Some(now);
            session.demand.is_wanted = false;
            let mut effects = Vec::new();
            if session.turns.last().is_some_and(|turn| turn.role == Role::User) {
                effects.extend(answer_now(domain, id));
            }
            effects.extend(start_waiting(domain, id));
            return effects;
        }
        Message::Started(started) => {
            if let Some(request) = session.running(started.id) {
                request.figures.n_cached = started.n_cached;
                request.figures.sampling = started.sampling;
                request.go_on(Step::Prompt { n_done: started.n_cached, n_prompt: started.n_prompt });
            }
        }
        Message::Prompt { id, n_done } => {
            if let Some(request) = session.running(id)
                && let Some(Step::Prompt { n_prompt, .. }) = request.step()
            {
                request.go_on(Step::Prompt { n_done, n_prompt });
                session.n_past = n_done;
            }
        }
        Message::Text { id, pieces, tool_calls, counters, tokens } if session.running(id).is_some() => {
            session.count(id, counters, now);
            written(session, id, pieces, tokens, now);
            called(session, id, tool_calls);
        }
        Message::Finished { id: request, finish, counters } if session.running(request).is_some() => {
            session.count(request, counters, now);
            return answered(domain, id, RequestId(request), finish);
        }
        Message::Queried(queried) if session.is_asked(RequestId(queried.id)) => {
            return query::answered(domain, id, RequestId(queried.id), queried.result);
        }
        Message::Finished { id: asked, .. } if session.is_asked(RequestId(asked)) => {
            return query::cancelled(domain, id, RequestId(asked));
        }
        Message::Failed(failure) => match failure.id {
            Some(asked) if session.is_asked(RequestId(asked)) => {
                return query::failed(domain, id, RequestId(asked), failure);
            }
            Some(request) if session.running(request).is_some() => {
                return failed(domain, id, RequestId(request), failure);
            }
            Some(asked) if session.measures == Some(asked) => {
                session.measured(now);
                let hint = failure.hint.as_deref();
                let mut effects = bench::failed(domain, asked, &failure.message, hint);
                effects.extend(perplexity::failed(domain, asked, &failure.message, hint));
                return effects;
            }
            Some(_) => {}
            // What it says here is the reason that the user reads.
            None => return refused(domain, id, failure),
        },
        Message::Scored(scored) if session.measures == Some(scored.id) => {
            session.measured(now);
            let ran = ran(domain, id);
            return ran.into_iter().chain(perplexity::scored(domain, *scored)).collect();
        }
        Message::Measured(measured) if session.measures == Some(measured.id) => {
            session.measured(now);
            bench::measured(domain, measured);
            return ran(domain, id).into_iter().collect();
        }
        // Whatever a worker says out of turn changes nothing.
        _ => {}
    }
    Vec::new()
}

/// Processor time of loading that no tick has seen yet; `None` where the worker doesn't tell it.
fn since_tick(session: &Session, load_cpu_us: Option<u64>) -> Option<Duration> {
    let seen = session.process.and_then(|process| process.cpu_seconds).unwrap_or(0.0);
    let all = Duration::from_micros(load_cpu_us?);
    Some(all.saturating_sub(Duration::from_secs_f64(seen.max(0.0))))
}

/// Calls of tools that a worker has written become part of the answer.
fn called(session: &mut Session, id: u64, deltas: Vec<wire::ToolCallDelta>) {
    let Some(request) = session.running(id).filter(|_| !deltas.is_empty()) else { return };
    wire::add_deltas(&mut request.answer.tool_calls, deltas, (MAX_TOOL_CALLS, MAX_ANSWER));
    request.go_on(Step::Answer);
}

/// What a worker has written becomes part of the answer.
fn written(session: &mut Session, id: u64, pieces: Vec<wire::Piece>, tokens: Vec<wire::Token>, now: Moment) {
    let Some(request) = session.running(id) else { return };
    request.first_token.get_or_insert(now);
    let answer = &mut request.answer;
    answer.tokens.extend(tokens.into_iter().take(MAX_TOKENS.saturating_sub(answer.tokens.len())));
    for piece in pieces {
        let (text, step) = match piece.channel {
            Channel::Reasoning => (&mut request.answer.reasoning, Step::Reasoning),
            Channel::Answer => (&mut request.answer.text, Step::Answer),
        };
        if text.len() + piece.text.len() <= MAX_ANSWER {
            text.push_str(&piece.text);
        }
        request.go_on(step);
    }
}

/// An answer is whole: what it tells of the model, and the next one's threads.
fn answered(domain: &mut Domain, id: SessionId, request: RequestId, finish: Finish) -> Vec<Effect> {
    let mut effects = ended(domain, id, request, End::Finished(finish));
    let Some(session) = domain.session(id) else { return effects };
    let Some(figures) = session.request(request).map(|request| &request.figures) else { return effects };
    // What another machine does tells nothing of this one.
    if let Some(rate) = run_record::speed(figures).filter(|_| session.is_here()) {
        let joules = Graded::of(&session.per_token_of(figures, &settings::Energy::default()));
        let model = session.model.id.clone();
        if let Some(joules) = joules {
            domain.library.measured_joules.insert(model.clone(), joules);
        }
        domain.library.measured.insert(model, rate);
    }
    effects.extend(ran(domain, id));
    effects.extend(share_threads(domain));
    effects
}

/// The worker could not answer.
fn failed(domain: &mut Domain, id: SessionId, request: RequestId, failure: wire::Failure) -> Vec<Effect> {
    let Some(session) = domain.session(id) else { return Vec::new() };
    let client = session.request(request).map(|request| request.client);
    let is_too_long = failure.kind == FailureKind::PromptTooLong;
    if let Some(request) = find(domain, id).and_then(|session| session.request_mut(request)) {
        request.is_too_long = is_too_long;
    }
    let Some(session) = domain.session(id) else { return Vec::new() };
    let hint = match failure.kind {
        FailureKind::PromptTooLong if client == Some(Client::Race) => Some(too_long_for_race(session)),
        FailureKind::PromptTooLong => {
            let asked = session.turns.iter().filter(|turn| turn.role == Role::User).count();
            // A prompt from outside the conversation is no shorter in a new one.
            let is_chat = client == Some(Client::Chat);
            Some(admission::longer_context_hint(&session.model, session.n_ctx(), is_chat && asked > 1))
        }
        _ => failure.hint,
    };
    let mut effects = if is_too_long && client == Some(Client::Chat) {
        context::too_long(domain, id, request, &failure.message, hint.as_deref())
    } else {
        ended(domain, id, request, End::Failed { reason: failure.message, hint })
    };
    effects.extend(share_threads(domain));
    effects
}

/// A worker ends since it could not load its model. It is asked to, since one that says so and goes on would run for nobody.
fn refused(domain: &mut Domain, id: SessionId, failure: wire::Failure) -> Vec<Effect> {
    let Some(session) = find(domain, id) else { return Vec::new() };
    let model = Arc::clone(&session.model);
    let wire::Failure { message, hint, .. } = failure;
    let mut effects = vec![Effect::Stop { worker: session.worker }];
    session.phase = Phase::Failed { reason: message.clone(), hint: hint.clone() };
    demand::crashed(domain, id, &message);
    effects.extend(end_all(domain, id, &message, hint.as_deref()));
    effects.extend(tries::remember(domain, &model, Outcome::Refused(message)));
    effects.extend(share_threads(domain));
    effects
}

/// The model of a session has done what it was asked to.
fn ran(domain: &mut Domain, id: SessionId) -> Option<Effect> {
    let model = Arc::clone(&domain.session(id)?.model);
    tries::remember(domain, &model, Outcome::Ran)
}

fn exited(domain: &mut Domain, id: SessionId, reason: String, expected: bool, hint: Option<String>) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id) else { return Vec::new() };
    // What was not started has not died, and who said why has.
    let has_died =
        session.pid.is_some() && !session.is_joined && !expected && !matches!(session.phase, Phase::Failed { .. });
    // What llama.cpp wrote last says more than a hint does; the engine's name stands in the log too.
    let written = session.log.iter().rev().map(String::as_str).find(|line| !line.starts_with("engine "));
    let last_words = written.or(hint.as_deref());
    let death = has_died.then(|| (Arc::clone(&session.model), tries::died(&reason, last_words)));
    session.timer.end_all(now.uptime);
    let held = session.process.map_or(Bytes(0), |process| process.anonymous) + session.gpu_memory.unwrap_or_default();
    session.pid = None;
    session.process = None;
    session.job = None;
    session.gpu_memory = None;
    session.loaded = None;
    session.n_past = 0;
    let is_new = !matches!(session.phase, Phase::Failed { .. } | Phase::Stopping);
    if session.machine().is_none() {
        domain.machine.released = domain.machine.released + held;
    }
    if is_new {
        demand::crashed(domain, id, &reason);
    }
    let Some(session) = find(domain, id) else { return Vec::new() };
    let mut effects = Vec::new();
    // One that dies before it has read that it is to stop is gone as well.
    if session.phase == Phase::Stopping {
        remove(domain, id);
    } else {
        session.note(format!("ended: {reason}"));
        let told = match &session.phase {
            Phase::Failed { reason, hint } => (reason.clone(), hint.clone()),
            _ => (reason, hint),
        };
        session.phase = Phase::Failed { reason: told.0.clone(), hint: told.1.clone() };
        session.since = now;
        effects.extend(end_all(domain, id, &told.0, told.1.as_deref()));
        domain.outbox.push(Notification::SessionFailed(id));
    }
    effects.push(watch(domain));
    effects.extend(death.and_then(|(model, outcome)| tries::remember(domain, &model, outcome)));
    effects.extend(share_threads(domain));
    effects
}

/// A worker that runs elsewhere is gone, and another one is to come. What it was asked is lost; what waits goes on waiting.
fn requeued(domain: &mut Domain, id: SessionId, reason: &str) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id).filter(|session| !session.is_here()) else { return Vec::new() };
    if !matches!(session.phase, Phase::Ready | Phase::Loading { .. }) {
        return Vec::new();
    }
    session.note(reason.to_owned());
    session.phase = Phase::Loading { fraction: 0.0 };
    session.since = now;
    (session.loaded, session.n_past) = (None, 0);
    session.timer.end_all(now.uptime);
    session.measures = None;
    let mut effects = end_running(domain, id, reason, None);
    effects.extend(bench::requeued(domain, id, reason));
    effects
}

/// What could be done where a prompt is too long for one column of a race: its session is the race's, not the user's.
fn too_long_for_race(session: &Session) -> String {
    match admission::context(&session.model, u32::MAX) {
        longest if session.n_ctx() >= longest => {
            "the model was made for no longer one: shorten the prompt, or leave it out of the race".to_owned()
        }
        longest => {
            let most = if longest < u32::MAX { format!(", at most {longest}") } else { String::new() };
            format!("give it a longer context (`context=N` in its settings{most}), or leave it out of the race")
        }
    }
}

/// What a worker on another machine counts, with the time to the first token that whoever asks here waits for: the worker's
/// own, which is shown next to it, has no network in it.
fn with_network(request: &Request, counters: wire::Counters, now: Moment) -> wire::Counters {
    let Some(own) = counters.ttft_us else { return counters };
    let known = request.figures.counters.ttft_us;
    let waited = || {
        let begun = request.started.unwrap_or(request.since);
        u64::try_from(now.uptime.saturating_sub(begun.uptime).as_micros()).unwrap_or(u64::MAX)
    };
    wire::Counters { ttft_us: Some(known.unwrap_or_else(waited).max(own)), engine_ttft_us: Some(own), ..counters }
}

impl Session {
    /// What a job has asked its worker is answered.
    fn measured(&mut self, now: Moment) {
        if let Some(id) = self.measures.take() {
            self.timer.end(id, now.uptime);
        }
    }

    /// The request of this number, if the worker has it.
    fn running(&mut self, id: u64) -> Option<&mut Request> {
        self.request_mut(RequestId(id)).filter(|request| request.is_running())
    }

    fn count(&mut self, id: u64, counters: wire::Counters, now: Moment) {
        self.timer.count(id, &counters, now.uptime);
        let remote = self.model.remote.clone();
        let is_there = self.machine().is_some();
        let Some(request) = self.request_mut(RequestId(id)) else { return };
        let counters = if is_there { with_network(request, counters, now) } else { counters };
        let before = std::mem::replace(&mut request.figures.counters, counters);
        if let Some(remote) = remote {
            let took = request.started.map(|started| now.uptime.saturating_sub(started.uptime)).unwrap_or_default();
            request.figures.energy = remote.energy(took.as_secs_f64());
            request.figures.is_settled = true;
        }
        let client = queue::client(request).to_owned();
        self.demand.served.charge(&client, &before, &counters);
        self.n_generated += u64::from(counters.n_generated.saturating_sub(before.n_generated));
        self.n_prompt += u64::from(counters.n_prompt.saturating_sub(before.n_prompt));
        self.totals.counted(&before, &counters);
        self.n_past = counters.n_past;
    }

    fn note(&mut self, line: String) {
        if self.log.len() == MAX_LOG {
            self.log.remove(0);
        }
        self.log.push(line);
    }
}
