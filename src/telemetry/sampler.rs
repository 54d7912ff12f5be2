//! The sampler: reads every source in turn; and the thread that does so at a constant rate.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sysinfo::System;

use super::background_source::BackgroundSource;
use super::driver::{self, Driver};
use super::{Files, Root, Source, Tick, label};
use crate::telemetry::sources::allowed::Bounds;
use crate::telemetry::sources::amdgpu::Amdgpu;
use crate::telemetry::sources::battery::{self, Battery};
use crate::telemetry::sources::cpu::Cpu;
use crate::telemetry::sources::disks::{self, MountedDisks};
use crate::telemetry::sources::foreign::{self, Others};
use crate::telemetry::sources::hwmon::{self, Meters};
use crate::telemetry::sources::intel::Intel;
use crate::telemetry::sources::limits::ClockLimits;
use crate::telemetry::sources::memory::MainMemory;
use crate::telemetry::sources::network::Interfaces;
use crate::telemetry::sources::nvidia::{self, Nvidia};
use crate::telemetry::sources::perf::{self, Events, Perf};
use crate::telemetry::sources::powercap::Powercap;
use crate::telemetry::sources::pressure::Pressure;
use crate::telemetry::sources::rpc::{self, RpcMachines};
use crate::telemetry::sources::temperatures::{self, Temperatures};
use crate::telemetry::sources::{amdgpu, intel};
use domain::machine::{Host, Sample};
use domain::moment::Moment;
use domain::settings::RpcServers;

/// Reads the machine. A reading blocks for a few milliseconds, or for a tenth of a second if a driver hangs.
pub struct Sampler {
    files: Arc<dyn Files>,
    interval: Duration,
    /// How long a tick waits for sources that may block.
    patience: Duration,
    sources: Vec<Slot>,
    host: Host,
    is_virtual: bool,
    before: Option<Duration>,
    /// Other programs' processes that were found, and GPU users, as of the previous tick.
    foreign: Vec<u32>,
    tenants: Vec<u32>,
}

/// How a source is read.
enum Slot {
    /// Read inline; it never blocks.
    Here(Box<dyn Source>),
    /// Read on its own thread.
    BackgroundSource(Box<BackgroundSource>),
}

/// A healthy driver answers within some milliseconds; the first call of NVIDIA's takes a second.
const PATIENCE: Duration = Duration::from_millis(100);

/// The interfaces that a machine is read through.
pub(super) struct Access {
    pub(super) files: Arc<dyn Files>,
    pub(super) driver: Box<dyn Driver>,
    pub(super) events: Box<dyn Events>,
    pub(super) bounds: Bounds,
}

/// The minimum interval: meters are not updated more often, and reading them has a cost.
const SHORTEST: Duration = Duration::from_millis(250);

impl Sampler {
    /// A sampler of the machine whose `/proc` and `/sys` are below `root`, which is `/` except in tests; memory and
    /// disks are always those of this machine. `interval` is the sampling interval that the sources report.
    pub fn new(root: PathBuf, interval: Duration) -> Self {
        let access = Access {
            files: Arc::new(Root(root)),
            driver: Box::new(driver::Nvidia::default()),
            events: Box::new(perf::Kernel),
            bounds: Bounds::from_environment(),
        };
        Self::with(access, interval, PATIENCE)
    }

    /// A sampler over these.
    pub(super) fn with(access: Access, interval: Duration, patience: Duration) -> Self {
        let Access { files, driver, events, bounds } = access;
        let cpuinfo = files.text("proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
            line.map(str::trim)
        };
        // ARM kernels do not report the processor's name, but many report the board's.
        let processor = field("model name").or_else(|| field("Model")).map_or_else(System::cpu_arch, ToOwned::to_owned);
        let is_virtual = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
        let host = Host {
            name: label(&System::host_name().unwrap_or_default()),
            processor: label(&processor),
            system: label(&System::long_os_version().unwrap_or_default()),
            drivers: super::drivers::read(&*files),
        };
        // Counters first: the less time between the tick and their reading, the more accurate the power.
        let background_source = |name, covers, source: Box<dyn Source>| {
            Slot::BackgroundSource(Box::new(BackgroundSource::new(name, covers, source, Arc::clone(&files))))
        };
        let sources = vec![
            Slot::Here(Box::new(Perf::new(events))),
            Slot::Here(Box::new(Powercap::default())),
            background_source("nvml", nvidia::COVERS, Box::new(Nvidia::new(driver))),
            background_source("amdgpu", amdgpu::COVERS, Box::<Amdgpu>::default()),
            background_source("intel", intel::COVERS, Box::<Intel>::default()),
            #[cfg(target_os = "macos")]
            background_source(
                "apple",
                crate::telemetry::sources::apple::COVERS,
                Box::new(crate::telemetry::sources::apple::Apple::new(
                    Box::<crate::telemetry::sources::apple::Own>::default(),
                )),
            ),
            background_source("battery", battery::COVERS, Box::<Battery>::default()),
            background_source("hwmon", hwmon::COVERS, Box::<Meters>::default()),
            Slot::Here(Box::new(Cpu::default())),
            Slot::Here(Box::new(ClockLimits::default())),
            Slot::Here(Box::new(MainMemory(System::new().ok()))),
            // After the cores and the memory, which it limits.
            Slot::Here(Box::new(bounds)),
            Slot::Here(Box::new(Pressure)),
            background_source("disks", disks::COVERS, Box::<MountedDisks>::default()),
            Slot::Here(Box::<Interfaces>::default()),
            background_source("foreign", foreign::COVERS, Box::<Others>::default()),
            background_source("temperatures", temperatures::COVERS, Box::<Temperatures>::default()),
        ];
        Self {
            files,
            interval,
            patience,
            sources,
            host,
            is_virtual,
            before: None,
            foreign: Vec::new(),
            tenants: Vec::new(),
        }
    }

