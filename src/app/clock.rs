//! The one place that reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::Moment;

/// The program's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Time runs from here.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Now, by both clocks.
    pub fn now(&self) -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        Moment { uptime: self.start.elapsed(), unix }
    }
}
