//! A machine of known power: a made powercap tree in place of `/sys/class`, in a mount namespace of its own.
//!
//! Its package draws so many watts at rest, and so many more for each busy core, whoever keeps it busy. What a worker is
//! to be charged follows: its own busy cores, and of the rest the share of its processor time in all. Absent: what is
//! run under it (`main`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;

/// What the machine is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Watts at rest.
    pub(crate) idle: f64,
    /// Watts of a busy core.
    pub(crate) core: f64,
    /// Time between two values of the counter.
    pub(crate) update: Duration,
    /// Microjoules at which it wraps.
    pub(crate) range: u64,
    /// Processor packages, which draw alike in parts of 2 to 1 where there are two.
    pub(crate) packages: usize,
    /// A jump back of the counter, as after a reset: when, and by how many joules.
    pub(crate) back: Option<(Duration, f64)>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            idle: 20.0,
            core: 30.0,
            update: Duration::from_millis(2),
            range: 262_143_328_850,
            packages: 1,
            back: None,
        }
    }
}

/// What one worker really did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worked {
    /// The steps in which it was busy.
    steps: Vec<Busy>,
}

/// A step of time in which a worker was busy.
#[derive(Debug, Clone, Copy)]
struct Busy {
    /// How long, in seconds.
    seconds: f64,
    /// Joules that it is to be charged for it.
    joules: f64,
    /// Of these, what the machine would not have drawn without it.
    dynamic: f64,
    /// Joules that the whole machine drew in it.
    machine: f64,
}

/// Mean power while a worker was busy, in watts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mean {
    /// What the worker is to be charged.
    pub(crate) gross: f64,
    /// Of it, what is above idle.
    pub(crate) dynamic: f64,
    /// What the whole machine drew.
    pub(crate) machine: f64,
}

impl Worked {
    /// Mean power while it was busy, in watts.
    pub(crate) fn whole(&self) -> f64 {
        let joules: f64 = self.steps.iter().map(|step| step.joules).sum();
        joules / self.steps.iter().map(|step| step.seconds).sum::<f64>()
    }

    /// Mean power without the first second, in which the model is loaded by one thread, and the last moment, in which it
    /// ends. What is left is one kind of work in each row.
    fn mean(&self) -> Mean {
        let whole: f64 = self.steps.iter().map(|step| step.seconds).sum();
        let (mut passed, mut seconds, mut sum) = (0.0, 0.0, Mean::default());
        for step in &self.steps {
            let is_inside = passed >= LOADING && passed + step.seconds <= whole - ENDING;
            passed += step.seconds;
            if is_inside {
                seconds += step.seconds;
                sum.gross += step.joules;
                sum.dynamic += step.dynamic;
                sum.machine += step.machine;
            }
        }
        Mean { gross: sum.gross / seconds, dynamic: sum.dynamic / seconds, machine: sum.machine / seconds }
    }
}

/// What really happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    /// Each worker, in the order in which they were started.
    pub(crate) workers: Vec<Worked>,
    /// Joules that the machine drew.
    pub(crate) joules: f64,
    /// Watts that it drew at most, over a second.
    pub(crate) most: f64,
    /// Busy cores of everything but the workers, while one of them was busy.
    pub(crate) others: f64,
}

/// Busy seconds of a worker that pass before its model is loaded; it has 68 MB.
const LOADING: f64 = 1.0;
/// Those of its end.
const ENDING: f64 = 0.2;

impl Truth {
    /// A worker's mean power.
    pub(crate) fn worker(&self, place: usize) -> Mean {
        self.workers.get(place).map_or_else(Mean::default, Worked::mean)
    }
}

/// Time between two looks at the processes.
const STEP: Duration = Duration::from_millis(10);

/// Whether a tree can be put in place of the machine's own; the error says what lacks.
pub(crate) fn is_possible() -> Result<(), String> {
    let tried = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    match tried {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("a mount namespace needs root".to_owned()),
        Err(error) => Err(format!("`unshare` can't be run: {error}")),
    }
}

impl Machine {
    /// Run a command on it to its end.
    pub(crate) fn run(self, command: &Command) -> (Output, Truth) {
        let place = Place::new(self);
        let mut inside = Command::new("unshare");
        inside.args(&place.words()[1..]).arg(command.get_program()).args(command.get_args());
        inside.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let driver = place.drive(child.id());
        let output = child.wait_with_output().unwrap();
        (output, driver.end())
    }
}

/// The files of a machine.
pub(crate) struct Place {
    machine: Machine,
    root: tempfile::TempDir,
    zones: Vec<PathBuf>,
}

/// What lets the counters go on.
pub(crate) struct Driver {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Truth>,
    _root: tempfile::TempDir,
}

