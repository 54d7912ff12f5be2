//! What the sensors say about the machine: one sample per tick.

mod bandwidth;
pub mod other_processes;
mod process;
pub mod readings;
pub mod remote;
mod rpc;
pub(crate) mod snapshot;

pub use bandwidth::Bandwidth;
pub use process::Process;
pub use rpc::{RpcDevice, RpcMachine};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Grade};
use crate::machine::other_processes::OtherProcess;
use crate::moment::Moment;
use crate::units::{Bytes, Celsius, Joules, Ratio, Watts};

/// All readings of one tick.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// When it was taken.
    #[serde(skip)]
    pub at: Moment,
    /// Time since the sample before; zero in the first.
    pub elapsed: Duration,
    /// Name of the host, its processor and its system, for the Machine screen's head.
    pub host: Host,
    /// Busy share over all cores; `None` in the first sample, for it takes two readings.
    pub cpu: Option<Ratio>,
    /// Each core.
    pub cores: Vec<Core>,
    /// What holds the processor's clock down.
    pub limits: Limits,
    /// Main memory, as far as this program may use it; `None` where the system does not report it.
    pub memory: Option<Memory>,
    /// What of the machine this program may use.
    pub allowed: Allowed,
    /// How long tasks wait for what is scarce.
    pub pressure: Pressure,
    /// Mounted disks, real ones only.
    pub disks: Vec<Disk>,
    /// Network traffic; `None` in the first sample, and if the system doesn't report it.
    pub network: Option<Network>,
    /// Temperature sensors.
    pub temperatures: Vec<Temperature>,
    /// GPUs reported by a driver.
    pub gpus: Vec<Gpu>,
    /// Other machines whose devices sessions may use.
    pub rpc: Vec<RpcMachine>,
    /// Power by domain. Domains overlap (a package includes its cores): never add two unless `adds` is set.
    pub power: Vec<Power>,
    /// The processes that were asked for: our workers, by id.
    pub processes: Vec<Process>,
    /// Processes of other programs that run or train models.
    pub foreign: Vec<OtherProcess>,
    /// taffrail itself; `None` where the system does not show it.
    pub own: Option<Process>,
    /// Every source with its state, found or missing.
    pub sources: Vec<Source>,
}

/// What the machine is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Processor model.
    pub processor: String,
    /// Operating system and version.
    pub system: String,
    /// The drivers of GPUs, each with its version.
    #[serde(default)]
    pub drivers: Vec<String>,
}

/// One core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Core {
    /// Busy share; `None` in the first sample, for it takes two readings.
    pub usage: Option<Ratio>,
    /// Clock in MHz; `None` if the system doesn't report it.
    pub mhz: Option<u64>,
}

/// What of the machine this program may use, where something bounds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowed {
    /// Threads that may run at the same time, as `nproc` counts them; `None` if the system doesn't report it.
    pub threads: Option<u32>,
    /// What limits them to fewer than the cores, such as `CPU affinity`; empty if nothing does.
    pub threads_by: String,
    /// What makes the memory less than the machine's.
    pub memory: Option<MemoryLimit>,
}

/// A limit of memory that is not the machine's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryLimit {
    /// What sets it, such as `cgroup memory.max`.
    pub by: String,
    /// What the machine has.
    pub total: Bytes,
    /// What of that is available on the machine.
    pub available: Bytes,
}

impl Allowed {
    /// How many of the machine's cores may be used, and why not all; `None` where all may.
    pub fn fewer_threads(&self, n_cores: usize) -> Option<String> {
        let threads = self.threads.filter(|threads| (*threads as usize) < n_cores)?;
        Some(format!("{threads} usable ({})", self.threads_by))
    }

    /// What limits the memory; `None` if nothing does.
    pub fn less_memory(&self) -> Option<String> {
        let MemoryLimit { by, total, .. } = self.memory.as_ref()?;
        Some(format!("limited by {by}, the machine has {total}"))
    }
}

/// Recordings of earlier versions have 0 where the memory was not reported.
fn zero_is_unknown<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    Ok(Option::<Bytes>::deserialize(deserializer)?.filter(|total| *total > Bytes(0)))
}

impl Gpu {
    /// Used and total memory, if the driver reports both.
    pub fn memory(&self) -> Option<(Bytes, Bytes)> {
        self.memory_used.zip(self.memory_total)
    }

