//! A session: one model in one worker, its conversation and its figures.

pub(crate) mod bound;
mod demand;
mod elsewhere;
mod job;
pub mod memory_account;
pub mod placement;
pub mod roofline;
mod status;
mod thread;
pub mod totals;
mod turn;

pub use crate::ids::{SessionId, WorkerId};
pub(crate) use job::ELSEWHERE;
pub use job::{Job, JobArray, JobId, JobRequest, JobState};
pub use status::SessionStatus;
pub use thread::Thread;
pub use totals::Totals;
pub use turn::{End, Turn};

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use wire::{Device, Loaded};

use crate::admission::MemoryEstimate;
use crate::demand::Demand;
use crate::energy::{EnergyAccount, Timer};
use crate::figure::Figure;
use crate::machine::Process;
use crate::model::Model;
use crate::moment::Moment;
use crate::query::OpenQuery;
use crate::record::Draft;
use crate::request::{Client, Figures, Request, RequestId, Step};
use crate::ring::Ring;
use crate::settings::{ChatSettings, Place, SessionSettings};
use crate::units::{Bytes, Joules};

/// What is said of a model's session that [lacks a template](Session::lacks_template), after the model's name.
pub const NO_TEMPLATE: &str = "has no chat template: it is given the messages as plain text";

/// A session.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// Its name for the program.
    pub id: SessionId,
    /// Its worker, the newest.
    pub worker: WorkerId,
    /// The model it runs.
    pub model: Arc<Model>,
    /// The name in the table: the model's, numbered where two sessions run the same one.
    pub name: String,
    /// How it runs.
    pub settings: SessionSettings,
    /// The settings for its conversation's prompt.
    pub chat: ChatSettings,
    /// The name of its conversation, and whether it is saved in its current state.
    pub thread: Thread,
    /// Where it is in its life.
    pub phase: Phase,
    /// The conversation, without the answer that is being generated.
    pub turns: Vec<Turn>,
    /// Turns at the beginning that are no longer part of the prompt, since the context is full.
    pub n_dropped: usize,
    /// What it is asked, oldest first: all that has not ended, and the last [`Session::MAX_ENDED`] that have.
    pub requests: Vec<Request>,
    /// The queries that have not ended, oldest first.
    pub queries: Vec<OpenQuery>,
    /// A prompt of the conversation that was sent while the model was being loaded, to be written down until it is asked.
    pub(super) draft: Option<Draft>,
    /// Sequences that its worker was loaded with: a change of the setting counts from the next load on.
    pub(super) n_sequences: usize,
    /// Threads that the plan gives it now; 0 while it is idle.
    pub threads: u32,
    /// What it was admitted with.
    pub planned: MemoryEstimate,
    /// It runs whether the memory suffices or not.
    pub(super) is_forced: bool,
    /// What the requests of others want of it.
    pub demand: Demand,
    /// The engine as the worker names it; empty before its greeting.
    pub engine: String,
    /// The devices that the worker can use; empty before its greeting.
    pub devices: Vec<Device>,
    /// It measures for a bench or a scoring: whatever else it answered would spoil the figures.
    pub is_measuring: bool,
    /// What a bench or a scoring has asked its worker, until that has answered.
    pub(super) measures: Option<u64>,
    /// The worker's report after loading the model.
    pub loaded: Option<Box<Loaded>>,
    /// Where its worker runs, or is to: a change of the setting counts from the next load on.
    pub(super) place: Place,
    /// It is one of another machine's own server, which others use as well: it has that one's settings, and no worker of its own.
    pub is_joined: bool,
    /// The job array that its next worker is a task of.
    pub(crate) array: Option<JobArray>,
    /// The job that its worker runs in, where it runs elsewhere.
    pub job: Option<Job>,
    /// Process id of the worker.
    pub pid: Option<u32>,
    /// The worker's process as last sampled.
    pub process: Option<Process>,
    /// Memory on GPUs by the driver's account, as last sampled.
    pub gpu_memory: Option<Bytes>,
    /// Since when the phase is as it is.
    pub since: Moment,
    /// Tokens in the context.
    pub n_past: u32,
    /// Generated tokens per second by tick.
    pub throughput: Ring,
    /// Memory that it holds, on GPUs as well, in bytes by tick.
    pub memory: Ring,
    /// Attributed power in watts by tick.
    pub power: Ring,
    /// The power attributed at the last tick.
    pub watts: Figure<crate::units::Watts>,
    /// The worker's last lines on standard error, cleaned, and what the supervisor noted.
    pub log: Vec<String>,
    /// Tokens generated at the last tick, for the throughput of the next.
    pub(super) tokens_at_tick: u64,
    /// Tokens generated over the session's life.
    pub n_generated: u64,
    /// Prompt tokens evaluated over the session's life.
    pub n_prompt: u64,
    /// Totals of its answers, for metrics.
    pub totals: Totals,
    /// What all its answers were charged.
    pub energy_account: EnergyAccount,
    /// What loading its model was charged, which is no answer's.
    pub load: EnergyAccount,
    /// What it cost so far to keep its model loaded, in joules.
    pub standby: Joules,
    /// Times its answers.
    pub(super) timer: Timer,
}

