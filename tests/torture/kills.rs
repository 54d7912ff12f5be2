//! `kill -9` of the program or of a worker, at any moment of a chat, a race, an answer or a suite. No worker outlives its
//! program, the next start works, and what had been on the screen for a second is in the history.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use crate::cases::{self, Size, ends_within, has_ended_well, leaves_no_orphan, living, moment, pass, say};
use crate::support::{Home, Terminal, is_worker, poll, signal, wait_for};

/// The longest that a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Text that has been shown for so long is kept.
const KEPT_AFTER: Duration = Duration::from_secs(1);
/// What the program itself says where answers stand.
const OWN_WORDS: [&str; 1] = ["waits for its turn"];
const PROMPTS: [&str; 4] = ["Tell me of the whale", "Call me", "The captain said", "Upon the deck that night"];

fn prompt(random: &mut Pcg64Mcg) -> &'static str {
    PROMPTS[random.random_range(0..PROMPTS.len())]
}

/// What was shown, and when.
struct Shown<T>(Vec<(Instant, T)>);

impl<T: PartialEq> Shown<T> {
    fn add(&mut self, what: T) {
        if self.0.last().is_none_or(|(_, last)| *last != what) {
            self.0.push((Instant::now(), what));
        }
    }

    /// What stood there a second before the kill.
    fn a_second_before(&self, kill: Instant) -> Option<&T> {
        let old = self.0.iter().rev().find(|(at, _)| kill.duration_since(*at) >= KEPT_AFTER);
        old.map(|(_, what)| what)
    }
}

/// All texts of the history, blanks aside.
fn history(what: &str, home: &Home) -> String {
    let ran = ends_within(home.command(&["history", "--json"]), PATIENCE);
    has_ended_well(what, &ran);
    assert_eq!(ran.code, Some(0), "{what}: {ran:?}");
    let mut texts = String::new();
    collect(&ran.json()["records"], &mut texts);
    dense(&texts)
}

fn collect(value: &serde_json::Value, texts: &mut String) {
    match value {
        serde_json::Value::String(text) => {
            texts.push_str(text);
            texts.push('\n');
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| collect(item, texts)),
        _ => {}
    }
}

/// Without blanks, which a screen's lines change.
fn dense(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The workers of a home.
fn workers(home: &Home) -> Vec<u32> {
    living(home).into_iter().filter(|pid| is_worker(*pid)).collect()
}

/// Let the workers stand still, as one does in a long prompt.
fn stop_workers(home: &Home) {
    for worker in workers(home) {
        // It may have ended by itself just now.
        let _ = Command::new("kill").args(["-STOP", &worker.to_string()]).output();
    }
}

/// Now and then the workers stand still for a while before the kill.
fn stall(home: &Home, random: &mut Pcg64Mcg) {
    if random.random_bool(0.5) {
        stop_workers(home);
        pass(KEPT_AFTER + Duration::from_millis(100) + moment(random, Duration::from_millis(400)));
    }
}

/// Start a command, and gather what it writes until it is killed; gives the home and what stood there a second before.
fn killed_command(arguments: &[&str], is_told: bool, random: &mut Pcg64Mcg) -> (Home, Option<String>) {
    let home = Home::new();
    let mut command = home.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let shown = Arc::new(Mutex::new(Shown(Vec::new())));
    let (kept, mut stdout, mut stderr) =
        (Arc::clone(&shown), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        let mut read = |buffer: &mut [u8]| if is_told { stderr.read(buffer) } else { stdout.read(buffer) };
        while let Ok(count @ 1..) = read(&mut buffer) {
            all.extend_from_slice(&buffer[..count]);
            kept.lock().unwrap().add(String::from_utf8_lossy(&all).into_owned());
        }
    });
    pass(moment(random, Duration::from_millis(2500)));
    stall(&home, random);
    let at = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    leaves_no_orphan(&home);
    reader.join().unwrap();
    let before = shown.lock().unwrap().a_second_before(at).cloned();
    (home, before)
}

