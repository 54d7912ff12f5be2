//! From exec to the models: a Hugging Face cache of 1,000 repositories of one file each.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::support::{House, Terminal, starter};
use crate::{Given, make_cache, median, milliseconds, skip, tell, time_until};

const REPOSITORIES: usize = 1000;
const ROUNDS: usize = 10;

pub(crate) fn measure(_: &Given) {
    let house = House::new();
    make_cache::make(&house.path("hub"), REPOSITORIES, &starter("ishmael-1m"), false).unwrap();
    // The index does not believe what changed a moment ago.
    age(&house.path("hub"), SystemTime::now() - Duration::from_hours(1));

    let mut cold = Vec::new();
    for _ in 0..3 {
        let _ = std::fs::remove_dir_all(house.path("cache"));
        cold.push(milliseconds(open(&house).1));
    }
    // This writes the index to its end.
    house.run(&["ls"]);
    let opened: Vec<_> = (0..ROUNDS).map(|_| open(&house)).collect();
    let first = median(opened.iter().map(|(first, _)| milliseconds(*first)).collect());
    let all = median(opened.iter().map(|(_, all)| milliseconds(*all)).collect());
    let cold = median(cold);
    tell("exec to first frame, 1,000 repositories", &format!("{first:.1} ms"), "≤ 50 ms", first <= 50.0);
    tell("exec to all models on screen, warm", &format!("{all:.1} ms"), "≤ 150 ms", all <= 150.0);
    tell("exec to all models on screen, without an index", &format!("{cold:.1} ms"), "≤ 1 s", cold <= 1000.0);

    let ls = list(|| house.command(&["ls"]));
    tell("taffrail ls, warm", &format!("{ls:.1} ms"), "≤ 30 ms", ls <= 30.0);
    let peer = || {
        let mut command = Command::new("hf");
        command.args(["cache", "ls"]).env("HF_HUB_CACHE", house.path("hub"));
        command
    };
    if Command::new("hf").arg("version").output().is_err() {
        return skip("taffrail ls against hf cache ls", "`hf` is not on the PATH");
    }
    let theirs = list(peer);
    tell("taffrail ls against hf cache ls", &format!("{ls:.1} / {theirs:.1} ms"), "faster", ls < theirs);
}

/// Open the dashboard: the time to the first frame, and to all models.
fn open(house: &House) -> (Duration, Duration) {
    let start = Instant::now();
    let terminal = Terminal::open(house, 120, 40);
    let first = time_until(start, "a frame", || terminal.text().contains("Library"));
    // The starter models come on top.
    let count = format!(" {} models", REPOSITORIES + 2);
    let all = time_until(start, &count, || terminal.text().contains(&count));
    (first, all)
}

/// The median time of a whole process, milliseconds.
fn list(command: impl Fn() -> Command) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let mut command = command();
        let start = Instant::now();
        let output = command.output().unwrap();
        let time = milliseconds(start.elapsed());
        assert!(output.status.success(), "{output:?}");
        time
    });
    median(times.collect())
}

/// Set back when a folder and all in it changed.
fn age(folder: &Path, to: SystemTime) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            age(&entry.path(), to);
        } else {
            std::fs::File::open(entry.path()).unwrap().set_modified(to).unwrap();
        }
    }
    std::fs::File::open(folder).unwrap().set_modified(to).unwrap();
}
