//! The sensors: what the machine, its processes and its meters say, once per tick.
//!
//! Owned here: one file per source of readings, each of which fills its part of a [`Sample`] and says in a row of its
//! own whether it was found, how sure its figure is, or why there is none and what would mend it; and the sampler that
//! reads them in turn, those that may block on threads of their own. Absent: history, attribution to sessions (`domain::energy`) and drawing. The files of `/proc` and
//! `/sys` are reached through [`Files`] and time is passed in, so that a recorded machine can be replayed.

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

/// One source of readings.
trait Source: Send {
    /// Read, put what was read into the sample, and add a row to `sample.sources` that says how it went.
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample);
}

/// What a source is read with.
struct Tick<'a> {
    /// The system's files.
    files: &'a dyn Files,
    /// The monotonic time.
    at: Duration,
    /// Time between ticks, for the row's period.
    interval: Duration,
    /// Whether a hypervisor runs this system, as far as the processor tells.
    is_virtual: bool,
    /// The processes to look at, ours first.
    pids: &'a [u32],
    /// Processes of other programs that were found before, to be measured as well.
    foreign: &'a [u32],
    /// Processes that drivers named at the tick before as users of a GPU.
    tenants: &'a [u32],
}

impl Tick<'_> {
    /// The row of a source that was read right now.
    fn row(&self, name: &str, covers: &str, reading: Figure<String>) -> machine::Source {
        machine::Source {
            name: name.to_owned(),
            covers: covers.to_owned(),
            reading,
            period: self.interval,
            age: Duration::ZERO,
        }
    }

    /// Why nothing was found in a folder below `/sys`: because it is kept from us, else `otherwise`.
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

    /// What is said of counters that are there and don't count. They are no proof of a machine that needs no power.
    fn stuck(&self, at_zero: bool) -> Figure<String> {
        let stuck = if at_zero { "stuck at 0" } else { "standing still" };
        let reason = format!("found, {stuck}: nothing counts in it, so what is drawn is not known");
        if self.is_virtual {
            return missing(reason, "a virtual machine passes it on without its meter: run taffrail on the host");
        }
        missing(reason, "newer firmware or another kernel may fix it; a meter at the wall socket helps meanwhile")
    }
}

/// A value that is not known, and what would mend it.
fn missing<T>(reason: impl Into<String>, remedy: impl Into<String>) -> Figure<T> {
    Figure::Unknown { reason: reason.into(), remedy: Some(remedy.into()) }
}

/// A name from outside, fit for a terminal: trimmed, without control characters, 64 characters at most.
fn label(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(64).collect()
}
