//! Other programs' processes that run or train models.
//!
//! All processes are scanned every few seconds, one small file each. Command lines are read for new processes. Mapped
//! files are read for processes that are new or have grown, a few per scan, since the kernel takes a millisecond to
//! list those of a large process. Their processor and memory usage is then read together with our own workers at every
//! tick. `domain::machine::other_processes` decides which processes are listed.

use std::collections::HashMap;
use std::time::Duration;

use crate::telemetry::{Files, Root, Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::other_processes::{Clue, OtherProcess, identify};
use domain::machine::{self, Process, Sample};
use domain::units::Bytes;

/// The source.
#[derive(Default)]
pub(in crate::telemetry) struct Others {
    seen: HashMap<u32, Seen>,
    found: Vec<OtherProcess>,
    read_at: Option<Duration>,
    n_processes: usize,
    round: u32,
}

pub(in crate::telemetry) const COVERS: &str = "other programs' models";
/// The time between two scans of all processes, per [`SHARE`] of them: 500 small files take five milliseconds.
const PERIOD: Duration = Duration::from_secs(3);
const SHARE: usize = 500;
/// Kernel threads are checked again every this many scans, since their ids may have been reused by programs.
const KERNEL_ROUNDS: u32 = 20;
/// The maximum number of lists of mapped files read per scan; the rest is read in later scans.
const MAX_LISTS: usize = 8;
/// The same for the first scan, which finds the running processes: a command scans only once, and this source has its
/// own thread. At a millisecond each, this takes a quarter of a second.
const MAX_FIRST_LISTS: usize = 256;
/// A process whose address space grew by this many bytes may have mapped a model since.
const GROWTH: u64 = 8 << 20;
/// A process with less resident memory runs no model; an interpreter alone uses more. In bytes.
const SMALLEST: u64 = 1 << 20;
/// The maximum number of rows, more than a user would read.
const MAX_FOUND: usize = 64;
/// The maximum number of arguments of a command line, and bytes of each, that are inspected.
const MAX_ARGUMENTS: usize = 128;
const MAX_ARGUMENT: usize = 4096;
/// The maximum number of distinct files of a process.
const MAX_FILES: usize = 4096;

/// The state of a process between scans.
struct Seen {
    name: String,
    started: u64,
    parent: u32,
    /// The size of its address space when it was inspected, in bytes; `None` while it is queued.
    looked_at: Option<u64>,
    holds_gpu: bool,
    finding: Option<Finding>,
}

struct Finding {
    engine: String,
    model: Option<String>,
    mapped: Bytes,
    closed: bool,
}

/// The fields of `proc_pid_stat(5)` that are needed.
struct Stat {
    name: String,
    parent: u32,
    started: u64,
    /// Address space, bytes.
    size: u64,
    /// Resident, bytes.
    resident: u64,
}

impl Source for Others {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let period = PERIOD * (1 + self.n_processes / SHARE) as u32;
        let due = self.read_at.is_none_or(|at| tick.at < at || tick.at.saturating_sub(at) >= period);
        if due {
            self.read_at = Some(tick.at);
            self.round(tick);
        }
        let n_closed = self.found.iter().filter(|foreign| foreign.closed).count();
        let reading = match (self.n_processes, self.found.len()) {
            (0, _) => missing("the system does not list its processes", "mount `/proc` without `hidepid`"),
            (_, 0) => Figure::measured("none runs".to_owned(), "/proc"),
            (_, n) => {
                let closed = if n_closed > 0 { format!(" · {n_closed} of another user") } else { String::new() };
                Figure::measured(format!("{n} found{closed}"), "/proc")
            }
        };
        sample.foreign.extend(self.found.iter().cloned());
        let age = self.read_at.map_or(Duration::ZERO, |at| tick.at.saturating_sub(at));
        let row = tick.row("foreign", COVERS, reading);
        sample.sources.push(machine::Source { period: period.max(tick.interval), age, ..row });
    }
}

