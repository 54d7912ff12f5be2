//! Points in time.

use std::time::Duration;

/// A point in time by both clocks; the driver reads them, never the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub struct Moment {
    /// Since the program's start, by the monotonic clock.
    pub uptime: Duration,
    /// Seconds since 1970, by the wall clock.
    pub unix: i64,
}
