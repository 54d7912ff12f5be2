//! A process as it was sampled.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Ratio};

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Busy time in cores, where 1.0 is one core all the time: over the tick, and when first seen since its start.
    pub cores: f64,
    /// Its part of all processes' busy time over the tick, for splitting energy; `None` when first seen.
    pub cpu_share: Option<Ratio>,
    /// Processor time of all its threads since its start, in seconds; `None` where it is not reported.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Resident memory, mapped files included.
    pub resident: Bytes,
    /// Of it, anonymous memory, which can't be dropped. All of it if the system doesn't distinguish them.
    pub anonymous: Bytes,
    /// Swapped out.
    pub swapped: Bytes,
    /// Of the resident memory, pages shared with other processes. For files, all pages if the system does not
    /// distinguish them; `None` if it reports nothing.
    #[serde(default)]
    pub shared: Option<Bytes>,
    /// Its proportional share: each page divided by the number of processes that have it. Read only now and then,
    /// since the system walks all pages to compute it; `None` before that, and if it is not reported.
    #[serde(default)]
    pub proportional: Option<Bytes>,
}