impl Others {
    fn round(&mut self, tick: &Tick<'_>) {
        let names = tick.files.names("proc").unwrap_or_default();
        let pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        self.n_processes = pids.len();
        self.round = self.round.wrapping_add(1);
        let own = tick.pids.first().copied().unwrap_or_default();
        let mut before = std::mem::take(&mut self.seen);
        let most = if self.round == 1 { MAX_FIRST_LISTS } else { MAX_LISTS };
        let mut n_lists = 0;
        self.found.clear();
        for pid in pids {
            let known = before.remove(&pid);
            let is_kernel = known.as_ref().is_some_and(|known| known.parent == KERNEL || pid == KERNEL);
            if is_kernel && !self.round.is_multiple_of(KERNEL_ROUNDS) {
                self.seen.extend(known.map(|known| (pid, known)));
                continue;
            }
            let Some((stat, mut seen)) = before_of(known, pid, tick) else { continue };
            // Our processes have their own rows, or are about to.
            if tick.pids.contains(&pid) || stat.parent == own {
                continue;
            }
            let is_grown = seen.looked_at.is_none_or(|size| stat.size > size.saturating_add(GROWTH));
            if is_grown && stat.parent != KERNEL && stat.resident >= SMALLEST && n_lists < most {
                n_lists += 1;
                seen.finding = look(tick.files, pid, &seen);
                seen.looked_at = Some(stat.size);
            }
            if let Some(finding) = seen.finding.as_ref().filter(|_| self.found.len() < MAX_FOUND) {
                self.found.push(OtherProcess {
                    process: Process { pid, ..Process::default() },
                    started: seen.started,
                    engine: finding.engine.clone(),
                    model: finding.model.clone(),
                    mapped: finding.mapped,
                    closed: finding.closed,
                    ..OtherProcess::default()
                });
            }
            self.seen.insert(pid, seen);
        }
    }
}

/// The kernel's own threads have this parent.
const KERNEL: u32 = 2;

/// The current state of a process, and its earlier state; `None` if it has ended. The earlier state of a different
/// process with the same id, or from before an `exec`, is discarded.
fn before_of(known: Option<Seen>, pid: u32, tick: &Tick<'_>) -> Option<(Stat, Seen)> {
    let stat = stat(&tick.files.text(&format!("proc/{pid}/stat")).ok()?)?;
    let holds_gpu = tick.tenants.contains(&pid);
    let same =
        known.filter(|seen| seen.started == stat.started && seen.name == stat.name && (seen.holds_gpu || !holds_gpu));
    let seen = same.unwrap_or_else(|| Seen {
        name: stat.name.clone(),
        started: stat.started,
        parent: stat.parent,
        looked_at: None,
        holds_gpu,
        finding: None,
    });
    Some((stat, seen))
}

fn stat(text: &str) -> Option<Stat> {
    // The name is in parentheses and may contain any character, including parentheses.
    let (name, rest) = text.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        parent: u32::try_from(field(1)?).ok()?,
        started: field(19)?,
        size: field(20)?,
        resident: field(21)?.saturating_mul(rustix::param::page_size() as u64),
    })
}

/// Identify a process by its command line, its executable and its files.
fn look(files: &dyn Files, pid: u32, seen: &Seen) -> Option<Finding> {
    let line = files.bytes(&format!("proc/{pid}/cmdline")).unwrap_or_default();
    let arguments: Vec<String> = line
        .split(|byte| *byte == 0)
        .take(MAX_ARGUMENTS)
        .map(|bytes| String::from_utf8_lossy(bytes.get(..MAX_ARGUMENT).unwrap_or(bytes)).into_owned())
        .filter(|argument| !argument.is_empty())
        .collect();
    // Another user's executable is not readable; its command line is, and starts with the name.
    let executable = files.link(&format!("proc/{pid}/exe"));
    let executable = executable.ok().or_else(|| arguments.first().cloned()).unwrap_or_default();
    let maps = files.bytes(&format!("proc/{pid}/maps"));
    let closed = maps.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    let mapped = mapped(&maps.unwrap_or_default());
    let clue = Clue {
        name: &seen.name,
        executable: &executable,
        arguments: &arguments,
        mapped: &mapped,
        holds_gpu: seen.holds_gpu,
    };
    let (engine, model, mapped) = identify(&clue)?;
    Some(Finding { engine, model, mapped, closed })
}

