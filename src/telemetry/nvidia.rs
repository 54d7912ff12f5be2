//! NVIDIA's GPUs: use, memory, temperature, power, and who uses them.
//!
//! A GPU that sleeps is left alone: the kernel is asked for its state first, and the driver only for those awake.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counter::{Bounds, Counter};
use super::driver::{Closed, Driver, Reading};
use super::{Source, Tick, label, missing};
use crate::core::figure::Figure;
use crate::core::machine::{Domain, Gpu, Power, Sample};
use crate::core::units::{Bytes, Celsius, Joules, Ratio, Watts};

/// The GPUs' source.
pub(super) struct Nvidia {
    driver: Box<dyn Driver>,
    /// What the last try to open the driver gave, and when it was.
    closed: Option<(Duration, Closed)>,
    /// By PCI address.
    meters: BTreeMap<String, Meter>,
    /// The first sample is past.
    begun: bool,
}

/// The last readings of one GPU's meters.
#[derive(Default)]
struct Meter {
    counter: Counter,
    power: Option<(Duration, Watts)>,
}

const DEVICES: &str = "sys/bus/pci/devices";
const COVERS: &str = "NVIDIA GPUs";
/// Time until a driver that could not be opened is tried again.
const RETRY: Duration = Duration::from_mins(1);
/// No card draws more.
const MOST: Watts = Watts(2000.0);
/// What a card may exceed its limit by, for the limit holds on average only.
const TOLERANCE: f64 = 1.5;

/// What the kernel says about a card.
#[derive(Debug, PartialEq, Eq)]
struct Card {
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
    pub(super) fn new(driver: Box<dyn Driver>) -> Self {
        Self { driver, closed: None, meters: BTreeMap::new(), begun: false }
    }

    fn gpus(&mut self, tick: &Tick<'_>, sample: &mut Sample) -> Figure<String> {
        // Its first call may take a second, and whoever waits for the first sample waits for the memory's figures.
        if !std::mem::replace(&mut self.begun, true) {
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
        // Where the kernel lists none, as on Windows and in WSL, the driver does.
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
                    sample.power.push(meter.power(tick, &reading));
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
            (0, Some(lost)) => missing(lost, "`sudo dmesg | grep -i nvrm` tells why; a restart brings it back"),
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

/// NVIDIA's display controllers as the kernel lists them.
fn cards(tick: &Tick<'_>) -> Vec<Card> {
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

/// Why there is nothing to read.
fn unopened(closed: Closed, has_card: bool) -> Figure<String> {
    match closed {
        Closed::Missing if has_card => {
            missing("no NVIDIA driver library found, though there is a card", "install NVIDIA's driver")
        }
        Closed::Missing => Figure::unknown("no NVIDIA driver library found"),
        Closed::Broken(error) => missing(
            format!("NVIDIA's driver does not answer: {}", label(&error)),
            "`nvidia-smi` tells more; after an update of the driver, restart the machine",
        ),
    }
}

impl Meter {
    /// The power by the energy counter, else by the power meter.
    fn power(&mut self, tick: &Tick<'_>, reading: &Reading) -> Power {
        let limit = reading.limit.filter(|limit| *limit > 0).map(|milliwatts| Watts(milliwatts as f64 / 1000.0));
        let most = Watts(limit.map_or(MOST.0, |limit| limit.0 * TOLERANCE));
        let name = format!("gpu-{}", reading.index);
        let begun = self.counter.has_begun();
        let counted = reading
            .energy
            .map(|millijoules| self.counter.advance(tick.at, millijoules, Bounds { unit: 1e-3, range: None, most }));
        let (metered, between) = self.metered(tick, reading, most);
        let (watts, energy) = if let Some(Ok(spent)) = counted {
            (Figure::measured(spent.watts, format!("nvml energy {name}")), Some(spent.energy))
        } else {
            // A counter that lags would tell once more what the power meter tells now: it begins anew.
            if begun && metered.is_ok() {
                self.counter = Counter::default();
            }
            let source = format!("nvml power {name}");
            (metered.map_or_else(Figure::unknown, |watts| Figure::measured(watts, source)), between)
        };
        Power { domain: Domain::Gpu(reading.index), name, watts, energy, adds: true }
    }

    /// The power meter, and the energy since its last reading.
    fn metered(&mut self, tick: &Tick<'_>, reading: &Reading, most: Watts) -> (Result<Watts, String>, Option<Joules>) {
        let before = self.power.take();
        let watts = match reading.power.map(|milliwatts| Watts(milliwatts as f64 / 1000.0)) {
            None | Some(Watts(0.0)) => return (Err("the card tells no power".to_owned()), None),
            Some(watts) if watts.0 > most.0 => {
                return (Err(format!("dropped a reading of {watts}: more than {most} can't be")), None);
            }
            Some(watts) => watts,
        };
        self.power = Some((tick.at, watts));
        let energy = before.and_then(|(at, before)| {
            let elapsed = tick.at.checked_sub(at).filter(|elapsed| !elapsed.is_zero())?;
            Some(Joules(f64::midpoint(before.0, watts.0) * elapsed.as_secs_f64()))
        });
        (Ok(watts), energy)
    }
}

fn gpu(reading: Reading) -> Gpu {
    let usage = match reading.usage {
        Some(percent) => Figure::measured(Ratio(f64::from(percent.min(100)) / 100.0), "nvml"),
        None => Figure::unknown("the card does not tell"),
    };
    let (total, used) = reading.memory.unwrap_or_default();
    Gpu {
        index: reading.index,
        name: label(&reading.name),
        usage,
        memory_total: Bytes(total),
        memory_used: Bytes(used),
        temperature: reading.temperature.map(|celsius| Celsius(celsius as f32)),
        processes: reading.processes.into_iter().map(|(pid, bytes)| (pid, Bytes(bytes))).collect(),
    }
}
