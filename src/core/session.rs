//! A session: one model in one worker, its conversation and its figures.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use wire::{Counters, Finish, Loaded, Role, Sampling};

use super::event::Moment;
use super::figure::Figure;
use super::machine::Process;
use super::model::Model;
use super::ring::Ring;
use super::settings::SessionSettings;
use super::units::{Bytes, Joules};

/// Names a session for the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SessionId(pub u64);

/// Names a worker process for the program's life; a restarted session has a new one, so that what an old worker
/// still says is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

/// A session.
#[derive(Debug, Clone)]
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
    /// Where it is in its life.
    pub phase: Phase,
    /// The conversation.
    pub turns: Vec<Turn>,
    /// Threads that the plan gives it now; 0 while it is idle.
    pub threads: u32,
    /// What it was admitted with.
    pub planned: Plan,
    /// The engine as the worker names it; empty before its greeting.
    pub engine: String,
    /// What the worker said once the model was loaded.
    pub loaded: Option<Box<Loaded>>,
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
    /// The figures of the last answer, or of the one that runs.
    pub figures: Figures,
    /// Generated tokens per second by tick.
    pub throughput: Ring,
    /// Resident memory in bytes by tick.
    pub memory: Ring,
    /// Attributed power in watts by tick.
    pub power: Ring,
    /// The power attributed at the last tick.
    pub watts: Figure<super::units::Watts>,
    /// The worker's last lines on standard error, cleaned, and what the supervisor noted.
    pub log: Vec<String>,
    /// Tokens generated at the last tick, for the throughput of the next.
    pub(super) tokens_at_tick: u64,
    /// Tokens generated over the session's life.
    pub n_generated: u64,
}

/// Where a session is in its life.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Wants to start; the machine's memory has not been read yet.
    Queued,
    /// The process starts and reads the weights.
    Loading {
        /// 0 to 1.
        fraction: f32,
    },
    /// Waits for a prompt.
    Ready,
    /// Answers.
    Busy {
        /// The generation.
        generation: u64,
        /// What it does right now.
        step: Step,
    },
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
    /// The word for it in the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Loading { .. } => "loading",
            Self::Ready => "ready",
            Self::Busy { step, .. } => match step {
                Step::Prompt { .. } => "reading",
                Step::Reasoning => "thinking",
                Step::Answer => "answering",
                Step::Cancelling => "cancelling",
            },
            Self::Stopping => "stopping",
            Self::Failed { .. } => "failed",
        }
    }
}

/// What a busy session does right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads the prompt: tokens done, tokens in all (0 until the worker has counted).
    Prompt {
        /// Tokens in the context.
        n_done: u32,
        /// Tokens of the prompt.
        n_prompt: u32,
    },
    /// Generates reasoning.
    Reasoning,
    /// Generates the answer.
    Answer,
    /// Was asked to cancel.
    Cancelling,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, as it came: the view cleans it before it draws.
    pub text: String,
    /// What was thought before, empty where nothing was.
    pub reasoning: String,
    /// Whether the reasoning is drawn as one line.
    pub folded: bool,
    /// For an answer whose tokens were asked for: they, and what else was likely.
    pub tokens: Vec<wire::Token>,
    /// For an answer: how it ended; `None` while it runs and for other turns.
    pub end: Option<End>,
    /// For an answer: its figures.
    pub figures: Option<Figures>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As the worker says.
    Finished(Finish),
    /// With an error, told here.
    Failed(String),
}

/// The figures of one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The worker's counters.
    pub counters: Counters,
    /// Prompt tokens taken from the context of the turn before.
    pub n_cached: u32,
    /// The sampling that was in force.
    pub sampling: Sampling,
    /// Energy attributed to it so far.
    pub energy: Figure<Joules>,
    /// Time over which that energy was metered.
    pub metered: Duration,
}

impl Default for Figures {
    /// Before the first answer.
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            n_cached: 0,
            sampling: Sampling::default(),
            energy: Figure::unknown("no answer yet"),
            metered: Duration::ZERO,
        }
    }
}

/// What a session was admitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Plan {
    /// Weights.
    pub weights: Bytes,
    /// KV cache and recurrent state.
    pub context: Bytes,
    /// Compute buffers, the upper estimate.
    pub compute: Bytes,
}

impl Plan {
    /// All of it.
    pub fn total(self) -> Bytes {
        self.weights + self.context + self.compute
    }
}

impl Session {
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
            phase: Phase::Queued,
            turns: Vec::new(),
            threads: 0,
            planned: Plan::default(),
            engine: String::new(),
            loaded: None,
            pid: None,
            process: None,
            gpu_memory: None,
            since: Moment::default(),
            n_past: 0,
            figures: Figures::default(),
            throughput: ring.clone(),
            memory: ring.clone(),
            power: ring,
            watts: Figure::unknown("not sampled yet"),
            log: Vec::new(),
            tokens_at_tick: 0,
            n_generated: 0,
        }
    }

    /// Whether it answers now.
    pub fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy { .. })
    }

    /// Whether it holds or is about to hold a worker.
    pub fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Failed { .. })
    }

    /// Context length in tokens: as made, else as asked for.
    pub fn n_ctx(&self) -> u32 {
        self.loaded.as_ref().map_or(self.settings.context, |loaded| loaded.n_ctx)
    }

    /// Joules per generated token of the last answer.
    pub fn joules_per_token(&self) -> Figure<Joules> {
        let tokens = f64::from(self.figures.counters.n_generated);
        if tokens == 0.0 {
            return Figure::unknown("no token yet");
        }
        self.figures.energy.clone().map(|energy| Joules(energy.0 / tokens))
    }
}
