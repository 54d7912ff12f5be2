//! Pressure stall information: how long tasks waited for the processor, for memory or for I/O (accounting/psi.rst in
//! the kernel's documentation).

use std::io::ErrorKind;

use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{self, Sample};
use domain::units::Ratio;

/// The source.
pub(in crate::telemetry) struct Pressure;

const FOLDER: &str = "proc/pressure";

impl Source for Pressure {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let mut refused = None;
        let mut read = |name: &str| match tick.files.text(&format!("{FOLDER}/{name}")) {
            Ok(text) => some(&text),
            Err(error) => {
                refused = refused.or(Some(error.kind()));
                None
            }
        };
        let (cpu, memory, io) = (read("cpu"), read("memory"), read("io"));
        sample.pressure = machine::Pressure { cpu, memory, io };
        let parts: Vec<_> = [("cpu", cpu), ("memory", memory), ("io", io)]
            .into_iter()
            .filter_map(|(name, share)| Some(format!("{name} {}", share?)))
            .collect();
        let reading = match refused {
            _ if !parts.is_empty() => Figure::measured(parts.join(", "), "/proc/pressure"),
            _ if !cfg!(target_os = "linux") => Figure::unknown("only Linux reports it"),
            // A kernel with this feature disabled has the files, but reading them is not supported.
            Some(ErrorKind::NotFound | ErrorKind::Unsupported) => {
                missing("the kernel does not report it", "start it with `psi=1` on its command line")
            }
            Some(kind) => missing(format!("`/{FOLDER}` can't be read: {kind}"), "run taffrail on the host"),
            None => Figure::unknown("its files contain no numbers"),
        };
        sample.sources.push(tick.row("pressure", "waits for cpu, memory, io", reading));
    }
}

/// `some avg10=1.23 avg60=…`, in percent.
fn some(text: &str) -> Option<Ratio> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = line.split_ascii_whitespace().find_map(|field| field.strip_prefix("avg10="))?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then(|| Ratio(percent / 100.0))
}