    /// Wait this long for sources that may block, for callers that prefer complete figures to a constant rate.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Also query these servers of other machines' devices.
    #[must_use]
    pub fn with_rpc(mut self, servers: &RpcServers) -> Self {
        if !servers.is_empty() {
            let source = Box::new(RpcMachines::new(servers.clone()));
            let files = Arc::clone(&self.files);
            let source = BackgroundSource::new("rpc", rpc::COVERS, source, files);
            self.sources.push(Slot::BackgroundSource(Box::new(source)));
        }
        self
    }

    /// Read all sources. `at` is the current time, and `pids` are the processes to measure besides this one.
    pub fn sample(&mut self, at: Moment, pids: &[u32]) -> Sample {
        let own = std::process::id();
        let all: Vec<u32> = std::iter::once(own).chain(pids.iter().copied().filter(|pid| *pid != own)).collect();
        let before = self.before.replace(at.uptime);
        let elapsed = before.map_or(Duration::ZERO, |before| at.uptime.saturating_sub(before));
        let mut sample = Sample { at, elapsed, host: self.host.clone(), ..Sample::default() };
        let tick = Tick {
            files: &*self.files,
            at: at.uptime,
            interval: self.interval,
            is_virtual: self.is_virtual,
            pids: &all,
            foreign: &self.foreign,
            tenants: &self.tenants,
        };
        // Sources that may block run concurrently with the others.
        for slot in &mut self.sources {
            if let Slot::BackgroundSource(background_source) = slot {
                background_source.ask(&tick);
            }
        }
        let deadline = Instant::now() + self.patience;
        for slot in &mut self.sources {
            match slot {
                Slot::Here(source) => source.read(&tick, &mut sample),
                Slot::BackgroundSource(background_source) => background_source.collect(&tick, deadline, &mut sample),
            }
        }
        self.foreign = sample.foreign.iter().map(|foreign| foreign.process.pid).collect();
        self.tenants = sample.gpus.iter().flat_map(|gpu| &gpu.processes).map(|(pid, _)| *pid).collect();
        foreign::join(&mut sample);
        sample
    }
}

/// The sampling thread. It ends when this is dropped, or when its receiver is closed.
pub struct Thread {
    shared: Arc<Shared>,
}

struct Shared {
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Default)]
struct Orders {
    pids: Vec<u32>,
    ended: bool,
}

impl Shared {
    /// The orders have no invariant that a panic could have violated.
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    /// Measure these processes from the next sample on.
    pub fn watch(&self, pids: Vec<u32>) {
        self.shared.orders().pids = pids;
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.orders().ended = true;
        self.shared.changed.notify_all();
    }
}

/// Sample on a separate thread: at once, then every `interval`, at least 250 ms. `clock` returns the time; `emit`
/// receives a sample and returns whether to continue; `servers` are other machines whose devices sessions may use.
/// Missed ticks are skipped.
///
/// # Errors
///
/// The system can't start another thread.
pub fn spawn(
    root: PathBuf,
    (interval, servers): (Duration, &RpcServers),
    clock: impl Fn() -> Moment + Send + 'static,
    mut emit: impl FnMut(Sample) -> bool + Send + 'static,
) -> io::Result<Thread> {
    let interval = interval.max(SHORTEST);
    let shared = Arc::new(Shared { orders: Mutex::default(), changed: Condvar::new() });
    let orders = Arc::clone(&shared);
    let servers = servers.clone();
    std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
        let mut sampler = Sampler::new(root, interval).with_rpc(&servers);
        let mut due = Instant::now();
        loop {
            let pids = orders.orders().pids.clone();
            if !emit(sampler.sample(clock(), &pids)) {
                return;
            }
            due = next(due, Instant::now(), interval);
            let wait = due.saturating_duration_since(Instant::now());
            let waiting = orders.orders();
            let waited = orders.changed.wait_timeout_while(waiting, wait, |orders| !orders.ended);
            if waited.unwrap_or_else(PoisonError::into_inner).0.ended {
                return;
            }
        }
    })?;
    Ok(Thread { shared })
}

/// The first tick after `now` that is in phase with the tick that was `due`.
fn next(due: Instant, now: Instant, interval: Duration) -> Instant {
    let late = now.saturating_duration_since(due).as_nanos() / interval.as_nanos().max(1);
    due + interval * u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_is_not_made_up_for() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        for (now, then) in [(0, 1000), (3, 1000), (999, 1000), (1000, 2000), (2700, 3000), (3_600_001, 3_601_000)] {
            let next = next(start, start + Duration::from_millis(now), second);
            assert_eq!(next, start + Duration::from_millis(then), "at {now} ms");
        }
    }
}