/// Where a session is in its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Wants to start; the machine's memory has not been read yet.
    Queued,
    /// The process starts and reads the weights.
    Loading {
        /// 0 to 1.
        fraction: f32,
    },
    /// Answers what it is asked.
    Ready,
    /// Asked to stop.
    Stopping,
    /// Ended against its will.
    Failed {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
}

impl Phase {
    /// The word for it.
    fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Loading { .. } => "loading",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Session {
    /// The other machine that its worker runs on; `None` is this one.
    pub fn machine(&self) -> Option<&str> {
        self.model.machine.as_deref()
    }

    /// Generated tokens per second: of the last tick while it answers, else of the last answer.
    pub fn rate(&self) -> Option<f64> {
        let whole = self.figures().counters.generation_rate();
        if self.is_busy() { self.throughput.last().map(f64::from).or(whole) } else { whole }
    }

    /// Memory that it holds: its process and its part of the GPUs; `None` before the first sample.
    pub fn memory_held(&self) -> Option<Bytes> {
        match (self.process.map(|process| process.resident), self.gpu_memory) {
            (None, None) => None,
            (resident, gpu) => Some(resident.unwrap_or_default() + gpu.unwrap_or_default()),
        }
    }

    /// Memory as llama.cpp reports it, all of it.
    pub fn engine_memory(&self) -> Option<Bytes> {
        // A remote engine's memory is unknown, not zero.
        if self.model.remote.is_some() {
            return None;
        }
        let devices = &self.loaded.as_ref()?.ledger.devices;
        Some(Bytes(devices.iter().map(|device| device.weights + device.context + device.compute).sum()))
    }

    /// A session that wants to start. Its graphs hold `history` ticks.
    pub fn new(
        id: SessionId,
        worker: WorkerId,
        model: Arc<Model>,
        name: String,
        settings: SessionSettings,
        history: usize,
    ) -> Self {
        let ring = Ring::new(history);
        Self {
            id,
            worker,
            model,
            name,
            settings,
            chat: ChatSettings::default(),
            thread: Thread::default(),
            phase: Phase::Queued,
            turns: Vec::new(),
            requests: Vec::new(),
            queries: Vec::new(),
            n_dropped: 0,
            draft: None,
            n_sequences: 1,
            threads: 0,
            planned: MemoryEstimate::default(),
            is_forced: false,
            demand: Demand::default(),
            engine: String::new(),
            devices: Vec::new(),
            is_measuring: false,
            measures: None,
            loaded: None,
            place: settings.on,
            is_joined: false,
            array: None,
            job: None,
            pid: None,
            process: None,
            gpu_memory: None,
            since: Moment::default(),
            n_past: 0,
            throughput: ring.clone(),
            memory: ring.clone(),
            power: ring,
            watts: Figure::unknown("not sampled yet"),
            log: Vec::new(),
            tokens_at_tick: 0,
            n_generated: 0,
            n_prompt: 0,
            totals: Totals::default(),
            energy_account: EnergyAccount::default(),
            load: EnergyAccount::default(),
            standby: Joules(0.0),
            timer: Timer::default(),
        }
    }

    /// Let its graphs share their time with those that have seen so many ticks.
    #[must_use]
    pub fn since_tick(mut self, history: usize, ticks: u64) -> Self {
        let ring = Ring::since(history, ticks);
        (self.throughput, self.memory, self.power) = (ring.clone(), ring.clone(), ring);
        self
    }

    /// The most requests that have ended and are still known: their energy is booked by the next ticks.
    pub const MAX_ENDED: usize = 8;

    /// Whether it computes now.
    pub fn is_busy(&self) -> bool {
        let is_heavy = |query: &OpenQuery| query.is_heavy && query.is_running();
        self.requests.iter().any(Request::is_running) || self.queries.iter().any(is_heavy)
    }

    /// Whether anything is asked of it that has not ended.
    pub fn is_asked_for(&self) -> bool {
        !self.queries.is_empty() || self.requests.iter().any(Request::is_open)
    }

    /// The request of this name.
    pub fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.iter().find(|request| request.id == id)
    }