/// Files by path, with their size in the address space: `proc_pid_maps(5)`.
fn mapped(maps: &[u8]) -> Vec<(String, u64)> {
    let mut files: HashMap<String, u64> = HashMap::new();
    for line in maps.split(|byte| *byte == b'\n') {
        // Anonymous memory and `[heap]` have no path.
        let Some(at) = line.iter().position(|byte| *byte == b'/') else { continue };
        let (head, path) = line.split_at(at);
        let head = String::from_utf8_lossy(head);
        let Some((from, to)) = head.split_once(' ').and_then(|(range, _)| range.split_once('-')) else { continue };
        let (Ok(from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        let path = String::from_utf8_lossy(path).into_owned();
        if files.len() < MAX_FILES || files.contains_key(&path) {
            let length = files.entry(path).or_default();
            *length = length.saturating_add(to.saturating_sub(from));
        }
    }
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable();
    files
}

/// Move the figures of foreign processes from the list of all processes to their entries. A process without figures has
/// ended since it was found, or will have figures at the next tick.
pub(in crate::telemetry) fn join(sample: &mut Sample) {
    let mut found = std::mem::take(&mut sample.foreign);
    found.retain_mut(|foreign| {
        let at = sample.processes.iter().position(|process| process.pid == foreign.process.pid);
        if let Some(at) = at {
            foreign.process = sample.processes.remove(at);
        }
        let mut parts = sample.gpus.iter().flat_map(|gpu| &gpu.processes).peekable();
        let mine = |part: &&(u32, Bytes)| part.0 == foreign.process.pid;
        let held: Vec<Bytes> = parts.by_ref().filter(mine).map(|(_, bytes)| *bytes).collect();
        foreign.gpu_memory = (!held.is_empty()).then(|| held.into_iter().sum());
        at.is_some()
    });
    sample.foreign = found;
}

/// The signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSignal {
    /// The process may clean up first.
    Terminate,
    /// The kernel ends it at once.
    Kill,
}

/// Send a foreign process a signal. The start time ensures that no other process with a reused id receives it.
///
/// # Errors
///
/// A sentence: the process has already ended, it belongs to another user, or the system can't identify a process
/// reliably.
#[cfg(target_os = "linux")]
pub fn signal(pid: u32, started: u64, end_signal: EndSignal) -> Result<(), String> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let gone = || format!("process {pid} has ended already");
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // From here on the descriptor refers to this process, so the check below has no race.
    let process = pidfd_open(raw, PidfdFlags::empty()).map_err(|error| match error {
        rustix::io::Errno::SRCH => gone(),
        error => format!("process {pid} can't be reached: {error}"),
    })?;
    let now = Root("/".into()).text(&format!("proc/{pid}/stat")).ok().and_then(|text| stat(&text));
    let now = now.filter(|now| now.started == started).ok_or_else(gone)?;
    let own = std::process::id();
    if pid == own || now.parent == own {
        return Err(format!("process {pid} is taffrail's own"));
    }
    let signal = match end_signal {
        EndSignal::Terminate => Signal::TERM,
        EndSignal::Kill => Signal::KILL,
    };
    pidfd_send_signal(process, signal).map_err(|error| match error {
        rustix::io::Errno::SRCH => gone(),
        rustix::io::Errno::PERM => format!("process {pid} belongs to another user"),
        error => format!("process {pid} could not be signalled: {error}"),
    })
}

/// On other systems a process can't be distinguished from a later one with the same id.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn signal(pid: u32, _started: u64, _wish: EndSignal) -> Result<(), String> {
    Err(format!("process {pid} can't be named for good on this system"))
}
