//! The sensors: readings of the machine, its processes and its meters, once per tick.
//!
//! There is one file per source of readings. Each source fills its part of a [`Sample`] and adds a row that reports
//! whether the sensor was found, the quality of its figure, or why there is none and how to fix that. The sampler reads
//! the sources in turn; those that may block run on their own threads. History, attribution to sessions
//! (`domain::energy`) and drawing are elsewhere. The files of `/proc` and `/sys` are accessed through [`Files`] and
//! time is a parameter, so that a recorded machine can be replayed.

mod background_source;
pub mod bandwidth;
mod cgroup;
mod counter;
mod driver;
mod drivers;
mod drm;
mod files;
mod meter;
mod processes;
mod sampler;
mod sources;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::time::Duration;

pub use self::files::{Files, Root};
pub use self::sampler::{Sampler, Thread, spawn};
pub use self::sources::foreign::{EndSignal, signal};

use domain::figure::Figure;
use domain::machine::{self, Sample};

/// A source of readings.
trait Source: Send {
    /// Add the readings to the sample, and a row to `sample.sources` that reports the result.
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample);
}

/// The input of a source.
struct Tick<'a> {
    /// The system's files.
    files: &'a dyn Files,
    /// The monotonic time.
    at: Duration,
    /// Time between ticks, for the row's period.
    interval: Duration,
    /// Whether the system runs under a hypervisor, according to the processor.
    is_virtual: bool,
    /// The processes to measure, ours first.
    pids: &'a [u32],
    /// Other programs' processes that were found earlier and are measured as well.
    foreign: &'a [u32],
    /// Processes that drivers listed as GPU users at the previous tick.
    tenants: &'a [u32],
}

impl Tick<'_> {
    /// The row of a source that was read just now.
    fn row(&self, name: &str, covers: &str, reading: Figure<String>) -> machine::Source {
        machine::Source {
            name: name.to_owned(),
            covers: covers.to_owned(),
            reading,
            period: self.interval,
            age: Duration::ZERO,
        }
    }

    /// Why nothing was found in a folder below `/sys`: access is denied, or else `otherwise`.
    fn nothing(&self, folder: &str, otherwise: Figure<String>) -> Figure<String> {
        if !cfg!(target_os = "linux") {
            return otherwise;
        }
        match self.files.names(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                missing(format!("`/{folder}` can't be read: {}", error.kind()), "run taffrail on the host")
            }
            Err(_) if self.files.names("sys").map_or(true, |names| names.is_empty()) => {
                missing("`/sys` is not there: a container without it", "mount `/sys` into the container, read-only")
            }
            _ => otherwise,
        }
    }

    /// The message for counters that exist but do not advance. They do not prove that the machine uses no power.
    fn stuck(&self, at_zero: bool) -> Figure<String> {
        let stuck = if at_zero { "stuck at 0" } else { "standing still" };
        let reason = format!("found, {stuck}: nothing counts in it, so what is drawn is not known");
        if self.is_virtual {
            return missing(reason, "a virtual machine passes it on without its meter: run taffrail on the host");
        }
        missing(reason, "newer firmware or another kernel may fix it; a meter at the wall socket helps meanwhile")
    }
}

/// A missing value, with its reason and remedy.
fn missing<T>(reason: impl Into<String>, remedy: impl Into<String>) -> Figure<T> {
    Figure::Unknown { reason: reason.into(), remedy: Some(remedy.into()) }
}

/// An external name, made safe for a terminal: trimmed, without control characters, at most 64 characters.
fn label(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(64).collect()
}
