//! What watching costs: `taffrail top` and the idle dashboard beside btop and bottom, in one run at one period; and the
//! sampler alone with every source of Linux on.
//!
//! `TAFFRAIL_BTM` names bottom's program where the command search path lacks it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::Moment;
use domain::machine::Sample;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::support::Home;
use crate::terminal::{memory, processor_time, watch};
use crate::{Given, skip, tell};

/// Time over which all of them are watched.
const WATCHED: Duration = Duration::from_mins(1);
/// The period of all of them, in milliseconds: what btop and bottom take by themselves is 2 s and 1 s.
const PERIOD: &str = "2000";

/// A program in a terminal that somebody reads.
struct Running {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    pid: u32,
    /// Held open for as long as the program runs.
    _terminal: Box<dyn portable_pty::MasterPty + Send>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All at once, so that they share whatever else the machine does.
pub(crate) fn idle(_: &Given) {
    let home = Home::new();
    let taffrail = PathBuf::from(env!("CARGO_BIN_EXE_taffrail"));
    let interval = format!("telemetry.interval_ms={PERIOD}");
    home.write("config/btop/btop.conf", format!("update_ms = {PERIOD}\n"));
    let mut running = BTreeMap::new();
    for (name, program, arguments) in [
        ("taffrail top", Some(taffrail.clone()), vec!["--set", interval.as_str(), "top"]),
        ("taffrail", Some(taffrail), vec!["--set", interval.as_str()]),
        ("btop", find("btop"), vec!["--utf-force"]),
        ("bottom", std::env::var_os("TAFFRAIL_BTM").map(PathBuf::from).or_else(|| find("btm")), vec!["--rate", PERIOD]),
    ] {
        match program {
            Some(program) => drop(running.insert(name, open(&home, &program, &arguments))),
            None => skip(&format!("idle beside {name}"), "it is not installed"),
        }
    }
    watch(Duration::from_secs(4));
    let before: BTreeMap<_, _> = running.iter().map(|(name, one)| (*name, processor_time(one.pid))).collect();
    let start = Instant::now();
    watch(WATCHED);
    let share = |name: &str| {
        let used = processor_time(running.get(name)?.pid).saturating_sub(*before.get(name)?);
        Some(used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0)
    };
    let shares: BTreeMap<_, _> = running.keys().filter_map(|name| Some((*name, share(name)?))).collect();
    let peer = shares.get("btop").copied();
    for (name, one) in &running {
        let (share, resident) = (shares[name], memory(one.pid, "VmRSS:"));
        let figure = format!("{share:.2} % of one core, {resident:.1} MB");
        let what = format!("idle at {PERIOD} ms for {} s: {name}", WATCHED.as_secs());
        match peer {
            Some(peer) if name.starts_with("taffrail") => {
                tell(&what, &figure, "≤ btop's processor time, < 40 MB", share <= peer && resident < 40.0);
            }
            _ => crate::row("see", &what, &figure, ""),
        }
    }
}

/// Recorded machines that have, together, something for every source of Linux to read.
const TREES: [&str; 5] = ["workstation", "events", "radeon", "arc", "board"];

/// Periods with the share of a core that sampling may take.
const SAMPLED: [(u64, f64); 2] = [(1000, 0.5), (250, 2.0)];

/// How long each is watched.
const SAMPLING: Duration = Duration::from_secs(20);

/// The sampler's thread at its own pace, over a folder in which all of them find something.
pub(crate) fn sampling(_: &Given) {
    let folder = tempfile::tempdir().unwrap();
    for tree in TREES {
        let file = format!("{}/tests/fixtures/telemetry/{tree}.tree", env!("CARGO_MANIFEST_DIR"));
        for part in std::fs::read_to_string(file).unwrap().split("\n@ ").skip(1) {
            let (path, content) = part.split_once('\n').unwrap_or((part, ""));
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !path.ends_with("/") {
                std::fs::write(path, content).unwrap();
            }
        }
    }
    let own = std::process::id();
    for (milliseconds, bound) in SAMPLED {
        let start = Instant::now();
        let clock = move || Moment { uptime: start.elapsed(), unix: 0 };
        let told = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&told);
        let emit = move |sample: Sample| {
            let n_told = sample.sources.iter().filter(|row| row.reading.value().is_some()).count();
            count.store(n_told, std::sync::atomic::Ordering::Relaxed);
            true
        };
        let interval = Duration::from_millis(milliseconds);
        let thread = taffrail::telemetry::spawn(
            folder.path().to_owned(),
            (interval, &std::collections::BTreeMap::default()),
            clock,
            emit,
        )
        .unwrap();
        thread.watch(vec![4242]);
        // What is done once is not what sampling costs.
        watch(Duration::from_secs(2));
        let (before, began) = (processor_time(own), Instant::now());
        watch(SAMPLING);
        let share = processor_time(own).saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
        drop(thread);
        let n_told = told.load(std::sync::atomic::Ordering::Relaxed);
        let figure = format!("{share:.2} % of one core, {n_told} sources tell");
        tell(&format!("sampling at {milliseconds} ms"), &figure, &format!("< {bound} %"), share < bound);
    }
}

/// Where the command search path has it.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn open(home: &Home, program: &std::path::Path, arguments: &[&str]) -> Running {
    let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(program);
    command.args(arguments);
    command.env_clear();
    // Without a server of its own, which would be the one to watch.
    let own = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("TAFFRAIL_SERVER_ATTACH", "false")];
    for (name, value) in own {
        command.env(name, value);
    }
    for (name, folder) in [("HOME", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache")] {
        command.env(name, home.path(folder));
    }
    let child = pair.slave.spawn_command(command).unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    // A terminal that nobody reads would hold the program up.
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while matches!(reader.read(&mut buffer), Ok(1..)) {}
    });
    let pid = child.process_id().unwrap();
    Running { child, pid, _terminal: pair.master }
}
