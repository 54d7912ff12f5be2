//! Processor and memory usage of the watched processes and of taffrail itself.
//!
//! All processes are never listed here; only the requested ones are read, which costs two small files each. In
//! addition, the shared memory of one of our processes in turn is read every few seconds; for this the kernel walks all
//! of its pages.

use std::collections::HashMap;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::files::Files;
use super::{Tick, missing};
use domain::figure::Figure;
use domain::machine::{Process, Sample};
use domain::units::{Bytes, Ratio};

/// The last reading of each process.
#[derive(Default)]
pub(super) struct Processes {
    before: HashMap<u32, Reading>,
    /// The shared memory of each of our processes, and when it was last read.
    parts: HashMap<u32, (Duration, Parts)>,
    looked_at: Option<Duration>,
}

/// How a process's memory is divided, from `smaps_rollup` (`proc_pid_smaps_rollup(5)`).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Parts {
    shared: Bytes,
    proportional: Bytes,
}

/// The time between two readings of shared memory: the kernel takes some milliseconds per gigabyte.
const PARTS_PERIOD: Duration = Duration::from_secs(10);

/// A process as reported by Linux (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reading {
    at: Duration,
    /// User and kernel time of all threads, in clock ticks.
    ticks: u64,
    /// The start time in clock ticks after boot; distinguishes a reused process id.
    started: u64,
}

impl Processes {
    /// Read from `/proc`. `busy` is the time of all processes since the previous tick, in clock ticks.
    pub(super) fn linux(&mut self, tick: &Tick<'_>, busy: Option<u64>, sample: &mut Sample) {
        let uptime = tick.files.text("proc/uptime").ok();
        let uptime = uptime.and_then(|text| text.split_ascii_whitespace().next()?.parse::<f64>().ok());
        self.divide(tick);
        let mut now = HashMap::with_capacity(tick.pids.len());
        let read = tick.pids.iter().chain(tick.foreign).filter_map(|pid| {
            let (reading, process) = self.process(tick, *pid, busy, uptime)?;
            now.insert(*pid, reading);
            Some(process)
        });
        place(tick, read.collect(), "/proc", sample);
        self.before = now;
    }

    /// Read the memory breakdown of the one of our processes whose breakdown is the oldest.
    fn divide(&mut self, tick: &Tick<'_>) {
        self.parts.retain(|pid, _| tick.pids.contains(pid));
        let is_due = self.looked_at.is_none_or(|at| tick.at < at || tick.at.saturating_sub(at) >= PARTS_PERIOD);
        // The first is taffrail itself.
        let workers = tick.pids.iter().skip(1);
        let next = workers.min_by_key(|pid| self.parts.get(pid).map(|(at, _)| *at));
        let Some(pid) = next.copied().filter(|pid| is_due || !self.parts.contains_key(pid)) else { return };
        self.looked_at = Some(tick.at);
        if let Some(parts) = parts(tick.files, pid) {
            self.parts.insert(pid, (tick.at, parts));
        }
    }

    /// One process; `None` if it has ended.
    fn process(&self, tick: &Tick<'_>, pid: u32, busy: Option<u64>, uptime: Option<f64>) -> Option<(Reading, Process)> {
        let (ticks, started) = stat(&tick.files.text(&format!("proc/{pid}/stat")).ok()?)?;
        let reading = Reading { at: tick.at, ticks, started };
        let mut process = memory(tick.files, pid)?;
        if let Some((_, parts)) = self.parts.get(&pid) {
            process.shared = Some(parts.shared.min(process.resident));
            process.proportional = Some(parts.proportional);
        }
        let per_second = clock_ticks_per_second() as f64;
        let before = self.before.get(&pid).filter(|before| before.started == started && before.ticks <= ticks);
        let (spent, over) = match before {
            Some(before) => (ticks - before.ticks, tick.at.saturating_sub(before.at).as_secs_f64()),
            None => (ticks, uptime.map_or(0.0, |uptime| uptime - started as f64 / per_second)),
        };
        process.cpu_seconds = Some(ticks as f64 / per_second);
        if over > 0.0 {
            process.cores = spent as f64 / per_second / over;
        }
        // For a new process, its time is attributed to this tick up to its age. Both counts are rounded to ticks
        // independently, so a share above 1 is a rounding error.
        process.cpu_share =
            before.and(busy).map(|busy| Ratio(if busy == 0 { 0.0 } else { (spent as f64 / busy as f64).min(1.0) }));
        Some((reading, process))
    }

