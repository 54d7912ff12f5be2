//! A request's row in a list.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::Finish;

use super::sort::RequestSort;
use crate::Moment;
use crate::ask::{Asker, Priority};
use crate::energy::Report;
use crate::figure::{Figure, Uncertain};
use crate::request::{Client, Figures, Request, RequestId, Stage, Step};
use crate::session::{End, Phase, Session, SessionId};
use crate::settings;

/// What decides about the figures of rows: the time until which an open one has waited, and how energy is counted.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Now.
    pub now: Moment,
    /// The settings of energy.
    pub energy: &'a settings::Energy,
}

/// Where a request is in its life, in the order of that life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It waits for the model to be loaded.
    Loading,
    /// It waits for a sequence.
    Queued,
    /// Its prompt is being evaluated.
    Prefill,
    /// Reasoning is generated.
    Reasoning,
    /// The answer is generated.
    Decoding,
    /// It was asked to be cancelled.
    Cancelling,
    /// It was answered.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It ended with an error.
    Failed,
    /// Its server was lost before it had ended: what became of it is not known.
    Lost,
}

impl RequestState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Queued => "queued",
            Self::Prefill => "prefill",
            Self::Reasoning => "reasoning",
            Self::Decoding => "decoding",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }

    fn of(session: &Session, request: &Request) -> Self {
        match request.stage {
            Stage::Queued if session.phase == Phase::Ready => Self::Queued,
            Stage::Queued => Self::Loading,
            Stage::Running(Step::Prompt { .. }) => Self::Prefill,
            Stage::Running(Step::Reasoning) => Self::Reasoning,
            Stage::Running(Step::Answer) => Self::Decoding,
            Stage::Running(Step::Cancelling) => Self::Cancelling,
            Stage::Ended => match request.answer.end {
                Some(End::Finished(Finish::Cancelled)) => Self::Cancelled,
                Some(End::Failed { .. }) => Self::Failed,
                _ => Self::Done,
            },
        }
    }
}

/// A request as a list shows it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which.
    pub id: RequestId,
    /// Its session, which may be gone.
    pub session: SessionId,
    /// The session's name.
    pub model: &'a str,
    /// The model's id in the library.
    pub model_id: &'a str,
    /// What kind of client asks.
    pub kind: Client,
    /// For a program: who it is.
    pub asker: Option<&'a Asker>,
    /// Its priority.
    pub priority: Priority,
    /// Where it is in its life.
    pub state: RequestState,
    /// How it ended.
    pub end: Option<&'a End>,
    /// Whether its answer calls tools.
    pub calls_tools: bool,
    /// When it came.
    pub since: Moment,
    /// When the worker got it.
    pub started: Option<Moment>,
    /// When the first token came.
    pub first_token: Option<Moment>,
    /// When it ended.
    pub ended: Option<Moment>,
    /// Tokens of its prompt, those in the context already included; `None` until the worker has counted them.
    pub n_prompt: Option<u32>,
    /// Its figures.
    pub figures: &'a Figures,
}

