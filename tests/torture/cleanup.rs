//! `kill -9` within a cleanup: afterwards all is as before, or as planned, or can be taken back.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use crate::cases::{self, Size, ends_within, leaves_no_orphan, moment, pass, say};
use crate::stores::{command, files, furnished};
use crate::support::{Home, poll};

/// The longest that a command takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pages that a pipe holds, as Linux makes it.
const PAGES: usize = 16;
const PAGE: usize = 4096;

type Files = BTreeMap<String, String>;

/// What is killed: the commands before it, itself, and whether what it deletes is gone for good.
struct Operation {
    before: &'static [&'static [&'static str]],
    killed: &'static [&'static str],
    is_final: bool,
}

const fn operation(killed: &'static [&'static str]) -> Operation {
    Operation { before: &[], killed, is_final: false }
}

const fn after(
    before: &'static [&'static [&'static str]],
    killed: &'static [&'static str],
    is_final: bool,
) -> Operation {
    Operation { before, killed, is_final }
}

const OPERATIONS: &[Operation] = &[
    operation(&["rm", "two-Q4", "--yes"]),
    operation(&["rm", "b/one", "--yes"]),
    operation(&["rm", "ollama:first", "--yes"]),
    operation(&["rm", "two-Q4", "two-Q8", "ollama:second", "--yes"]),
    operation(&["prune", "--yes"]),
    operation(&["dedupe", "--yes"]),
    after(&[], &["rm", "two-Q8", "--yes", "--now"], true),
    after(&[], &["rm", "ollama:second", "--yes", "--now"], true),
    after(&[&["rm", "two-Q4", "two-Q8", "ollama:second", "--yes"]], &["undo"], false),
    after(&[&["dedupe", "--yes"]], &["undo"], false),
    after(&[&["prune", "--yes"]], &["undo"], false),
    after(&[&["rm", "two-Q4", "ollama:first", "--yes"]], &["prune", "--trash", "--yes"], true),
];

fn run(home: &Home, arguments: &[&str]) -> crate::support::Ran {
    ends_within(command(home, arguments), PATIENCE)
}

/// A home in which the commands before the killed one were run.
fn prepared(operation: &Operation) -> Home {
    let home = furnished();
    for arguments in operation.before {
        let ran = run(&home, arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    }
    home
}

/// What an operation does when nobody kills it, and how long it takes.
fn undisturbed(operation: &Operation) -> (Files, Duration) {
    let home = prepared(operation);
    let start = Instant::now();
    let ran = run(&home, operation.killed);
    assert_eq!(ran.code, Some(0), "{:?}: {ran:?}", operation.killed);
    (files(&home), start.elapsed())
}

/// When a command is killed.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// At any moment.
    Anytime,
    /// While it does its steps, which are a few milliseconds of its time.
    Working,
    /// While it stands still behind one of its steps, since nobody reads what it tells.
    Halted,
}

/// Start a command and kill it; undisturbed it takes about this time.
fn kill(home: &Home, arguments: &[&str], time: Duration, when: When, random: &mut Pcg64Mcg) {
    let (_reader, mut writer) = std::io::pipe().unwrap();
    let mut killed = command(home, arguments);
    if when == When::Halted {
        // Room for some lines in the last page alone.
        let room = random.random_range(0..1200);
        writer.write_all(&vec![b'.'; PAGES * PAGE - room]).unwrap();
        killed.arg("--verbose");
    }
    let mut child = killed.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    match when {
        When::Anytime => pass(moment(random, time)),
        When::Working => {
            wait_for_work(home, &mut child, PATIENCE);
            pass(moment(random, Duration::from_millis(4)));
        }
        When::Halted => {
            // With too little room it halts before its first step.
            wait_for_work(home, &mut child, 2 * time);
            pass(Duration::from_millis(20));
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Wait until the journal says that steps are being done, all is over or nothing more is to be waited for.
fn wait_for_work(home: &Home, child: &mut Child, patience: Duration) {
    let journal = home.path("data/taffrail/house");
    let is_at_work = || {
        let records = std::fs::read_dir(&journal).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut texts = records.filter_map(|path| std::fs::read_to_string(path).ok());
        texts.any(|text| ["doing\"", "emptying\""].iter().any(|phase| text.contains(phase)))
    };
    poll(patience, Duration::from_micros(100), || is_at_work() || child.try_wait().unwrap().is_some());
}

#[test]
fn a_kill_within_a_cleanup_loses_nothing() {
    let known: Vec<_> = OPERATIONS.iter().map(undisturbed).collect();
    let ends = Mutex::new(BTreeMap::<&str, usize>::new());
    cases::run("kills within a cleanup", &Size { few: 36, many: 600 }, |seed, random| {
        let index = seed as usize % OPERATIONS.len();
        let (operation, (planned, time)) = (&OPERATIONS[index], &known[index]);
        let what = format!("{:?} after {:?}", operation.killed, operation.before);
        let home = prepared(operation);
        let before = files(&home);
        let when = [When::Anytime, When::Working, When::Working, When::Halted][random.random_range(0..4)];
        kill(&home, operation.killed, *time, when, random);
        // The next start is killed too, now and then.
        if random.random_bool(0.3) {
            kill(&home, &["ls"], Duration::from_millis(60), When::Anytime, random);
        }
        let ran = run(&home, &["ls"]);
        assert_eq!(ran.code, Some(0), "{what}: {ran:?}");
        let (now, said) = (files(&home), ran.stderr.clone());
        let end = match () {
            () if now == before => "as before",
            () if now == *planned => "as planned",
            () => panic!("{what}: neither as before nor as planned\nsaid: {said}\nbefore: {before:#?}\nnow: {now:#?}"),
        };
        let said = if said.contains("interrupted") { "mended" } else { "at rest" };
        *ends.lock().unwrap().entry(end).or_default() += 1;
        *ends.lock().unwrap().entry(said).or_default() += 1;
        check_undo(&what, operation, &home, &before, end == "as planned");
        leaves_no_orphan(&home);
    });
    say(&format!("kills within a cleanup: {:?}", ends.into_inner().unwrap()));
}

/// What can still be taken back brings all back, and what can't has left no trash.
fn check_undo(what: &str, operation: &Operation, home: &Home, before: &Files, is_done: bool) {
    let original = files(&furnished());
    let undone = run(home, &["undo"]);
    let now = files(home);
    let is_emptied = operation.is_final && (is_done || now == *before);
    match undone.code {
        Some(0) => assert_eq!(now, original, "{what}: the undo brings back all"),
        Some(3) => assert!(now == original || is_emptied, "{what}: nothing can be taken back: {undone:?}\n{now:#?}"),
        _ => panic!("{what}: {undone:?}"),
    }
    let trashes: Vec<_> = ["", "hub", "ollama", "mine", ".lmstudio"]
        .iter()
        .map(|store| home.path(store).join(".taffrail-trash"))
        .filter(|trash| trash.exists())
        .collect();
    assert!(trashes.is_empty(), "{what}: {trashes:?} is left");
    let again = run(home, &["ls"]);
    assert!(again.code == Some(0) && again.stderr.is_empty(), "{what}: {again:?}");
}
