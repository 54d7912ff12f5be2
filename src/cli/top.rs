//! `taffrail top`: the machine's figures for people, for programs and for Prometheus.
//!
//! A state goes in, text comes out; who takes the samples, and how often, is the caller's. Sessions are those of a
//! recording: what another running taffrail does shows by its workers' processes.

mod csv;
pub(super) mod document;
pub(super) mod figure;
mod prometheus;
mod workload;

use std::io::{self, Write};

use clap::Args;

use super::table::{self, Column};
use domain::Domain;
use domain::figure::Figure;
use domain::machine::{Power, RpcMachine, Sample};
use domain::units::{self, Bytes, Ratio, or_dash};

/// Show the machine's figures: load, memory, power and heat.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[derive(Debug, Default, Args)]
pub struct Top {
    /// Print one look at the machine and end
    #[arg(long)]
    pub once: bool,
    /// Print one JSON document per look
    #[arg(long)]
    pub json: bool,
    /// Print one look as Prometheus text and end
    ///
    /// Only what goes on counting between two looks is a counter (`_total`): what the meters have counted themselves
    /// (powercap, NVML, amdgpu, i915, xe), and in a recording everything since its beginning. The rest are means of the
    /// look, half a second at least.
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
    /// Print a line of CSV per look, after one with the names
    #[arg(long, conflicts_with_all = ["json", "prometheus"])]
    pub csv: bool,
    /// Recordings.
    #[command(flatten)]
    pub trace: super::trace::Trace,
}

impl Top {
    /// Whether one look is asked for.
    pub fn is_once(&self) -> bool {
        self.once || self.prometheus
    }

    /// Whether a program is to read it, rather than a person to see it.
    pub fn is_for_programs(&self) -> bool {
        self.is_once() || self.json || self.csv
    }
}

/// What stands before the first look.
pub fn begin(arguments: &Top, out: &mut impl Write) -> io::Result<()> {
    if arguments.csv { csv::head(out) } else { Ok(()) }
}

/// Write one look at the machine; nothing before the first.
pub fn run(arguments: &Top, domain: &Domain, out: &mut impl Write) -> io::Result<()> {
    let Some(sample) = &domain.machine.sample else { return Ok(()) };
    match arguments {
        Top { prometheus: true, .. } => prometheus::write(domain, sample, arguments.trace.replay.is_some(), out),
        Top { csv: true, .. } => csv::write(sample, out),
        Top { json: true, .. } => crate::json::write(out, &document::document(domain, sample)),
        Top { once: false, .. } => {
            text(domain, sample, out)?;
            writeln!(out)
        }
        Top { .. } => text(domain, sample, out),
    }
}

const COLUMNS: [Column; 5] = [
    Column { title: "Power", right: false, least: None, goes: 0 },
    Column { title: "Watts", right: true, least: None, goes: 0 },
    Column { title: "Grade", right: false, least: None, goes: 0 },
    Column { title: "In the sum", right: false, least: None, goes: 0 },
    Column { title: "Source", right: false, least: None, goes: 0 },
];

