//! What is reported of a session to those who see it from elsewhere: commands that look, and other machines.

use serde::{Deserialize, Serialize};

use super::{Phase, Session};
use crate::moment::Moment;
use crate::units::Bytes;

/// What is reported of a session. Every version reads it: what a later one adds is passed over, and what an earlier one lacks is
/// unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionStatus {
    /// The model's name.
    pub name: String,
    /// The model's id.
    pub model: String,
    /// `loading`, `ready`, `busy` …
    pub phase: String,
    /// The worker's process.
    pub pid: Option<u32>,
    /// Tokens in its context.
    pub context_used: Option<u32>,
    /// The length of its context, in tokens.
    pub context: Option<u32>,
    /// Memory that it holds, bytes.
    pub memory_bytes: Option<u64>,
    /// Generated tokens per second, of the last answer where none is being generated.
    pub tokens_per_second: Option<f64>,
    /// Requests that have not ended.
    pub requests: Option<usize>,
    /// Seconds until it is unloaded unless it is asked.
    pub unloads_in_s: Option<u64>,
}

impl SessionStatus {
    /// What is reported of a session now.
    pub fn of(session: &Session, now: Moment) -> Self {
        let phase = match &session.phase {
            _ if session.is_busy() => "busy",
            Phase::Failed { .. } => "failed",
            Phase::Ready => "ready",
            Phase::Stopping => "stopping",
            Phase::Queued | Phase::Loading { .. } => "loading",
        };
        Self {
            name: session.name.clone(),
            model: session.model.id.clone(),
            phase: phase.to_owned(),
            pid: session.pid,
            context_used: Some(session.n_past),
            context: session.known_context(),
            memory_bytes: session.memory_held().map(|Bytes(held)| held),
            tokens_per_second: session.rate(),
            requests: Some(session.requests.iter().filter(|request| request.is_open()).count()),
            unloads_in_s: session.expires_in(now).map(|time| time.as_secs()),
        }
    }

    /// The same without what a terminal would obey, and with figures that can be: it comes from another machine.
    #[must_use]
    pub fn cleaned(self) -> Self {
        Self {
            name: gguf::clean(&self.name, 200),
            model: gguf::clean(&self.model, 4096),
            phase: gguf::clean(&self.phase, 20),
            tokens_per_second: self.tokens_per_second.filter(|rate| rate.is_finite() && *rate >= 0.0),
            ..self
        }
    }
}