fn run_is_killed(random: &mut Pcg64Mcg) -> bool {
    let arguments = ["run", "ishmael-4m", "-p", prompt(random), "-n", "400"];
    let (home, before) = killed_command(&arguments, false, random);
    let Some(before) = before else { return false };
    let kept = history("run", &home);
    // The last character may have been cut in the middle.
    let before = dense(before.trim_end_matches('\u{fffd}'));
    assert!(kept.contains(&before), "run: {before}\nis not in\n{kept}");
    !before.is_empty()
}

fn race_command_is_killed(random: &mut Pcg64Mcg) -> bool {
    let order: &[&str] = if random.random_bool(0.5) { &["--lockstep"] } else { &[] };
    let arguments = [&["race", "ishmael-1m", "ishmael-4m", "-p", prompt(random), "-n", "300"], order].concat();
    let (home, _) = killed_command(&arguments, true, random);
    let _ = history("race", &home);
    false
}

/// Prompts of the suite that is killed.
const N_PROMPTS: usize = 12;

/// A suite shows which prompt it is at: all before it are answered, and the next run goes on from there.
fn suite_is_killed(random: &mut Pcg64Mcg) -> bool {
    let home = Home::new();
    let arguments = ["suite", "arithmetic", "ishmael-1m", "ishmael-4m", "-n", "200"];
    let terminal = Terminal::open_with(&home, 120, 40, &arguments);
    let mut shown = Shown(Vec::new());
    watch(&terminal, &mut shown, moment(random, Duration::from_millis(2500)));
    if random.random_bool(0.5) {
        stop_workers(&home);
        watch(&terminal, &mut shown, KEPT_AFTER + moment(random, Duration::from_millis(500)));
    }
    let at = Instant::now();
    kill(terminal, &home);
    // `ishmael-4m: 3 of 12, product`; what is over has gone from the screen.
    let before = shown.a_second_before(at).map_or("", String::as_str);
    let reached = before.rsplit_once(" of 12").and_then(|(before, _)| before.rsplit_once("ishmael-"));
    let Some((model, number)) = reached.and_then(|(_, at)| at.split_once("m: ")) else { return false };
    let is_second = model == "4";
    let n_answered = usize::from(is_second) * N_PROMPTS + number.parse::<usize>().unwrap() - 1;
    let files = std::fs::read_dir(home.path("cache/taffrail/suites")).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let n_kept: usize = texts.map(|text| text.lines().filter(|line| line.ends_with('}')).count()).sum();
    assert!(n_kept >= n_answered, "suite: {n_kept} answers are kept: {before}");
    let again = ends_within(home.command(&arguments), PATIENCE);
    assert!(matches!(again.code, Some(0 | 1)) && again.stdout.contains("Passed"), "suite: {again:?}");
    n_answered > 0
}

/// Kill a dashboard or what else runs in a terminal.
fn kill(mut terminal: Terminal, home: &Home) {
    signal(terminal.pid(), "KILL");
    terminal.exit();
    leaves_no_orphan(home);
}

/// Lines of a screen that are words of answers: of a race's columns, or of the chat behind a prompt.
fn sentences(screen: &str, is_race: bool) -> Vec<String> {
    let is_text = |c: char| c.is_alphabetic() || " ,.;:!?'’‘“”\"()-—_".contains(c);
    let lines: Vec<&str> = if is_race {
        let rows = screen.lines().filter(|line| line.starts_with('│'));
        rows.flat_map(|line| line.split('│')).map(str::trim).collect()
    } else {
        let panes = screen.lines().filter_map(|line| line.rsplit_once('│')).map(|(_, line)| line.trim());
        panes.skip_while(|line| *line != "You").collect()
    };
    let lines = lines.into_iter().filter(|line| line.split(' ').count() >= 4 && line.chars().all(is_text));
    lines.filter(|line| !line.contains("  ") && !OWN_WORDS.contains(line)).map(str::to_owned).collect()
}

