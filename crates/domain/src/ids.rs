//! What names sessions, workers and requests.

use serde::{Deserialize, Serialize};

/// Names a session for the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Names a worker process for the program's life; a restarted session has a new one, so that what an old worker
/// still says is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct WorkerId(pub u64);

/// Names a request for the program's life; the worker repeats it in all that it says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct RequestId(pub u64);
