//! What follows from news of a worker.

use std::sync::Arc;
use std::time::Duration;

use wire::{Channel, Event as Message, FailureKind, Role};

use super::session::{answer as answer_now, find, remove, share_threads, watch};
use super::{context, history, tries};
use crate::answer;
use crate::effect::Effect;
use crate::event::WorkerEvent;
use crate::figure::Graded;
use crate::model::Outcome;
use crate::moment::Moment;
use crate::notification::Notification;
use crate::plan;
use crate::session::{End, Phase, Session, SessionId, Step, WorkerId};
use crate::settings;
use crate::state::Domain;

/// The most lines of a worker's log that are kept.
const MAX_LOG: usize = 200;

/// The most bytes of one answer: a context of a million tokens is below. A worker that sends more is lying.
const MAX_ANSWER: usize = 16 << 20;

/// The most tokens of an answer that are kept with what else was likely: some hundred bytes each.
const MAX_TOKENS: usize = 1 << 16;

/// Take news of a worker. An old worker's news are dropped.
pub(super) fn on_event(domain: &mut Domain, worker: WorkerId, event: WorkerEvent) -> Vec<Effect> {
    let Some(id) = domain.session_of(worker).map(|session| session.id) else {
        return super::bench::on_event(domain, worker, event);
    };
    let Some(session) = find(domain, id) else { return Vec::new() };
    match event {
        WorkerEvent::Spawned { pid } => {
            session.pid = Some(pid);
            vec![watch(domain)]
        }
        WorkerEvent::Logged(line) => {
            session.note(line);
            Vec::new()
        }
        WorkerEvent::Said(message) => on_message(domain, id, message),
        WorkerEvent::Exited { reason, expected, hint } => exited(domain, id, reason, expected, hint),
    }
}

fn on_message(domain: &mut Domain, id: SessionId, message: Message) -> Vec<Effect> {
    let now = domain.now;
    let races = domain.session(id).zip(domain.race.as_ref()).is_some_and(|(session, race)| race.has(session));
    let Some(session) = find(domain, id) else { return Vec::new() };
    match message {
        Message::Hello(hello) => {
            session.note(format!("engine {}", hello.engine));
            session.engine = hello.engine;
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
            if session.turns.last().is_some_and(|turn| turn.role == Role::User) {
                return answer_now(domain, id);
            }
        }
        Message::Started(started) if session.runs(started.id) => {
            session.figures.n_cached = started.n_cached;
            session.figures.sampling = started.sampling;
            session.step(Step::Prompt { n_done: started.n_cached, n_prompt: started.n_prompt });
        }
        Message::Prompt { id, n_done } if session.runs(id) => {
            if let Phase::Busy { step: Step::Prompt { n_prompt, .. }, .. } = session.phase {
                session.step(Step::Prompt { n_done, n_prompt });
                session.n_past = n_done;
            }
        }
        Message::Text { id, pieces, counters, tokens } if session.runs(id) => {
            session.count(counters, now);
            let Some(turn) = session.turns.last_mut() else { return Vec::new() };
            turn.tokens.extend(tokens.into_iter().take(MAX_TOKENS.saturating_sub(turn.tokens.len())));
            let mut step = None;
            for piece in pieces {
                let text = match piece.channel {
                    Channel::Reasoning => &mut turn.reasoning,
                    Channel::Answer => &mut turn.text,
                };
                if text.len() + piece.text.len() <= MAX_ANSWER {
                    text.push_str(&piece.text);
                }
                step = Some(match piece.channel {
                    Channel::Reasoning => Step::Reasoning,
                    Channel::Answer => Step::Answer,
                });
            }
            if let Some(step) = step {
                session.step(step);
            }
        }
        Message::Finished { id: generation, finish, counters } if session.runs(generation) => {
            session.count(counters, now);
            session.finish(End::Finished(finish), now);
            session.phase = Phase::Ready;
            session.since = now;
            return answered(domain, id);
        }
        Message::Failed(failure) => match failure.id {
            Some(generation) if session.runs(generation) => {
                let is_too_long = failure.kind == FailureKind::PromptTooLong;
                let hint = match failure.kind {
                    FailureKind::PromptTooLong if races => Some(too_long_for_race(session)),
                    FailureKind::PromptTooLong => {
                        let asked = session.turns.iter().filter(|turn| turn.role == Role::User).count();
                        Some(plan::longer_context_hint(&session.model, session.n_ctx(), asked > 1))
                    }
                    _ => failure.hint,
                };
                session.finish(End::Failed { reason: failure.message.clone(), hint: hint.clone() }, now);
                session.phase = Phase::Ready;
                session.since = now;
                let mut effects = if is_too_long && session.from_editor {
                    context::too_long(domain, id, &failure.message, hint.as_deref())
                } else {
                    history::remember_answer(domain, id)
                };
                effects.extend(share_threads(domain));
                return effects;
            }
            Some(id) => return super::quality::failed(domain, id, &failure.message, failure.hint.as_deref()),
            // What it says here is the reason that the user reads.
            None => return refused(domain, id, failure),
        },
        Message::Scored(scored) => {
            let ran = ran(domain, id);
            return ran.into_iter().chain(super::quality::scored(domain, *scored)).collect();
        }
        // Whatever a worker says out of turn changes nothing.
        _ => {}
    }
    Vec::new()
}

