//! The options of recordings.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::app::recording::Recorder;

/// Recordings of what the screens show.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Trace {
    /// Record the figures of the machine and the sessions to a new file
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Play a recording instead of showing this machine
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Playback speed, as a factor
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = super::value::number(0.01..=100_000.0), requires = "replay")]
    pub speed: f64,
}

impl Trace {
    /// The file that is to be recorded into, where one is.
    ///
    /// # Errors
    ///
    /// Why it can't be created, with its name.
    pub fn recorder(&self, interval: Duration) -> io::Result<Option<Recorder>> {
        let Some(file) = &self.record else { return Ok(None) };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        Recorder::create(file, interval).map(Some).map_err(named)
    }

    /// Whether a recording is made or shown.
    pub fn is_wanted(&self) -> bool {
        self.record.is_some() || self.replay.is_some()
    }
}
