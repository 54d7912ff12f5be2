//! The one place that reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::Moment;

/// The program's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    /// How many times faster than the world's the monotonic one runs: 1 but in tests.
    rate: u32,
}

impl Clock {
    /// Time runs from here.
    pub fn start() -> Self {
        Self { start: Instant::now(), rate: 1 }
    }

    /// One whose monotonic time flies, so that a test need not wait for half a minute of it.
    #[cfg(test)]
    pub(super) fn fast(rate: u32) -> Self {
        Self { rate, ..Self::start() }
    }

    /// Now, by both clocks.
    pub fn now(&self) -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        Moment { uptime: self.start.elapsed() * self.rate, unix }
    }
}
