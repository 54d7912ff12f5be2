//! What the jobs of several models have in common: each model has a session that works for it.

use crate::request::RequestId;
use crate::session::SessionId;

/// The session that works for one model of a job: one that was loaded already, or one that was started for the job.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct JobSession {
    /// Which; `None` before the model's turn.
    pub id: Option<SessionId>,
    /// What it was asked last; its conversation is left alone.
    pub request: Option<RequestId>,
    /// It was started for this job, and is stopped when the job needs it no more.
    pub(crate) is_own: bool,
}
