//! Cases by seed, a few or many, and what each is held to whatever its test is about.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::support::{Home, OFTEN, Ran, poll, signal};

/// How many cases a test has.
pub(crate) struct Size {
    /// In CI.
    pub(crate) few: u64,
    /// In `./dev torture`.
    pub(crate) many: u64,
}

/// Cases of one test that run at once at full size: most of their time is waiting.
const AT_ONCE: usize = 4;

/// Run the cases, each with its number, which is its seed, and a generator of that seed.
pub(crate) fn run(name: &str, size: &Size, case: impl Fn(u64, &mut Pcg64Mcg) + Sync) {
    let one = |seed: u64| {
        let _name = NameOnPanic { name, seed };
        case(seed, &mut Pcg64Mcg::seed_from_u64(seed));
    };
    if let Ok(seed) = std::env::var("TAFFRAIL_TORTURE_SEED") {
        return one(seed.parse().expect("TAFFRAIL_TORTURE_SEED is a number"));
    }
    let is_full = std::env::var_os("TAFFRAIL_TORTURE").is_some_and(|size| size == "full");
    let (count, at_once) = if is_full { (size.many, AT_ONCE) } else { (size.few, 1) };
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < count) {
                    one(seed);
                }
            });
        }
    });
    say(&format!("{name}: {count} cases held"));
}

/// A line that is shown whether the test passes or not.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Names a case that fails.
struct NameOnPanic<'a> {
    name: &'a str,
    seed: u64,
}

impl Drop for NameOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("{} failed; TAFFRAIL_TORTURE_SEED={} runs this case alone", self.name, self.seed));
        }
    }
}

/// A moment within a span, each as likely as another.
pub(crate) fn moment(random: &mut Pcg64Mcg, span: Duration) -> Duration {
    Duration::from_micros(random.random_range(0..span.as_micros().max(1) as u64))
}

/// Let time pass: the moment of a kill is random, and waits for nothing.
pub(crate) fn pass(time: Duration) {
    poll(time, time, || false);
}

/// Run a command that must end by itself within this time.
pub(crate) fn ends_within(mut command: Command, patience: Duration) -> Ran {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, (done, is_done)) = (child.id(), std::sync::mpsc::channel());
    std::thread::scope(|scope| {
        scope.spawn(move || done.send(child.wait_with_output().unwrap()));
        let output = is_done.recv_timeout(patience).unwrap_or_else(|_| {
            signal(pid, "KILL");
            panic!("{command:?} runs for more than {patience:?}: {:?}", Ran::from(is_done.recv().unwrap()))
        });
        output.into()
    })
}

/// What every end is held to: a code that the help names, no panic, nothing that a terminal would obey.
pub(crate) fn has_ended_well(what: &str, ran: &Ran) {
    assert!(matches!(ran.code, Some(0..=4)), "{what}: {ran:?}");
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains("panicked at") && !text.contains("RUST_BACKTRACE"), "{what}: {ran:?}");
        let is_obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || c == '\u{202e}';
        assert!(!text.contains(is_obeyed), "{what}: {ran:?}");
    }
    assert!(ran.code == Some(0) || ran.stderr.lines().any(|line| line.len() > 10), "{what} says nothing: {ran:?}");
}

/// Processes that were started in this home and live: each has its home there.
pub(crate) fn living(home: &Home) -> Vec<u32> {
    let variable = format!("HOME={}", home.path("").display());
    let variable = variable.trim_end_matches('/').as_bytes();
    let pids =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A zombie has no surroundings any more.
    let is_at_home = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == variable)
    };
    pids.filter(is_at_home).collect()
}

/// Nothing of a home lives on after its program has ended.
pub(crate) fn leaves_no_orphan(home: &Home) {
    let mut orphans = Vec::new();
    let has_none = poll(Duration::from_secs(2), OFTEN, || {
        orphans = living(home);
        orphans.is_empty()
    });
    let lines: Vec<_> = orphans.iter().map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline"))).collect();
    for pid in orphans {
        signal(pid, "KILL");
    }
    assert!(has_none, "orphans: {lines:?}");
}
