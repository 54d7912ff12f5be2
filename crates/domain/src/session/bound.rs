//! A session's speed relative to the limit set by memory bandwidth.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Ratio};

/// A session's speed relative to the roofline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Roofline {
    /// Bytes that a token moves: weights, and the context at the answer's middle.
    pub per_token: (Bytes, Bytes),
    /// Bytes per second that the answer moved.
    pub bytes_per_second: f64,
    /// That over the machine's bandwidth.
    pub share: Ratio,
    /// What holds it back.
    pub bound: Bound,
}

/// What bounds a session's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Heat or a limit holds the processor's clock down.
    Throttled,
    /// Layers run on the processor that were meant for a GPU.
    Offload,
    /// Others answer at the same time.
    Shared,
    /// The memory.
    Bandwidth,
    /// The processor.
    Compute,
    /// Nothing of the memory: what is read stays in the processor's cache.
    Cache,
}

impl Roofline {
    /// How much of what the memory allows is made use of, as far as that means anything.
    pub fn reached(&self) -> String {
        match (self.bound, self.share.0) {
            (Bound::Cache, _) => "— what is read does not have to come from memory".to_owned(),
            (_, share) if share > 1.0 => "all of what this memory allows".to_owned(),
            _ => format!("{} of what this memory allows", self.share),
        }
    }
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Throttled, Self::Offload, Self::Shared, Self::Bandwidth, Self::Compute, Self::Cache];

    /// In a few words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Throttled => "throttled: the processor's clock is limited",
            Self::Offload => "held back by layers that are not on the GPU",
            Self::Shared => "other sessions answer at the same time",
            Self::Bandwidth => "bound by the memory's bandwidth",
            Self::Compute => "bound by the processor",
            Self::Cache => "it fits the processor's cache: the memory is no bound",
        }
    }
}
