//! What a recording holds of a tick: the sample, and the sessions' figures. Absent: what was said, and files.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::Counters;

use crate::admission::MemoryEstimate;
use crate::energy::Baseline;
use crate::figure::Figure;
use crate::machine::Sample;
use crate::request::Step;
use crate::session::{Phase, Session, SessionId};
use crate::state::Domain;
use crate::units::{Bytes, Joules};

/// One tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Since the recorded program's start, by the monotonic clock, milliseconds.
    pub uptime_ms: u64,
    /// Seconds since 1970.
    pub unix: i64,
    /// The sensors' readings.
    pub sample: Box<Sample>,
    /// The sessions, in the order they were started.
    #[serde(default)]
    pub sessions: Vec<SessionSnapshot>,
    /// What each meter shows without work, as far as it was known.
    #[serde(default)]
    pub baselines: Vec<Baseline>,
}

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of `Session`, by the same names")]
pub struct SessionSnapshot {
    pub id: SessionId,
    pub name: String,
    pub model: String,
    pub model_size: Bytes,
    pub phase: PhaseSnapshot,
    pub pid: Option<u32>,
    pub threads: u32,
    pub planned: MemoryEstimate,
    pub n_ctx: u32,
    pub n_past: u32,
    pub n_generated: u64,
    #[serde(default)]
    pub n_prompt: u64,
    pub counters: Counters,
    pub n_cached: u32,
    pub energy: Figure<Joules>,
    pub metered: Duration,
}

/// Where a session is in its life, and what it does for the newest request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "as in `Phase`, `Request` and `Step`")]
pub enum PhaseSnapshot {
    Queued,
    Loading { fraction: f32 },
    Ready,
    Busy { generation: u64, step: Step },
    Stopping,
    Failed { reason: String, hint: Option<String> },
}

impl PhaseSnapshot {
    fn of(session: &Session) -> Self {
        let running = session.newest().and_then(|request| Some((request.id.0, request.step()?)));
        match (&session.phase, running) {
            (Phase::Ready, Some((generation, step))) => Self::Busy { generation, step },
            (Phase::Queued, _) => Self::Queued,
            (Phase::Loading { fraction }, _) => Self::Loading { fraction: *fraction },
            (Phase::Ready, None) => Self::Ready,
            (Phase::Stopping, _) => Self::Stopping,
            (Phase::Failed { reason, hint }, _) => Self::Failed { reason: reason.clone(), hint: hint.clone() },
        }
    }

    /// The session's phase, and the request that it works on with what it does for it.
    pub fn split(&self) -> (Phase, Option<(u64, Step)>) {
        match self {
            Self::Queued => (Phase::Queued, None),
            Self::Loading { fraction } => (Phase::Loading { fraction: *fraction }, None),
            Self::Ready => (Phase::Ready, None),
            Self::Busy { generation, step } => (Phase::Ready, Some((*generation, *step))),
            Self::Stopping => (Phase::Stopping, None),
            Self::Failed { reason, hint } => (Phase::Failed { reason: reason.clone(), hint: hint.clone() }, None),
        }
    }
}

impl Frame {
    /// The tick that the state has seen last; `None` before the first.
    pub fn of(domain: &Domain) -> Option<Self> {
        let sample = domain.machine.sample.as_ref()?;
        let sessions = domain.sessions.iter().map(SessionSnapshot::of).collect();
        let (uptime_ms, unix) = (sample.at.uptime.as_millis() as u64, sample.at.unix);
        let baselines = domain.attribution.baselines.known.clone();
        Some(Self { uptime_ms, unix, sample: sample.clone(), sessions, baselines })
    }
}

impl SessionSnapshot {
    fn of(session: &Session) -> Self {
        let figures = session.figures();
        Self {
            id: session.id,
            name: session.name.clone(),
            model: session.model.name.clone(),
            model_size: session.model.size,
            phase: PhaseSnapshot::of(session),
            pid: session.pid,
            threads: session.threads,
            planned: session.planned,
            n_ctx: session.n_ctx(),
            n_past: session.n_past,
            n_generated: session.n_generated,
            n_prompt: session.n_prompt,
            counters: figures.counters,
            n_cached: figures.n_cached,
            energy: figures.energy.clone(),
            metered: figures.metered,
        }
    }
}