impl Driver {
    /// The program has ended: tell what happened.
    pub(crate) fn end(self) -> Truth {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Place {
    pub(crate) fn new(machine: Machine) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut zones = Vec::new();
        for package in 0..machine.packages {
            let zone = root.path().join(format!("powercap/intel-rapl:{package}"));
            std::fs::create_dir_all(&zone).unwrap();
            put(&zone, "name", &format!("package-{package}"));
            put(&zone, "max_energy_range_uj", &machine.range.to_string());
            put(&zone, "energy_uj", "1000000000");
            zones.push(zone);
        }
        Self { machine, root, zones }
    }

    /// The words before a command that have it run here. The process that they begin becomes the command's.
    pub(crate) fn words(&self) -> Vec<String> {
        let script = "mount --make-rprivate / && mount --bind \"$0\" /sys/class && exec \"$@\"";
        let root = self.root.path().to_str().unwrap();
        ["unshare", "-m", "sh", "-c", script, root].map(str::to_owned).to_vec()
    }

    /// Let the counters go on for a program.
    pub(crate) fn drive(self, program: u32) -> Driver {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = self.machine.drive(program, self.zones, Arc::clone(&is_over));
        Driver { is_over, thread, _root: self.root }
    }
}

impl Machine {
    /// Let the counter go on with the time and with the processors' work.
    fn drive(self, program: u32, zones: Vec<PathBuf>, is_over: Arc<AtomicBool>) -> JoinHandle<Truth> {
        std::thread::spawn(move || {
            let began = Instant::now();
            let mut truth = Truth::default();
            let mut workers: BTreeMap<u32, (usize, f64)> = BTreeMap::new();
            let (mut last, mut busy) = (began, busy_seconds());
            let (mut written, mut offset) = (Duration::ZERO, 1000.0);
            let (mut busy_time, mut second) = (0.0, (began, 0.0));
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(STEP);
                let now = Instant::now();
                let dt = now.duration_since(last).as_secs_f64();
                let all = busy_seconds();
                for pid in started(program) {
                    let place = workers.len();
                    workers.entry(pid).or_insert_with(|| {
                        truth.workers.push(Worked::default());
                        (place, 0.0)
                    });
                }
                // Ticks of a hundredth of a second: only over some of them a share says something.
                if dt < 0.05 && now.duration_since(began) > Duration::from_millis(50) {
                    continue;
                }
                let spent = (all - busy).max(0.0);
                let machine = self.idle * dt + self.core * spent;
                truth.joules += machine;
                let mut ours = 0.0;
                for (pid, (place, before)) in &mut workers {
                    let Some(now) = cpu_seconds(*pid) else { continue };
                    let own = (now - *before).max(0.0);
                    *before = now;
                    if own > 0.0 {
                        ours += own;
                        let dynamic = self.core * own;
                        let joules = dynamic + self.idle * dt * (own / spent.max(own)).min(1.0);
                        truth.workers[*place].steps.push(Busy { seconds: dt, joules, dynamic, machine });
                    }
                }
                if ours > 0.0 {
                    busy_time += dt;
                    truth.others += (spent - ours).max(0.0);
                }
                if now.duration_since(second.0) >= Duration::from_secs(1) {
                    let watts = (truth.joules - second.1) / now.duration_since(second.0).as_secs_f64();
                    truth.most = truth.most.max(watts);
                    second = (now, truth.joules);
                }
                (last, busy) = (now, all);
                let since = now.duration_since(began);
                if self.back.is_some_and(|(at, _)| since >= at) && offset >= 1000.0 {
                    offset -= self.back.map_or(0.0, |(_, joules)| joules);
                }
                if since.saturating_sub(written) >= self.update {
                    written = since;
                    for (zone, part) in zones.iter().zip(self.parts()) {
                        let shown = ((offset + truth.joules * part) * 1e6) as u64 % (self.range + 1);
                        put(zone, "energy_uj", &shown.to_string());
                    }
                }
            }
            truth.others /= f64::max(busy_time, 1e-9);
            truth
        })
    }
}

impl Machine {
    /// The packages' parts of its power.
    pub(crate) fn parts(self) -> &'static [f64] {
        if self.packages == 1 { &[1.0] } else { &[2.0 / 3.0, 1.0 / 3.0] }
    }
}

/// Write a file whole, as a reader of the kernel's would find it.
fn put(zone: &Path, name: &str, text: &str) {
    let part = zone.join(format!(".{name}"));
    std::fs::write(&part, format!("{text}\n")).unwrap();
    std::fs::rename(part, zone.join(name)).unwrap();
}

/// Seconds of all processors that were not idle.
fn busy_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap();
    let fields = text.lines().next().unwrap().split_ascii_whitespace().skip(1).take(8);
    let fields: Vec<u64> = fields.map(|field| field.parse().unwrap()).collect();
    let idle = fields[3] + fields[4];
    (fields.iter().sum::<u64>() - idle) as f64 / clock_ticks_per_second() as f64
}

/// The fields of a process behind its name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Processor time of a process.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let fields = stat(pid)?;
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / clock_ticks_per_second() as f64)
}

/// Workers that the program has started. The shell that it came from has become the program, in the same process.
fn started(program: u32) -> Vec<u32> {
    let names = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| stat(*pid).is_some_and(|fields| fields.get(1) == Some(&program.to_string()));
    let is_worker = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).nth(1) == Some(b"worker")
    };
    pids.filter(|pid| is_child(pid) && is_worker(pid)).collect()
}