/// Processor time of loading that no tick has seen yet; `None` where the worker doesn't tell it.
fn since_tick(session: &Session, load_cpu_us: u64) -> Option<Duration> {
    let seen = session.process.map_or(0.0, |process| process.cpu_seconds);
    let all = (load_cpu_us > 0).then(|| Duration::from_micros(load_cpu_us))?;
    Some(all.saturating_sub(Duration::from_secs_f64(seen.max(0.0))))
}

/// An answer is whole: what it tells of the model, and the next one's threads.
fn answered(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(session) = find(domain, id) else { return Vec::new() };
    if let Some(rate) = answer::speed(session) {
        let joules = Graded::of(&session.per_token(&settings::Energy::default()));
        let model = session.model.id.clone();
        if let Some(joules) = joules {
            domain.library.measured_joules.insert(model.clone(), joules);
        }
        domain.library.measured.insert(model, rate);
    }
    let mut effects = history::remember_answer(domain, id);
    effects.extend(ran(domain, id));
    effects.extend(share_threads(domain));
    effects
}

/// A worker ends since it could not load its model. It is asked to, since one that says so and goes on would run for nobody.
fn refused(domain: &mut Domain, id: SessionId, failure: wire::Failure) -> Vec<Effect> {
    let now = domain.now;
    let Some(session) = find(domain, id) else { return Vec::new() };
    let model = Arc::clone(&session.model);
    let wire::Failure { message, hint, .. } = failure;
    let mut effects = vec![Effect::Stop { worker: session.worker }];
    session.finish(End::Failed { reason: message.clone(), hint: hint.clone() }, now);
    session.phase = Phase::Failed { reason: message.clone(), hint };
    effects.extend(history::remember_answer(domain, id));
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
    let has_died = session.pid.is_some() && !expected && !matches!(session.phase, Phase::Failed { .. });
    // What llama.cpp wrote last says more than a hint does; the engine's name stands in the log too.
    let written = session.log.iter().rev().map(String::as_str).find(|line| !line.starts_with("engine "));
    let last_words = written.or(hint.as_deref());
    let death = has_died.then(|| (Arc::clone(&session.model), tries::died(&reason, last_words)));
    session.timer.end(now.uptime);
    session.pid = None;
    session.process = None;
    session.gpu_memory = None;
    session.loaded = None;
    session.n_past = 0;
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
        session.finish(End::Failed { reason: told.0.clone(), hint: told.1.clone() }, now);
        session.phase = Phase::Failed { reason: told.0, hint: told.1 };
        session.since = now;
        effects.extend(history::remember_answer(domain, id));
        domain.outbox.push(Notification::SessionFailed(id));
    }
    effects.push(watch(domain));
    effects.extend(death.and_then(|(model, outcome)| tries::remember(domain, &model, outcome)));
    effects.extend(share_threads(domain));
    effects
}

/// What could be done where a prompt is too long for one column of a race: its session is the race's, not the user's.
fn too_long_for_race(session: &Session) -> String {
    match plan::context(&session.model, u32::MAX) {
        longest if session.n_ctx() >= longest => {
            "the model was made for no longer one: shorten the prompt, or leave it out of the race".to_owned()
        }
        longest => {
            let most = if longest < u32::MAX { format!(", at most {longest}") } else { String::new() };
            format!("give it a longer context (`context=N` in its settings{most}), or leave it out of the race")
        }
    }
}

impl Session {
    /// Whether this is the generation that runs.
    fn runs(&self, id: u64) -> bool {
        matches!(self.phase, Phase::Busy { generation, .. } if generation == id)
    }

    /// What it does now. A cancel that is under way stays one.
    fn step(&mut self, now: Step) {
        if let Phase::Busy { step, .. } = &mut self.phase
            && *step != Step::Cancelling
        {
            *step = now;
        }
    }

    fn count(&mut self, counters: wire::Counters, now: Moment) {
        self.timer.count(&counters, now.uptime);
        let new = counters.n_generated.saturating_sub(self.figures.counters.n_generated);
        self.n_generated += u64::from(new);
        self.n_prompt += u64::from(counters.n_prompt.saturating_sub(self.figures.counters.n_prompt));
        self.n_past = counters.n_past;
        self.figures.counters = counters;
    }

    fn note(&mut self, line: String) {
        if self.log.len() == MAX_LOG {
            self.log.remove(0);
        }
        self.log.push(line);
    }
}
