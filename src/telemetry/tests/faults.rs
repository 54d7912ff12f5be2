//! Failures seen on real machines, one file per case: `tests/fixtures/telemetry/cases`. A case contains the initial
//! files of a machine, and the changes to them at later readings.
//!
//! `@ PATH` starts the content of a file, `@ PATH/` is an empty folder, `- PREFIX` removes files, `! PATH` makes a file
//! unreadable, and `~ MILLISECONDS [UNIX SECONDS]` is the time of the next reading.

use std::fs;
use std::path::Path;

use super::*;
use domain::machine::Power;
use domain::settings::Settings;
use domain::units::or_dash;
use domain::{Event, StateMachine};

/// The process that a case may contain.
const WORKER: u32 = 4242;

/// Rows that describe the test machine itself if a case has no files for them.
const OF_THIS_MACHINE: [&str; 4] = ["cpu", "memory", "disks", "network"];

/// Apply the changes of one reading.
pub(super) fn change(tree: &Tree, text: &str) {
    let mut file: Option<(String, String)> = None;
    let finish = |file: &mut Option<(String, String)>| {
        if let Some((path, content)) = file.take() {
            tree.set(&path, content);
        }
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_at_checked(2) {
            Some(("@ ", path)) => {
                finish(&mut file);
                file = Some((path.to_owned(), String::new()));
            }
            Some(("- ", prefix)) => {
                finish(&mut file);
                tree.remove(prefix);
            }
            Some(("! ", path)) => {
                finish(&mut file);
                tree.fail(path, ErrorKind::PermissionDenied);
            }
            _ => {
                let (_, content) = file.as_mut().expect("content follows a path");
                content.push_str(line);
                content.push('\n');
            }
        }
    }
    finish(&mut file);
}

/// The content of a sample, one line per figure.
fn told(sample: &Sample) -> Vec<String> {
    let (now, total) = (sample.at, sample.total_power());
    let slept = if now.unix > 0 { format!(", {} s later on the wall", now.unix) } else { String::new() };
    let head = format!("at {} ms{slept}: {} in all", now.uptime.as_millis(), or_dash(total));
    let powers = powers(sample).into_iter().map(|power| format!("    {power}"));
    let processes = sample.processes.iter();
    let processes = processes.map(|process| format!("    worker {}, {:.2} cores", process.resident, process.cores));
    std::iter::once(head).chain(powers).chain(processes).collect()
}

/// The energy metered in a sample's tick, in joules.
fn metered(sample: &Sample) -> f64 {
    let seconds = sample.elapsed.as_secs_f64();
    // A power meter has no energy at its first reading, so its power is used for the whole tick.
    let energy = |power: &Power| {
        let watts = power.watts.value().filter(|_| power.adds && seconds > 0.0)?;
        Some(power.energy.map_or(watts.0 * seconds, |joules| joules.0))
    };
    sample.power.iter().filter_map(energy).sum()
}

/// Play a case; returns the figures of each reading and the sources of the last one.
fn play(text: &str) -> String {
    let tree = Tree::default();
    tree.process(std::process::id(), 50, 90_000);
    // Events of the whole system are root's.
    let events = Counted::default();
    events.0.lock().unwrap().insert((2, 0), Err(ErrorKind::PermissionDenied));
    let mut sampler = None;
    let mut state = StateMachine::new(Settings::default());
    let (mut lines, mut rows, mut joules) = (Vec::new(), Vec::new(), 0.0);
    for (index, reading) in format!("~ 0\n{text}").trim_start_matches("~ ").split("\n~ ").enumerate() {
        let (when, changes) = reading.split_once('\n').unwrap_or((reading, ""));
        let mut numbers = when.split(' ').map(|number| number.parse::<u64>().unwrap());
        let now = at(numbers.next().unwrap());
        let now = Moment { unix: numbers.next().unwrap_or(0).cast_signed(), ..now };
        change(&tree, changes);
        // The processor is inspected once, when the sampler is created.
        let sampler = sampler.get_or_insert_with(|| with(&tree, Fake::default(), events.clone()));
        let sample = sampler.sample(now, &[WORKER]);
        no_zero_watts(&sample);
        joules += metered(&sample);
        lines.extend(told(&sample));
        let names = sample.sources.iter().map(|row| &*row.name).filter(|name| !OF_THIS_MACHINE.contains(name));
        rows = names.map(|name| format!("  {name}: {}", row(&sample, name))).collect();
        state.update(now, Event::Sample(Box::new(sample)));
        // All metered energy was attributed, exactly once.
        let booked = state.attribution.total.measured();
        assert!((booked - joules).abs() < 1e-6, "{booked} J of {joules} J were booked after reading {index}");
    }
    lines.push("sources at the end".to_owned());
    lines.extend(rows);
    lines.join("\n")
}

#[test]
fn each_case_is_told_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/telemetry/cases");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort_unstable();
    assert!(cases.len() > 15, "{cases:?}");
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let origin = text.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains("as in "));
        assert!(origin, "{} does not say where its shape comes from", case.display());
        insta::assert_snapshot!(format!("case-{}", case.file_stem().unwrap().to_string_lossy()), play(&text));
    }
}
