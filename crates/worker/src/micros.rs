//! Durations on the wire: whole microseconds.

use std::time::Duration;

/// Whole microseconds, at most what the wire takes.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
