//! A query: a short job alongside answers, such as tokenizing a text, from its arrival to its end.
//!
//! It needs no sequence and is not recorded: its result goes to the client as [`crate::Effect::EndQuery`] and is not
//! stored. Absent: when it starts and ends (`update::query`), and the kinds of job (`wire::QueryJob`).

use serde::{Deserialize, Serialize};
use wire::{FailureKind, QueryJob};

use crate::keep_alive::KeepAlive;
use crate::moment::Moment;
use crate::request::RequestId;
use crate::session::SessionId;
use crate::settings::SessionSettings;

/// What is asked, and of whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Of whom.
    pub target: Target,
    /// What.
    pub job: QueryJob,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// This session.
    Session(SessionId),
    /// A model, which is loaded where no session has it.
    Model {
        /// Its id in the library.
        id: String,
        /// How it is loaded; `None` takes the user's settings.
        settings: Option<Box<SessionSettings>>,
        /// How long it stays loaded afterwards; `None` leaves that as it is.
        keep_alive: Option<KeepAlive>,
    },
}

/// A query that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenQuery {
    /// Which: of the same numbers as requests.
    pub id: RequestId,
    /// Since when it is asked.
    pub since: Moment,
    /// Whether it takes the time of decode calls.
    pub is_heavy: bool,
    /// Bytes of what it asks.
    pub(crate) n_bytes: usize,
    /// What the worker is to be asked, until it has been.
    pub(crate) waiting: Option<Box<QueryJob>>,
}

impl OpenQuery {
    /// Whether the worker has it.
    pub fn is_running(&self) -> bool {
        self.waiting.is_none()
    }
}

/// Why a query has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryError {
    /// Why, in one clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
    /// The kind of failure, if the worker reported it.
    pub kind: Option<FailureKind>,
}

impl QueryError {
    /// An error against which nothing is known.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None, kind: None }
    }
}