    /// Read from sysinfo, where there is no `/proc`. `system` has just refreshed its processors.
    pub(super) fn portable(&mut self, tick: &Tick<'_>, system: &mut System, sample: &mut Sample) {
        let pids: Vec<_> = tick.pids.iter().copied().map(Pid::from_u32).collect();
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
        let busy = sample.cpu.map(|cpu| cpu.0 * sample.cores.len() as f64);
        let mut now = HashMap::with_capacity(tick.pids.len());
        let read = tick.pids.iter().filter_map(|pid| {
            let process = system.process(Pid::from_u32(*pid))?;
            let started = process.start_time();
            now.insert(*pid, Reading { at: tick.at, ticks: 0, started });
            let seen = self.before.get(pid).is_some_and(|before| before.started == started);
            let cores = f64::from(process.cpu_usage()) / 100.0;
            let share = busy.filter(|busy| seen && *busy > 0.0).map(|busy| Ratio((cores / busy).min(1.0)));
            let resident = Bytes(process.memory());
            let anonymous = resident;
            Some(Process { pid: *pid, cores, cpu_share: share, resident, anonymous, ..Process::default() })
        });
        place(tick, read.collect(), "the system", sample);
        self.before = now;
    }
}

/// Add the processes to the sample, with ours separate.
fn place(tick: &Tick<'_>, mut read: Vec<Process>, source: &str, sample: &mut Sample) {
    let own = tick.pids.first().copied().unwrap_or_default();
    let reading = if let Some(at) = read.iter().position(|process| process.pid == own) {
        sample.own = Some(read.remove(at));
        let n_workers = read.iter().filter(|process| !tick.foreign.contains(&process.pid)).count();
        let workers = if n_workers == 1 { "1 worker".to_owned() } else { format!("{n_workers} workers") };
        Figure::measured(format!("taffrail and {workers}"), source)
    } else {
        missing("the system doesn't show this process", "mount `/proc` without `hidepid` or `subset`")
    };
    sample.processes = read;
    sample.sources.push(tick.row("processes", "time and memory of the workers", reading));
}

/// User plus kernel time, and the start time, in clock ticks; `None` for a process that has ended.
fn stat(text: &str) -> Option<(u64, u64)> {
    // The name is in parentheses and may contain any character, including parentheses.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((field(11)?.saturating_add(field(12)?), field(19)?))
}

fn memory(files: &dyn Files, pid: u32) -> Option<Process> {
    let text = files.text(&format!("proc/{pid}/status")).ok()?;
    let field = |name: &str| kibibytes(&text, name);
    let resident = field("VmRSS")?;
    Some(Process {
        pid,
        resident,
        anonymous: field("RssAnon").unwrap_or(resident),
        swapped: field("VmSwap").unwrap_or_default(),
        shared: field("RssFile").map(|file| file + field("RssShmem").unwrap_or_default()),
        ..Process::default()
    })
}

fn parts(files: &dyn Files, pid: u32) -> Option<Parts> {
    let text = files.text(&format!("proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| kibibytes(&text, name);
    let shared = field("Shared_Clean")? + field("Shared_Dirty").unwrap_or_default();
    Some(Parts { shared, proportional: field("Pss")? })
}

/// The value of a line such as `VmRSS: 2000 kB`.
fn kibibytes(text: &str, name: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| Bytes(kibibytes.saturating_mul(1024)))
}