/// Look at a dashboard for a while.
fn watch(terminal: &Terminal, shown: &mut Shown<String>, time: Duration) {
    poll(time, Duration::from_millis(20), || {
        shown.add(terminal.text());
        false
    });
}

fn dashboard_is_killed(is_race: bool, random: &mut Pcg64Mcg) -> bool {
    let home = Home::new();
    // Three answers fit the context, so that none is shortened.
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "session.max_tokens=150"]);
    let mut shown = Shown(Vec::new());
    // The start is a moment like any other.
    if random.random_bool(0.1) {
        watch(&terminal, &mut shown, moment(random, Duration::from_millis(400)));
    } else {
        terminal.see("ishmael-4m");
        if is_race {
            for keys in [" ", "j", " ", "R"] {
                terminal.send(keys);
            }
            terminal.see("write a prompt");
        } else {
            terminal.send("j\r");
            if random.random_bool(0.9) {
                terminal.see("ready");
            }
        }
    }
    // A race takes one prompt; then the keys are others'.
    for _ in 0..if is_race { 1 } else { random.random_range(1..4) } {
        terminal.send(&format!("{}\r", prompt(random)));
        watch(&terminal, &mut shown, moment(random, Duration::from_millis(1500)));
    }
    if random.random_bool(0.5) {
        stop_workers(&home);
        watch(&terminal, &mut shown, KEPT_AFTER + moment(random, Duration::from_millis(500)));
    }
    let at = Instant::now();
    let screen = terminal.text();
    kill(terminal, &home);
    let kept = history("dashboard", &home);
    let before = shown.a_second_before(at).map(|screen| sentences(screen, is_race)).unwrap_or_default();
    for line in &before {
        assert!(kept.contains(&dense(line)), "{line:?} is not in the history:\n{kept}\nscreen:\n{screen}");
    }
    !before.is_empty()
}

fn worker_is_killed(random: &mut Pcg64Mcg) -> bool {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "session.context=512"]);
    terminal.see("ishmael-4m");
    terminal.send("j\r");
    wait_for("a worker", || !workers(&home).is_empty(), || terminal.text());
    if random.random_bool(0.7) {
        terminal.see("ready");
        terminal.send(&format!("{}\r", prompt(random)));
    }
    pass(moment(random, Duration::from_millis(1200)));
    let worker = workers(&home)[0];
    signal(worker, "KILL");
    terminal.see("killed by signal 9");
    wait_for("the worker's end", || !workers(&home).contains(&worker), || terminal.text());
    terminal.send("r");
    terminal.see("ready");
    kill(terminal, &home);
    let _ = history("worker", &home);
    false
}

/// A way to be killed, and whether anything had been shown for long enough to be looked for.
type Kill = (&'static str, fn(&mut Pcg64Mcg) -> bool);

const KILLS: &[Kill] = &[
    ("chat", |random| dashboard_is_killed(false, random)),
    ("run", run_is_killed),
    ("race on the screen", |random| dashboard_is_killed(true, random)),
    ("worker", worker_is_killed),
    ("suite", suite_is_killed),
    ("race", race_command_is_killed),
];

#[test]
fn a_kill_leaves_no_orphan_and_loses_no_text() {
    let found = Mutex::new(BTreeMap::<&str, [usize; 2]>::new());
    cases::run("kills", &Size { few: 12, many: 600 }, |seed, random| {
        let (name, kill) = KILLS[seed as usize % KILLS.len()];
        let has_text = kill(random);
        let mut found = found.lock().unwrap();
        let [cases, with_text] = found.entry(name).or_default();
        *cases += 1;
        *with_text += usize::from(has_text);
    });
    say(&format!("kills, and those with text to look for: {:?}", found.into_inner().unwrap()));
}
