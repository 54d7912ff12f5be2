//! From exec to the models: a Hugging Face cache of 1,000 repositories of one file each, and 10,000 models over six stores.
//! `TAFFRAIL_HF` names the `hf` to compare with; else it is looked for on the PATH.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::make_stores::{self, make_cache};
use crate::real_vocabulary;
use crate::support::{Home, Terminal, starter};
use crate::terminal::watch;
use crate::{Given, median, milliseconds, skip, tell, time_until};

const REPOSITORIES: usize = 1000;
const MODELS: usize = 10_000;
const ROUNDS: usize = 10;

pub(crate) fn measure(_: &Given) {
    let home = Home::new();
    make_cache::make(&home.path("hub"), REPOSITORIES, &starter("ishmael-1m"), false).unwrap();
    // The index does not believe what changed a moment ago.
    age(&home.path("hub"), SystemTime::now() - Duration::from_hours(1));

    let mut cold = Vec::new();
    for _ in 0..3 {
        let _ = std::fs::remove_dir_all(home.path("cache"));
        cold.push(milliseconds(open(&home).1));
    }
    // This writes the index to its end.
    home.run(&["ls"]);
    let opened: Vec<_> = (0..ROUNDS).map(|_| open(&home)).collect();
    let first = median(opened.iter().map(|(first, _)| milliseconds(*first)).collect());
    let all = median(opened.iter().map(|(_, all)| milliseconds(*all)).collect());
    let cold = median(cold);
    tell("exec to first frame, 1,000 repositories", &format!("{first:.1} ms"), "≤ 50 ms", first <= 50.0);
    tell("exec to all models on screen, warm", &format!("{all:.1} ms"), "≤ 150 ms", all <= 150.0);
    tell("exec to all models on screen, without an index", &format!("{cold:.1} ms"), "≤ 1 s", cold <= 1000.0);

    let ls = list(|| home.command(&["ls"]));
    tell("taffrail ls, warm", &format!("{ls:.1} ms"), "≤ 30 ms", ls <= 30.0);
    let hf = std::env::var_os("TAFFRAIL_HF").unwrap_or_else(|| "hf".into());
    let what = "hf cache ls against taffrail ls, 1,000 models";
    if Command::new(&hf).arg("version").output().is_err() {
        skip(what, "`hf` is not on the PATH, and `TAFFRAIL_HF` names none");
    } else {
        let theirs = list(|| {
            let mut command = Command::new(&hf);
            command.args(["cache", "ls"]).env("HF_HUB_CACHE", home.path("hub"));
            command
        });
        let times = theirs / ls;
        tell(what, &format!("{theirs:.0} / {ls:.1} ms, {times:.0} times"), "≥ 20 times", times >= 20.0);
    }
    // It leaves the cache changed a moment ago, which the index does not believe.
    watched(&home);
}

/// From a file's rename into the cache, its replacement and its removal to the row that tells.
fn watched(home: &Home) {
    let snapshot = home.path("hub/models--new--newcomer/snapshots/0123");
    std::fs::create_dir_all(&snapshot).unwrap();
    let (file, beside) = (snapshot.join("newcomer.gguf"), home.path("newcomer.part"));
    let mut terminal = Terminal::open(home, 120, 40);
    let count = |count: usize| format!(" {count} models");
    terminal.see(&count(REPOSITORIES + 2));
    terminal.send("/newcomer\r");
    terminal.see(&format!("0 of {}", REPOSITORIES + 2));
    let whole = std::fs::read(starter("ishmael-1m")).unwrap();
    let mut most = Duration::ZERO;
    for _ in 0..3 {
        let put = |bytes: &[u8]| {
            std::fs::write(&beside, bytes).unwrap();
            std::fs::rename(&beside, &file).unwrap();
            Instant::now()
        };
        let start = put(&whole);
        most = most.max(time_until(start, "a new row", || terminal.text().contains("1 of 1003")));
        let start = put(&whole[..whole.len() / 2]);
        most = most.max(time_until(start, "a damaged row", || terminal.text().contains("damaged")));
        std::fs::remove_file(&file).unwrap();
        most = most.max(time_until(Instant::now(), "no row", || terminal.text().contains("0 of 1002")));
    }
    let figure = format!("{:.2} s at the most", most.as_secs_f64());
    tell("a new, a changed, a removed file to the screen", &figure, "≤ 2 s", most <= Duration::from_secs(2));
    drop(terminal);
    std::fs::remove_dir_all(home.path("hub/models--new--newcomer")).unwrap();
}

/// 100 headers of real size, each read for the first time: vocabularies of 100,000 and 200,000 tokens in turn, 150,000 each.
pub(crate) fn headers(_: &Given) {
    const HEADERS: usize = 100;
    let home = Home::new();
    let folder = home.path("models");
    let settings = format!("[library]\nfolders = ['{}']\nuse_starter = false\n", folder.display());
    home.write("config/taffrail/config.toml", settings);
    let all = real_vocabulary::all();
    let of_name = |name: &str| all.iter().find(|vocabulary| vocabulary.name == name).unwrap().model();
    let models = [of_name("llama3"), of_name("gpt-oss")];
    for number in 0..HEADERS {
        // As long as its weights would make it, and without them.
        let file = models[number % 2].clone().string("general.name", &format!("model {number}")).sparse();
        let path = home.write(&format!("models/{number}.gguf"), &file.header);
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(file.length).unwrap();
    }
    let cold: Vec<_> = (0..5)
        .map(|_| {
            let _ = std::fs::remove_dir_all(home.path("cache"));
            list_once(&mut home.command(&["ls"]))
        })
        .collect();
    let cold = median(cold);
    tell("taffrail ls, 100 headers of 150,000 tokens, no index", &format!("{cold:.0} ms"), "≤ 500 ms", cold <= 500.0);
}

