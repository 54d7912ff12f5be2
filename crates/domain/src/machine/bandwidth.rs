//! The main memory's bandwidth.

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// What the main memory gives, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Bytes per second, read by all threads together.
    pub bytes_per_second: f64,
    /// Threads that read.
    pub threads: u32,
    /// When, seconds since 1970.
    pub unix: i64,
    /// The processor that it was measured on; the value is not valid for another.
    pub processor: String,
}

impl std::fmt::Display for Bandwidth {
    /// `21.3 GB/s with 2 threads`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        write!(f, "{}/s with {} {threads}", Bytes(self.bytes_per_second as u64), self.threads)
    }
}