    /// What of its memory is free.
    pub fn free_memory(&self) -> Option<Bytes> {
        self.memory().map(|(used, total)| total.saturating_sub(used))
    }
}

impl Memory {
    /// What is not available.
    pub fn in_use(&self) -> Bytes {
        self.total.saturating_sub(self.available)
    }
}

/// What a speed depends on besides the model and the program: processor, system, GPUs with their drivers.
pub fn driver(sample: &Sample) -> String {
    let mut parts = vec![sample.host.processor.clone(), sample.host.system.clone()];
    parts.extend(sample.gpus.iter().map(|gpu| gpu.name.clone()));
    parts.extend(sample.host.drivers.iter().cloned());
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

impl Sample {
    /// Main memory that may be taken: none where it is unknown, so that a session must be forced to start.
    pub fn available_memory(&self) -> Bytes {
        self.memory.map_or(Bytes(0), |memory| memory.available)
    }

    /// Threads that may run at the same time; at least one.
    pub fn threads(&self) -> u32 {
        let cores = u32::try_from(self.cores.len()).unwrap_or(u32::MAX);
        self.allowed.threads.unwrap_or(cores).max(1)
    }
}

/// What throttles the processor's clock. `None` if the system doesn't report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// How often heat throttled a core or a package since the reading before.
    pub n_throttled: Option<u64>,
    /// The highest clock that is allowed, in MHz.
    pub allowed_mhz: Option<u64>,
    /// The highest clock that the processor has, in MHz.
    pub highest_mhz: Option<u64>,
}

/// The share of the last ten seconds in which some task waited; `None` if the system doesn't report it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say what was waited for")]
pub struct Pressure {
    pub cpu: Option<Ratio>,
    pub memory: Option<Ratio>,
    pub io: Option<Ratio>,
}

/// Main memory and swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the kernel's own terms; available counts what can be reclaimed")]
pub struct Memory {
    pub total: Bytes,
    pub available: Bytes,
    pub used: Bytes,
    pub swap_total: Bytes,
    pub swap_used: Bytes,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// Device name.
    pub name: String,
    /// Where it is mounted.
    pub mount: String,
    /// Its size.
    pub total: Bytes,
    /// What is free to this user.
    pub free: Bytes,
    /// Bytes read per second since the reading before; `None` at the first.
    pub read: Option<Bytes>,
    /// Bytes written per second since the reading before; `None` at the first.
    pub written: Option<Bytes>,
}

/// Traffic with other machines, bytes per second since the reading before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// What came in; `None` where it was not counted.
    pub received: Option<Bytes>,
    /// What went out; `None` where it was not counted.
    pub sent: Option<Bytes>,
}

/// A temperature sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// The driver's label.
    pub label: String,
    /// The reading.
    pub celsius: Celsius,
    /// The critical temperature, if the driver reports it.
    pub critical: Option<Celsius>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Index by its driver.
    pub index: u32,
    /// The card's name.
    pub name: String,
    /// Busy share.
    pub usage: Figure<Ratio>,
    /// Its memory; `None` where the driver does not report it, as on chips that share the main memory.
    #[serde(deserialize_with = "zero_is_unknown")]
    pub memory_total: Option<Bytes>,
    /// Memory in use by all processes; as above.
    pub memory_used: Option<Bytes>,
    /// Temperature.
    pub temperature: Option<Celsius>,
    /// Memory use by process. If the driver reports only the processes it was asked for, the others' memory is listed
    /// under process 0.
    pub processes: Vec<(u32, Bytes)>,
    /// Share of its time by process, if the driver reports it; idle processes are absent.
    pub shares: Vec<(u32, Ratio)>,
    /// Its clock in MHz, if the driver reports it.
    pub mhz: Option<u64>,
    /// What throttles its clock, such as `heat`; empty if nothing does, or it is not reported.
    pub held_by: String,
}

/// What a power reading covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// A processor package, by number.
    Package(u32),
    /// Part of a package: cores, uncore.
    PackagePart(String),
    /// Memory modules.
    Dram(u32),
    /// A GPU, by index.
    Gpu(u32),
    /// The whole platform as the processor vendor meters it.
    Platform,
    /// The whole machine, from its discharging battery.
    Battery,
    /// A rail, a supply or the whole board, by the label of its meter.
    Meter(String),
}

