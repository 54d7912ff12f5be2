//! The options of recordings.

use std::path::PathBuf;

/// Recordings of what the screens show.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Trace {
    /// Write the machine's and the sessions' figures into a new file, a line per sample
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Show a recording instead of this machine
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Play it so many times as fast
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = super::value::number(0.01..=100_000.0), requires = "replay")]
    pub speed: f64,
}

impl Trace {
    /// Whether a recording is made or shown.
    pub fn is_wanted(&self) -> bool {
        self.record.is_some() || self.replay.is_some()
    }
}