impl<'a> Row<'a> {
    /// The machine that it ran on, as filters call it: `here` is this one. A model of another one has its name before its id.
    pub fn on(&self) -> &'a str {
        crate::model::machine_of(self.model_id).unwrap_or("here")
    }

    /// Of a session's request.
    pub fn of(session: &'a Session, request: &'a Request) -> Self {
        Self {
            id: request.id,
            session: session.id,
            model: &session.name,
            model_id: &session.model.id,
            kind: request.client,
            asker: request.asker.as_ref(),
            priority: request.priority,
            state: RequestState::of(session, request),
            end: request.answer.end.as_ref(),
            calls_tools: !request.answer.tool_calls.is_empty(),
            since: request.since,
            started: request.started,
            first_token: request.first_token,
            ended: request.ended,
            n_prompt: n_prompt(request),
            figures: &request.figures,
        }
    }

    /// The same where its server is gone: nothing more is known of one that had not ended.
    #[must_use]
    pub fn without_server(self) -> Self {
        if self.is_open() { Self { state: RequestState::Lost, ..self } } else { self }
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.state < RequestState::Done
    }

    /// Whose it is: the name of its key, or which part of taffrail asks.
    pub fn client(&self) -> &'a str {
        self.asker.map_or_else(
            || match self.kind {
                Client::Chat => "chat",
                Client::Command => "command",
                Client::Race => "race",
                Client::Suite => "suite",
                Client::Api => "local",
            },
            |asker| asker.name.as_str(),
        )
    }

    /// The program, as it names itself; `None` where it does not, or where none asks.
    pub fn agent(&self) -> Option<&'a str> {
        self.asker.map(|asker| asker.agent.as_str()).filter(|agent| !agent.is_empty())
    }

    /// The API by which it came; `None` for what taffrail itself asks.
    pub fn api(&self) -> Option<&'static str> {
        self.asker.map(|asker| asker.api.name())
    }

    /// How it ended, as APIs call it; `None` before.
    pub fn finish(&self) -> Option<&'static str> {
        Some(match self.end? {
            End::Finished(Finish::Stop | Finish::StopText(_)) if self.calls_tools => "tool_calls",
            End::Finished(Finish::Stop | Finish::StopText(_)) => "stop",
            End::Finished(Finish::Length) => "length",
            End::Finished(Finish::ContextFull) => "context_full",
            End::Finished(Finish::Cancelled) => "cancelled",
            End::Failed { .. } => "error",
        })
    }

    /// Why it failed.
    pub fn error(&self) -> Option<&'a str> {
        if let Some(End::Failed { reason, .. }) = self.end { Some(reason) } else { None }
    }

    /// How long it has waited for the model and a sequence, until it began, ended or now.
    pub fn queue_time(&self, now: Moment) -> Duration {
        self.started.or(self.ended).unwrap_or(now).uptime.saturating_sub(self.since.uptime)
    }

    /// How long its first token took, from its arrival; `None` before it came.
    pub fn time_to_first_token(&self) -> Option<Duration> {
        Some(self.first_token?.uptime.saturating_sub(self.since.uptime))
    }

    /// How long it took, until its end or now.
    pub fn duration(&self, now: Moment) -> Duration {
        self.ended.unwrap_or(now).uptime.saturating_sub(self.since.uptime)
    }

    /// Prompt tokens that the context had already; `None` until the worker has counted them.
    pub fn n_cached(&self) -> Option<u32> {
        self.n_prompt.map(|_| self.figures.n_cached)
    }

    /// Tokens generated; `None` before it began.
    pub fn n_generated(&self) -> Option<u32> {
        self.started.map(|_| self.figures.counters.n_generated)
    }

    /// Gross energy so far, with how far it may be off.
    pub fn energy(&self, settings: &settings::Energy) -> Figure<Uncertain> {
        if self.started.is_none() {
            return Figure::unknown(if self.is_open() { "it has not started" } else { "it never started" });
        }
        Report::of_answer(self.figures, settings).energy
    }

    /// A column's value as a number: times in milliseconds. `None` if unknown or not a number.
    pub fn figure(&self, column: RequestSort, facts: Facts<'_>) -> Option<f64> {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        match column {
            RequestSort::Arrived | RequestSort::Client | RequestSort::Model | RequestSort::State => None,
            RequestSort::Queue => Some(millis(self.queue_time(facts.now))),
            RequestSort::Ttft => self.time_to_first_token().map(millis),
            RequestSort::PromptRate => self.figures.counters.prompt_rate(),
            RequestSort::Rate => self.figures.counters.generation_rate(),
            RequestSort::Cached => self.n_cached().map(f64::from),
            RequestSort::Prompt => self.n_prompt.map(f64::from),
            RequestSort::Tokens => self.n_generated().map(f64::from),
            RequestSort::Energy => self.energy(facts.energy).value().map(|joules| joules.value),
        }
    }
}

/// Tokens of a request's prompt, once the worker has counted them.
fn n_prompt(request: &Request) -> Option<u32> {
    let evaluated = request.figures.n_cached.saturating_add(request.figures.counters.n_prompt);
    match request.stage {
        Stage::Running(Step::Prompt { n_prompt, .. }) => Some(n_prompt),
        _ => Some(evaluated),
    }
    // A prompt has a token at least.
    .filter(|n_prompt| *n_prompt > 0)
}