/// Power of one domain over the last tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Power {
    /// What it covers.
    pub domain: Domain,
    /// Its name by the driver, such as `package-0`.
    pub name: String,
    /// Mean power over the tick.
    pub watts: Figure<Watts>,
    /// Energy over the tick where a counter gives it, else power x time.
    pub energy: Option<Joules>,
    /// What its counter shows, where one goes on without this program: joules since its driver was loaded or it last
    /// wrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Joules>,
    /// Whether it may be summed with the others that say so: packages, DRAM and GPUs don't overlap.
    pub adds: bool,
}

/// A source of readings, and how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, such as `powercap`.
    pub name: String,
    /// What it covers, such as `processor energy`.
    pub covers: String,
    /// Its reading as text with grade, or why there is none and what to do.
    pub reading: Figure<String>,
    /// How often it is read.
    pub period: Duration,
    /// How old its reading was when the sample was taken.
    pub age: Duration,
}

/// A source is late after this many periods.
const LATE: u32 = 3;

impl Source {
    /// Whether its reading is so old that a new one is overdue.
    pub fn is_late(&self) -> bool {
        self.age > self.period * LATE && self.period > Duration::ZERO
    }
}

impl Sample {
    /// The power of everything that is metered without overlap; `None` if nothing is.
    pub fn total_power(&self) -> Option<Watts> {
        let mut all = self.power.iter().filter(|p| p.adds).filter_map(|p| p.watts.value()).peekable();
        all.peek()?;
        Some(Watts(all.map(|w| w.0).sum()))
    }

    /// That power with the worst grade of its parts.
    pub fn total(&self) -> Option<(Watts, Grade)> {
        let grades = self.power.iter().filter(|power| power.adds).filter_map(|power| power.watts.grade());
        Some((self.total_power()?, grades.max()?))
    }

    /// What that power covers, as `[gpu+cpu]`.
    pub fn boundary(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for power in self.power.iter().filter(|power| power.adds && power.watts.value().is_some()) {
            let part = match power.domain {
                Domain::Gpu(_) => "gpu",
                Domain::Package(_) | Domain::PackagePart(_) => "cpu",
                Domain::Dram(_) => "dram",
                Domain::Platform => "platform",
                Domain::Battery | Domain::Meter(_) => "machine",
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        format!("[{}]", parts.join("+"))
    }

    /// The remedy that would reveal most of what is unknown here, in a sentence; `None` if power is known, or nothing helps.
    pub fn best_remedy(&self, energy: &crate::settings::Energy) -> Option<String> {
        if self.total().is_some() {
            return None;
        }
        let is_virtual = self.sources.iter().any(|source| match &source.reading {
            Figure::Unknown { reason, .. } => reason.contains("virtual machine"),
            Figure::Known { .. } => false,
        });
        match self.why_no_power() {
            // No counter will appear in there, but an estimate can.
            (_, remedy) if is_virtual || remedy.is_none() => {
                energy.tdp_watts.is_none().then(|| "set energy.tdp_watts in config.toml for an estimate".to_owned())
            }
            (reason, remedy) => remedy.map(|remedy| format!("{remedy} ({reason})")),
        }
    }

    /// Why power is unknown, and the remedy: from the first source that could report it and has a remedy.
    pub fn why_no_power(&self) -> (String, Option<String>) {
        let of_power = self.power.iter().filter_map(|power| match &power.watts {
            Figure::Unknown { reason, remedy } => Some((reason.clone(), remedy.clone())),
            Figure::Known { .. } => None,
        });
        let of_sources = self.sources.iter().filter_map(|source| match &source.reading {
            Figure::Unknown { reason, remedy }
                if source.covers.contains("power") || source.covers.contains("energy") =>
            {
                Some((format!("{}: {reason}", source.name), remedy.clone()))
            }
            _ => None,
        });
        let mut all: Vec<_> = of_power.chain(of_sources).collect();
        let best = all.iter().position(|(_, remedy)| remedy.is_some()).unwrap_or(0);
        if all.is_empty() { ("no sensor was found".to_owned(), None) } else { all.swap_remove(best) }
    }
}