fn text(domain: &Domain, sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let host = &sample.host;
    let line = |out: &mut dyn Write, label: &str, parts: &[Option<String>]| {
        let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).filter(|part| !part.is_empty()).collect();
        writeln!(out, "{label:<10} {}", gguf::clean(&parts.join(" · "), usize::MAX))
    };
    line(out, "host", &[Some(host.name.clone()), Some(host.processor.clone()), Some(host.system.clone())])?;
    let limits = &sample.limits;
    line(
        out,
        "cpu",
        &[
            Some(match sample.cores.len() {
                0 => "—".to_owned(),
                n => format!("{} of {n} cores", or_dash(sample.cpu)),
            }),
            sample.allowed.fewer_threads(sample.cores.len()),
            mean_clock(sample),
            limits.allowed_mhz.map(|mhz| format!("up to {mhz} MHz")),
            limits.n_throttled.filter(|count| *count > 0).map(|count| format!("throttled by heat {count} times")),
        ],
    )?;
    let in_use = or_dash(sample.memory.map(|memory| format!("{} of {} in use", memory.in_use(), memory.total)));
    let swap = sample.memory.filter(|memory| memory.swap_total.0 > 0);
    let swap = swap.map(|memory| format!("swap {} of {}", memory.swap_used, memory.swap_total));
    line(out, "memory", &[Some(in_use), sample.allowed.less_memory(), swap])?;
    let pressure = &sample.pressure;
    let waits = |name: &str, share: Option<Ratio>| share.map(|share| format!("{name} {share}"));
    if [pressure.cpu, pressure.memory, pressure.io].iter().any(Option::is_some) {
        let waits = [waits("cpu", pressure.cpu), waits("memory", pressure.memory), waits("io", pressure.io)];
        line(out, "waits for", &waits)?;
    }
    for gpu in &sample.gpus {
        let memory = gpu.memory().map(|(used, total)| format!("{used} of {total}"));
        let parts = [
            Some(gpu.name.clone()),
            Some(gpu.usage.to_string()),
            memory,
            gpu.temperature.map(|celsius| celsius.to_string()),
            gpu.mhz.map(|mhz| format!("{mhz} MHz")),
            (!gpu.held_by.is_empty()).then(|| format!("held back by {}", gpu.held_by)),
        ];
        line(out, &format!("gpu-{}", gpu.index), &parts)?;
    }
    for (name, text) in sample.rpc.iter().flat_map(RpcMachine::lines) {
        line(out, &name, &[Some(text)])?;
    }
    for disk in &sample.disks {
        let rate = |name: &str, rate: Option<Bytes>| rate.map(|rate| format!("{name} {rate}/s"));
        let room = format!("{} of {} free", disk.free, disk.total);
        let parts = [Some(disk.mount.clone()), Some(room), rate("read", disk.read), rate("written", disk.written)];
        line(out, "disk", &parts)?;
    }
    let hottest = sample.temperatures.iter().max_by(|a, b| a.celsius.0.total_cmp(&b.celsius.0));
    if let Some(hottest) = hottest {
        line(out, "heat", &[Some(format!("{} at {}", hottest.celsius, hottest.label))])?;
    }
    let late = sample.sources.iter().filter(|source| source.is_late());
    let late: Vec<_> = late.map(|source| Some(format!("{} for {}", source.name, units::span(source.age)))).collect();
    if !late.is_empty() {
        line(out, "late", &late)?;
    }
    line(out, "power", &[Some(sum(sample))])?;
    power(sample, out)?;
    workload::write(domain, sample, out)
}

/// The sum with its boundary, or why there is none.
fn sum(sample: &Sample) -> String {
    match sample.total() {
        Some((watts, grade)) => format!("{} {} {}", figure::watts_text(watts, grade), grade.word(), sample.boundary()),
        None => match sample.why_no_power() {
            (reason, Some(remedy)) => format!("— ({reason}; {remedy})"),
            (reason, None) => format!("— ({reason})"),
        },
    }
}

fn power(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    if sample.power.is_empty() {
        return Ok(());
    }
    let row = |power: &Power| {
        let (grade, source) = match &power.watts {
            Figure::Known { grade, source, .. } => (grade.word(), source.clone()),
            Figure::Unknown { reason, .. } => ("unknown", reason.clone()),
        };
        let adds = if power.adds { "yes" } else { "no" };
        let source = gguf::clean(&source, usize::MAX);
        let watts = power.watts.value().zip(power.watts.grade());
        let watts = or_dash(watts.map(|(watts, grade)| figure::watts_text(*watts, grade)));
        vec![gguf::clean(&power.name, 64), watts, grade.to_owned(), adds.to_owned(), source]
    };
    let rows: Vec<_> = sample.power.iter().map(row).collect();
    writeln!(out)?;
    table::write(out, &COLUMNS, &rows, None)
}

fn mean_clock(sample: &Sample) -> Option<String> {
    let clocks: Vec<u64> = sample.cores.iter().filter_map(|core| core.mhz).collect();
    let n = u64::try_from(clocks.len()).ok().filter(|n| *n > 0)?;
    Some(format!("{} MHz", clocks.iter().sum::<u64>() / n))
}

#[cfg(test)]
pub(in crate::cli) mod tests;
