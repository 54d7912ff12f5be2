//! Whose energy it is: the tick's metered energy, split to processes.
//!
//! What a package and its memory used is split by processor time, gross: idle power is part of what running something
//! costs. A GPU's energy goes to the process that uses it; two tenants are not told apart, for the memory that each
//! holds says nothing about its work. A figure that would leave out a part that can't be known, though the process uses
//! it, is unknown itself; one that leaves out what no sensor covers says so in its source.

use super::figure::{Figure, Grade};
use super::machine::{Domain, Gpu, Power, Process, Sample};
use super::units::{Joules, Watts};

/// Memory on a GPU, as a share of its tenants' sum, up to which a tenant does not count: a desktop's windows.
const GUEST: f64 = 0.1;

/// Mean power of a process over the tick.
pub fn process_power(sample: &Sample, pid: u32) -> Figure<Watts> {
    split(sample, pid, |power| power.watts.value().map(|watts| watts.0)).map(Watts)
}

/// Energy of a process over the tick.
pub fn process_energy(sample: &Sample, pid: u32) -> Figure<Joules> {
    let elapsed = sample.elapsed.as_secs_f64();
    split(sample, pid, |power| {
        let mean = || power.watts.value().map(|watts| watts.0 * elapsed).filter(|_| elapsed > 0.0);
        power.energy.map(|energy| energy.0).or_else(mean)
    })
    .map(Joules)
}

/// A process's part of what `read` takes from each meter.
fn split(sample: &Sample, pid: u32, read: impl Fn(&Power) -> Option<f64>) -> Figure<f64> {
    let Some(process) = process(sample, pid) else {
        return Figure::unknown("its process was not read in this tick");
    };
    let mut parts = Vec::new();
    for gpu in sample.gpus.iter().filter(|gpu| gpu.processes.iter().any(|(tenant, _)| *tenant == pid)) {
        match of_gpu(sample, gpu, pid, &read) {
            Figure::Known { value, grade, source } => parts.push((value, grade, source)),
            unknown @ Figure::Unknown { .. } => return unknown,
        }
    }
    let gpus = !parts.is_empty();
    let processor = of_processor(sample, process, &read);
    let boundary = match (gpus, &processor) {
        (true, Figure::Known { .. }) => "[gpu+cpu]",
        (true, Figure::Unknown { .. }) => "[gpu]",
        (false, _) => "[cpu]",
    };
    match processor {
        Figure::Known { value, grade, source } => parts.push((value, grade, source)),
        unknown @ Figure::Unknown { .. } if !gpus => return unknown,
        // That no sensor covers the processor is told by the boundary.
        Figure::Unknown { .. } => {}
    }
    let value = parts.iter().map(|(value, ..)| value).sum();
    let grade = parts.iter().map(|(_, grade, _)| *grade).max().unwrap_or(Grade::Measured);
    let sources: Vec<_> = parts.into_iter().map(|(.., source)| source).collect();
    Figure::Known { value, grade, source: format!("{} {boundary}", sources.join(" + ")) }
}

fn process(sample: &Sample, pid: u32) -> Option<&Process> {
    let foreign = sample.foreign.iter().map(|foreign| &foreign.process);
    std::iter::once(&sample.own).chain(&sample.processes).chain(foreign).find(|process| process.pid == pid)
}

/// By processor time.
fn of_processor(sample: &Sample, process: &Process, read: impl Fn(&Power) -> Option<f64>) -> Figure<f64> {
    let meters = || {
        sample.power.iter().filter(|power| power.adds && matches!(power.domain, Domain::Package(_) | Domain::Dram(_)))
    };
    let known: Vec<_> = meters().filter_map(|power| Some((read(power)?, power))).collect();
    // Memory alone is not the processor: a package that can't be read leaves the sum without its larger part.
    let gap = meters().find(|power| matches!(power.domain, Domain::Package(_)) && read(power).is_none());
    if let Some(gap) = gap {
        return unknown(&gap.watts, "power takes two readings");
    }
    if known.is_empty() {
        return absent(sample, "powercap", "no meter for the processor");
    }
    let Some(share) = process.cpu_share else {
        return Figure::unknown("its part of the processor's time takes two readings");
    };
    let total: f64 = known.iter().map(|(value, _)| value).sum();
    let names: Vec<_> = known.iter().map(|(_, power)| power.name.as_str()).collect();
    let driver = known.first().map_or("", |(_, power)| driver(power));
    let source = format!("{driver} {} · by CPU time", names.join(", "));
    Figure::Known { value: total * share.0, grade: Grade::Apportioned, source }
}

/// By tenancy.
fn of_gpu(sample: &Sample, gpu: &Gpu, pid: u32, read: impl Fn(&Power) -> Option<f64>) -> Figure<f64> {
    let Some(power) = sample.power.iter().find(|power| power.domain == Domain::Gpu(gpu.index)) else {
        return absent(sample, "nvml", "no meter for the GPU");
    };
    if !power.adds {
        return Figure::unknown("one meter covers the GPU and the processor, whose work can't be told apart");
    }
    let Some(value) = read(power) else {
        return unknown(&power.watts, "power takes two readings");
    };
    let all: f64 = gpu.processes.iter().map(|(_, bytes)| bytes.0 as f64).sum();
    let others: f64 = gpu.processes.iter().filter(|(tenant, _)| *tenant != pid).map(|(_, bytes)| bytes.0 as f64).sum();
    let name = format!("{} {}", driver(power), power.name);
    match gpu.processes.len() {
        ..=1 => Figure::Known { value, grade: power.watts.grade().unwrap_or(Grade::Estimated), source: name },
        _ if all > 0.0 && others <= all * GUEST => {
            Figure::Known { value, grade: Grade::Apportioned, source: format!("{name} · nearly alone") }
        }
        n => Figure::Unknown {
            reason: format!("{} is shared by {n} processes, whose work can't be told apart", power.name),
            remedy: Some("stop the others to meter this one".to_owned()),
        },
    }
}

/// Who tells it: the first word of its figure's source.
fn driver(power: &Power) -> &str {
    match &power.watts {
        Figure::Known { source, .. } => source.split(' ').next().unwrap_or_default(),
        Figure::Unknown { .. } => "",
    }
}

/// Why a meter that exists has no value.
fn unknown<T>(watts: &Figure<Watts>, otherwise: &str) -> Figure<T> {
    match watts {
        Figure::Unknown { reason, remedy } => Figure::Unknown { reason: reason.clone(), remedy: remedy.clone() },
        Figure::Known { .. } => Figure::unknown(otherwise),
    }
}

/// Why there is no meter, as its source says.
fn absent<T>(sample: &Sample, source: &str, otherwise: &str) -> Figure<T> {
    let row = sample.sources.iter().find(|row| row.name == source);
    match row.map(|row| &row.reading) {
        Some(Figure::Unknown { reason, remedy }) => Figure::Unknown { reason: reason.clone(), remedy: remedy.clone() },
        _ => Figure::unknown(otherwise),
    }
}

#[cfg(test)]
mod tests;
