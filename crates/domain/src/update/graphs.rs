//! The time series: a point for each sample.

use crate::figure::Figure;
use crate::machine::Sample;
use crate::ring::Ring;
use crate::state::{Domain, Machine};
use crate::units::Bytes;

/// Add the tick's point to each series of the machine.
pub(super) fn record(domain: &mut Domain, sample: &Sample, throughput: f64) {
    let history = domain.history();
    let held = domain.sessions.iter().filter_map(|session| session.memory.last());
    let held = held.reduce(|one, other| one + other);
    let own_watts = match &sample.own {
        Some(own) => domain.attribution.foreign_power(own),
        None => Figure::unknown("the system doesn't show this process"),
    };
    let now = domain.now.uptime;
    let machine = &mut domain.machine;
    machine.readings.push(now, sample);
    let ticks = machine.cpu.ticks();
    machine.cpu.push(sample.cpu.map(|cpu| (cpu.0 * 100.0) as f32));
    machine.memory.push(sample.memory.map(|memory| memory.used.0 as f32));
    machine.gpu.push(mean(sample.gpus.iter().filter_map(|gpu| gpu.usage.value()).map(|usage| usage.0 * 100.0)));
    machine.disk.push(sum(sample.disks.iter().flat_map(|disk| [disk.read, disk.written])));
    machine.network.push(sum(sample.network.iter().flat_map(|network| [network.received, network.sent])));
    machine.power.push(sample.total_power().map(|watts| watts.0 as f32));
    machine.throughput.push(Some(throughput as f32));
    machine.held.push(held);
    machine.own_watts = own_watts;
    temperatures(machine, sample, history, ticks);
}

/// What is known of these together; `None` where nothing is.
fn sum(rates: impl Iterator<Item = Option<Bytes>>) -> Option<f32> {
    rates.flatten().map(|rate| rate.0 as f32).reduce(|one, other| one + other)
}

fn mean(shares: impl Iterator<Item = f64>) -> Option<f32> {
    let all: Vec<f64> = shares.collect();
    (!all.is_empty()).then(|| (all.iter().sum::<f64>() / all.len() as f64) as f32)
}

/// Each sensor by its label, and the hottest of all.
fn temperatures(machine: &mut Machine, sample: &Sample, history: usize, ticks: u64) {
    let gpus = sample.gpus.iter().filter_map(|gpu| Some((format!("gpu {}", gpu.index), gpu.temperature?)));
    let chips = sample.temperatures.iter().map(|sensor| (sensor.label.clone(), sensor.celsius));
    let mut read: Vec<(String, f32)> = gpus.chain(chips).map(|(label, celsius)| (label, celsius.0)).collect();
    machine.temperature.push(read.iter().map(|(_, celsius)| *celsius).reduce(f32::max));
    for (label, ring) in &mut machine.sensors {
        // Labels may repeat: each sensor takes the first that is left.
        let place = read.iter().position(|(name, _)| name == label);
        ring.push(place.map(|place| read.swap_remove(place).1));
    }
    for (label, celsius) in read.into_iter().take(Machine::MAX_SENSORS.saturating_sub(machine.sensors.len())) {
        let mut ring = Ring::since(history, ticks);
        ring.push(Some(celsius));
        machine.sensors.push((label, ring));
    }
}
