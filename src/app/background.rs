//! What is done once, on request: signals to other programs, the memory's bandwidth, what of a file is in memory.

use std::path::PathBuf;

use crate::library::Env;
use crate::telemetry::{self, EndSignal, bandwidth};
use domain::machine::Bandwidth;
use domain::units::{Bytes, Ratio};

/// Tell a process of another program to end, or end it.
pub(super) fn signal(pid: u32, started: u64, kill: bool) -> Result<(), String> {
    telemetry::signal(pid, started, if kill { EndSignal::Kill } else { EndSignal::Terminate })
}

/// Measure the memory's bandwidth and keep it. Blocks for a second or two.
///
/// # Errors
///
/// A clause: why it could not be measured. One that could not be kept is measured all the same.
pub(super) fn measure(threads: u32, available: Bytes, unix: i64) -> Result<Bandwidth, String> {
    let measured = bandwidth::measure(threads, available, unix).map_err(|error| error.to_string())?;
    if let Some(cache) = Env::read().cache {
        let _ = bandwidth::keep(&cache, &measured);
    }
    Ok(measured)
}

/// What was measured on this machine before.
pub fn kept() -> Option<Bandwidth> {
    bandwidth::kept(&Env::read().cache?)
}

/// The share of the files that is in memory.
pub(super) fn residency(files: &[PathBuf]) -> Result<Ratio, String> {
    let (mut present, mut all) = (0.0, 0.0);
    for file in files {
        // A starter model that was not written out yet.
        if file.as_os_str().is_empty() {
            return Err("it is built into taffrail".to_owned());
        }
        let (share, length) = worker::residency::share(file).map_err(|error| error.to_string())?;
        present += share * length as f64;
        all += length as f64;
    }
    if all > 0.0 { Ok(Ratio(present / all)) } else { Err("it has no file".to_owned()) }
}