    pub(super) fn request_mut(&mut self, id: RequestId) -> Option<&mut Request> {
        self.requests.iter_mut().find(|request| request.id == id)
    }

    /// What shows where there is room for one: the newest request that runs, else the newest.
    pub fn newest(&self) -> Option<&Request> {
        self.requests.iter().rev().find(|request| request.is_running()).or_else(|| self.requests.last())
    }

    /// The figures of the newest request, which is made where there is none: for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn figures_mut(&mut self) -> &mut Figures {
        &mut self.make_request().figures
    }

    /// The newest request, which is made where there is none: for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn make_request(&mut self) -> &mut Request {
        if self.requests.is_empty() {
            let mut request = Request::new(RequestId(1), Client::Chat, Vec::new(), Moment::default());
            request.figures = Figures { request: request.id, ..Figures::default() };
            request.stage = crate::request::Stage::Ended;
            self.requests.push(request);
        }
        let last = self.requests.len() - 1;
        &mut self.requests[last]
    }

    /// What it does for the newest request that runs.
    pub fn step(&self) -> Option<Step> {
        self.newest()?.step()
    }

    /// The word for what it does, in the table.
    pub fn word(&self) -> &'static str {
        if let Some(job) = self.waiting_job() {
            return job.word();
        }
        match self.step().filter(|_| self.phase == Phase::Ready) {
            Some(step) => step.word(),
            None if self.is_measuring && self.phase == Phase::Ready => "measuring",
            None => self.phase.word(),
        }
    }

    /// The figures of the newest request that runs, else of the newest.
    pub fn figures(&self) -> &Figures {
        static NONE: LazyLock<Figures> = LazyLock::new(Figures::default);
        self.newest().map_or(&*NONE, |request| &request.figures)
    }

    /// The answer of the conversation that is being generated, or that waits to be.
    pub fn open_chat(&self) -> Option<&Request> {
        self.requests.iter().find(|request| request.client == Client::Chat && request.is_open())
    }

    /// The conversation with the answer that is being generated.
    pub fn conversation(&self) -> impl DoubleEndedIterator<Item = &Turn> {
        self.turns.iter().chain(self.open_chat().map(|request| &request.answer))
    }

    /// How much of the context the conversation uses; `None` before its first answer has reported it.
    pub fn context_use(&self) -> Option<ContextUse> {
        let counted = |figures: &Figures| Some(figures.counters.n_past).filter(|n_past| *n_past > 0);
        let told = || self.turns.iter().rev().find_map(|turn| turn.figures.as_ref()).and_then(counted);
        let used = self.open_chat().and_then(|request| counted(&request.figures)).or_else(told)?;
        Some(ContextUse { used, total: self.n_ctx() })
    }

    /// Whether it holds or is about to hold a worker.
    pub fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Failed { .. })
    }

    /// Whether it makes vectors of texts and nothing else.
    pub fn embeds_only(&self) -> bool {
        self.model.embeds_only() || self.loaded.as_ref().is_some_and(|loaded| loaded.embeds_only)
    }

    /// Whether the loaded model has no chat template.
    pub fn lacks_template(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| !loaded.has_template && !loaded.embeds_only)
    }

    /// Whether it holds a model: of a recording the phase alone is known.
    pub fn is_loaded(&self) -> bool {
        self.loaded.is_some() || self.phase == Phase::Ready
    }

    /// Context length in tokens: as created, else as requested; 0 if a remote engine does not report it.
    pub fn n_ctx(&self) -> u32 {
        let asked = || match &self.model.remote {
            Some(remote) if !self.settings.is_context_chosen.0 => remote.context.unwrap_or(0),
            _ => self.settings.context,
        };
        self.loaded.as_ref().map_or_else(asked, |loaded| loaded.n_ctx)
    }

    /// The same where it is known, for documents: unknown is not zero.
    pub fn known_context(&self) -> Option<u32> {
        Some(self.n_ctx()).filter(|n_ctx| *n_ctx > 0)
    }
}

/// How much of a context a conversation takes, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextUse {
    /// Those that it takes.
    pub used: u32,
    /// Those that there are.
    pub total: u32,
}

impl ContextUse {
    /// Tokens that are left.
    pub fn left(self) -> u32 {
        self.total.saturating_sub(self.used)
    }

    /// Whether the next exchange may not fit any more.
    pub fn is_low(self) -> bool {
        self.left() < self.total / 4
    }
}
