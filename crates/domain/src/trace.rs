//! What a recording holds of a tick: the sample, and the sessions' figures. Absent: what was said, and files.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::Counters;

use crate::energy::Baseline;
use crate::figure::Figure;
use crate::machine::Sample;
use crate::session::{Phase, Plan, Session, SessionId};
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
    pub sessions: Vec<Seen>,
    /// What each meter shows without work, as far as it was known.
    #[serde(default)]
    pub baselines: Vec<Baseline>,
}

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of `Session`, by the same names")]
pub struct Seen {
    pub id: SessionId,
    pub name: String,
    pub model: String,
    pub model_size: Bytes,
    pub phase: Phase,
    pub pid: Option<u32>,
    pub threads: u32,
    pub planned: Plan,
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

impl Frame {
    /// The tick that the state has seen last; `None` before the first.
    pub fn of(domain: &Domain) -> Option<Self> {
        let sample = domain.machine.sample.as_ref()?;
        let sessions = domain.sessions.iter().map(Seen::of).collect();
        let (uptime_ms, unix) = (sample.at.uptime.as_millis() as u64, sample.at.unix);
        let baselines = domain.attribution.baselines.known.clone();
        Some(Self { uptime_ms, unix, sample: sample.clone(), sessions, baselines })
    }
}

impl Seen {
    fn of(session: &Session) -> Self {
        let figures = &session.figures;
        Self {
            id: session.id,
            name: session.name.clone(),
            model: session.model.name.clone(),
            model_size: session.model.size,
            phase: session.phase.clone(),
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