/// 10,000 models over six stores.
pub(crate) fn stores(_: &Given) {
    let home = Home::new();
    let root = home.path("");
    let stores = make_stores::Stores {
        // Where the test's home says that they are.
        hugging_face: home.path("hub"),
        llama_cpp: home.path("cache/llama.cpp"),
        jan: home.path("data/Jan/data"),
        gpt4all: home.path("data/nomic.ai/GPT4All"),
        ..make_stores::Stores::of(&root)
    };
    make_stores::make(&stores, MODELS, &starter("ishmael-1m")).unwrap();
    age(&root, SystemTime::now() - Duration::from_hours(1));
    let index = home.path("cache/taffrail");
    let cold: Vec<_> = (0..3)
        .map(|_| {
            let _ = std::fs::remove_dir_all(&index);
            list_once(&mut home.command(&["ls"]))
        })
        .collect();
    let cold = median(cold);
    tell("taffrail ls, 10,000 models in 6 stores, without an index", &format!("{cold:.0} ms"), "≤ 5 s", cold <= 5000.0);
    let warm = list(|| home.command(&["ls", "zebra"]));
    tell("taffrail ls zebra, the same, warm", &format!("{warm:.1} ms"), "", true);
    let mut opened = Vec::new();
    let mut resident = 0.0_f64;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let terminal = Terminal::open(&home, 120, 40);
        let count = format!(" {} models", MODELS + 2);
        opened.push(milliseconds(time_until(start, &count, || terminal.text().contains(&count))));
        resident = resident.max(peak_memory(terminal.child.process_id().unwrap()));
    }
    let opened = median(opened);
    tell("exec to all 10,000 models on screen, warm", &format!("{opened:.1} ms"), "≤ 100 ms", opened <= 100.0);
    tell("the dashboard's memory with them, at its peak", &format!("{resident:.0} MB"), "< 150 MB", resident < 150.0);
    keys(&home);
}

/// Each key's time to its frame at 200×50, for what has to keep up with 60 frames a second.
fn keys(home: &Home) {
    /// One of 60 frames.
    const FRAME: f64 = 1000.0 / 60.0;
    let mut terminal = Terminal::open(home, 200, 50);
    terminal.see(&format!(" {} models", MODELS + 2));
    let mut rows = |what: &str, keys: &[&str], of_frame: fn(&str) -> String| {
        let times = keys.iter().map(|key| {
            watch(Duration::from_millis(50));
            let before = of_frame(&terminal.text());
            let start = Instant::now();
            terminal.send(key);
            milliseconds(time_until(start, "another frame", || of_frame(&terminal.text()) != before))
        });
        let times: Vec<f64> = times.collect();
        let most = times.iter().copied().fold(0.0, f64::max);
        let figure = format!("median {:.1} ms, most {most:.1} ms", median(times));
        tell(what, &figure, "≤ 16.7 ms", most <= FRAME);
    };
    let chosen = |text: &str| text.lines().find(|line| line.starts_with('▌')).unwrap_or_default().to_owned();
    rows("10,000 models: a step down to its frame", &["j"; 100], chosen);
    rows("10,000 models: a page to its frame", &["\u{1b}[6~"; 40], chosen);
    let filter = |text: &str| text.lines().nth(2).unwrap_or_default().to_owned();
    rows(
        "10,000 models: a key of the filter to its frame",
        &[&["/"][..], &["m", "o", "1", "2", "\u{7f}", "\u{7f}"].repeat(10)].concat(),
        filter,
    );
}

/// The most memory that a process has had, megabytes.
fn peak_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024.0 / 1e6
}

/// Open the dashboard: the time to the first frame, and to all models.
fn open(home: &Home) -> (Duration, Duration) {
    let start = Instant::now();
    let terminal = Terminal::open(home, 120, 40);
    let first = time_until(start, "a frame", || terminal.text().contains("Library"));
    // The starter models come on top.
    let count = format!(" {} models", REPOSITORIES + 2);
    let all = time_until(start, &count, || terminal.text().contains(&count));
    (first, all)
}

/// The median time of a whole process, milliseconds.
fn list(command: impl Fn() -> Command) -> f64 {
    median((0..ROUNDS).map(|_| list_once(&mut command())).collect())
}

fn list_once(command: &mut Command) -> f64 {
    let start = Instant::now();
    let output = command.output().unwrap();
    let time = milliseconds(start.elapsed());
    assert!(output.status.success(), "{output:?}");
    time
}

/// Set back when a folder and all in it changed.
fn age(folder: &Path, to: SystemTime) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            age(&entry.path(), to);
        } else {
            // Links have no time of their own that matters.
            if entry.file_type().unwrap().is_file() {
                std::fs::File::open(entry.path()).unwrap().set_modified(to).unwrap();
            }
        }
    }
    std::fs::File::open(folder).unwrap().set_modified(to).unwrap();
}
