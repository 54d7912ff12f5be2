//! NVIDIA's GPUs: utilization, memory, temperature, power, and the processes that use them.
//!
//! A sleeping GPU is skipped: its state is read from the kernel first, and the driver is called only for GPUs that are
//! awake.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::telemetry::driver::{Closed, Driver, Reading};
use crate::telemetry::meter::{Meter, Reported};
use crate::telemetry::{Source, Tick, label, missing};
use domain::figure::Figure;
use domain::machine::{Domain, Gpu, Sample};
use domain::units::{Bytes, Celsius, Ratio, Watts};

/// The GPUs' source.
pub(in crate::telemetry) struct Nvidia {
    driver: Box<dyn Driver>,
    /// The result and time of the last attempt to open the driver.
    closed: Option<(Duration, Closed)>,
    /// By PCI address.
    meters: BTreeMap<String, Meter>,
    /// The first sample is past.
    started: bool,
}

const DEVICES: &str = "sys/bus/pci/devices";
pub(in crate::telemetry) const COVERS: &str = "NVIDIA GPUs";
/// The time until a driver that could not be opened is tried again.
const RETRY: Duration = Duration::from_mins(1);
/// A card according to the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Card {
    address: String,
    sleeps: bool,
}

impl Source for Nvidia {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let reading = self.gpus(tick, sample);
        sample.sources.push(tick.row("nvml", COVERS, reading));
    }
}

impl Nvidia {
    pub(in crate::telemetry) fn new(driver: Box<dyn Driver>) -> Self {
        Self { driver, closed: None, meters: BTreeMap::new(), started: false }
    }

    fn gpus(&mut self, tick: &Tick<'_>, sample: &mut Sample) -> Figure<String> {
        // The first call may take a second, and the first sample must not be delayed, since the memory figures are
        // needed.
        if !std::mem::replace(&mut self.started, true) {
            return Figure::unknown("the driver is asked from the second sample on");
        }
        let cards = cards(tick);
        let n_asleep = cards.iter().filter(|card| card.sleeps).count();
        if n_asleep > 0 && n_asleep == cards.len() {
            self.meters.clear();
            return missing("asleep, and not woken to be read", "it wakes when a session uses it");
        }
        if let Err(closed) = self.open(tick) {
            self.meters.clear();
            return unopened(closed, !cards.is_empty());
        }
        // Where the kernel lists no cards, as on Windows and in WSL, the driver does.
        let awake: Vec<String> = if cards.is_empty() {
            self.driver.addresses()
        } else {
            cards.into_iter().filter(|card| !card.sleeps).map(|card| card.address).collect()
        };
        self.meters.retain(|address, _| awake.contains(address));
        let (mut n_read, mut lost) = (0, None);
        for address in awake {
            match self.driver.read(&address) {
                Ok(reading) => {
                    let meter = self.meters.entry(address).or_default();
                    sample.power.push(meter.power(tick.at, told(&reading)));
                    sample.gpus.push(gpu(reading));
                    n_read += 1;
                }
                Err(error) => {
                    self.meters.remove(&address);
                    lost = lost.or(Some(format!("the GPU at {} does not answer: {}", label(&address), label(&error))));
                }
            }
        }
        match (n_read, lost) {
            (0, None) => Figure::unknown("the driver knows no GPU"),
            (0, Some(lost)) => missing(lost, "`sudo dmesg | grep -i nvrm` says why; a restart brings it back"),
            (n, lost) => {
                let asleep = if n_asleep > 0 { format!(" · {n_asleep} asleep") } else { String::new() };
                let lost = lost.map(|lost| format!(" · {lost}")).unwrap_or_default();
                Figure::measured(format!("{n} read{asleep}{lost}"), "nvml")
            }
        }
    }

    fn open(&mut self, tick: &Tick<'_>) -> Result<(), Closed> {
        if let Some((at, closed)) = &self.closed
            && tick.at.saturating_sub(*at) < RETRY
        {
            return Err(closed.clone());
        }
        let opened = self.driver.open();
        self.closed = opened.clone().err().map(|closed| (tick.at, closed));
        opened
    }
}

/// NVIDIA's display controllers as listed by the kernel.
pub(in crate::telemetry) fn cards(tick: &Tick<'_>) -> Vec<Card> {
    let field = |address: &str, field: &str| {
        let text = tick.files.text(&format!("{DEVICES}/{address}/{field}")).unwrap_or_default();
        text.trim().to_owned()
    };
    let addresses = tick.files.names(DEVICES).unwrap_or_default();
    let cards = addresses
        .into_iter()
        .filter(|address| field(address, "vendor") == "0x10de" && field(address, "class").starts_with("0x03"));
    cards
        .map(|address| {
            let sleeps = field(&address, "power/runtime_status") == "suspended"
                || matches!(&*field(&address, "power_state"), "D3hot" | "D3cold");
            Card { address, sleeps }
        })
        .collect()
}

/// Why there are no readings.
fn unopened(closed: Closed, has_card: bool) -> Figure<String> {
    match closed {
        Closed::Missing if has_card => {
            missing("no NVIDIA driver library found, though there is a card", "install NVIDIA's driver")
        }
        Closed::Missing => Figure::unknown("no NVIDIA driver library found"),
        Closed::Broken(error) => missing(
            format!("NVIDIA's driver does not answer: {}", label(&error)),
            "`nvidia-smi` says more; after an update of the driver, restart the machine",
        ),
    }
}

/// The power readings of the card.
fn told(reading: &Reading) -> Reported {
    let watts = |milliwatts: u64| Watts(milliwatts as f64 / 1000.0);
    Reported {
        driver: "nvml",
        domain: Domain::Gpu(reading.index),
        name: format!("gpu-{}", reading.index),
        adds: true,
        energy: reading.energy.map(|millijoules| (millijoules, 1e-3)),
        power: reading.power.map(watts),
        limit: reading.limit.map(watts),
    }
}

fn gpu(reading: Reading) -> Gpu {
    let usage = match reading.usage {
        Some(percent) => Figure::measured(Ratio(f64::from(percent.min(100)) / 100.0), "nvml"),
        None => Figure::unknown("the card does not report it"),
    };
    let (total, used) = reading.memory.unzip();
    Gpu {
        index: reading.index,
        name: label(&reading.name),
        usage,
        memory_total: total.map(Bytes),
        memory_used: used.map(Bytes),
        temperature: reading.temperature.map(|celsius| Celsius(celsius as f32)),
        processes: reading.processes.into_iter().map(|(pid, bytes)| (pid, Bytes(bytes))).collect(),
        shares: reading
            .shares
            .into_iter()
            .map(|(pid, percent)| (pid, Ratio(f64::from(percent.min(100)) / 100.0)))
            .collect(),
        mhz: reading.mhz.map(u64::from),
        held_by: reading.held_by.join(", "),
    }
}
