//! The bench against llama-bench of the same llama.cpp, and a history of 100,000 runs.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use taffrail::core::history::{Filter, Kind, Measured, Page, Record, Series};
use taffrail::history::History;

use crate::support::House;
use crate::{Given, NO_MODEL, median, milliseconds, skip, tell};

/// Times that both are run, by turns.
const ROUNDS: usize = 5;
/// Repetitions in each.
const REPETITIONS: &str = "3";

/// Each cell of a bench against llama-bench's, by turns.
pub(crate) fn bench(given: &Given) {
    let Some(peer) = given.llama_bench.as_deref().filter(|file| file.is_file()) else {
        return skip("bench against llama-bench", "TAFFRAIL_LLAMA_BIN names no folder with llama-bench");
    };
    let Some(model) = &given.model else { return skip("bench against llama-bench", NO_MODEL) };
    for threads in ["1", "2"] {
        // A peer's threads spin while they wait, and so must ours where speeds are compared.
        let policy = if threads == "1" { "brief" } else { "active" };
        let mut cells: Vec<(String, Vec<f64>, Vec<f64>)> = Vec::new();
        for round in 0..ROUNDS {
            let (mine, theirs) = if round % 2 == 0 {
                let mine = ours(model, threads, policy);
                (mine, llama_bench(peer, model, threads))
            } else {
                let theirs = llama_bench(peer, model, threads);
                (ours(model, threads, policy), theirs)
            };
            for ((name, mine), (_, theirs)) in mine.into_iter().zip(theirs) {
                match cells.iter_mut().find(|(known, ..)| *known == name) {
                    Some((_, all_mine, all_theirs)) => {
                        all_mine.push(mine);
                        all_theirs.push(theirs);
                    }
                    None => cells.push((name, vec![mine], vec![theirs])),
                }
            }
        }
        for (name, mine, theirs) in cells {
            let spread =
                theirs.iter().copied().fold(0.0, f64::max) / theirs.iter().copied().fold(f64::MAX, f64::min) - 1.0;
            let ratio = median(mine.iter().zip(&theirs).map(|(mine, theirs)| mine / theirs).collect());
            let bound = spread.max(0.02);
            let figure = format!(
                "{ratio:.3}: {:.1} / {:.1} tok/s, their spread {:.1} %",
                median(mine),
                median(theirs),
                spread * 100.0
            );
            let what = format!("bench against llama-bench: {name}, {threads} threads, {policy}");
            tell(&what, &figure, &format!("within {:.1} %", bound * 100.0), (ratio - 1.0).abs() <= bound);
        }
    }
}

/// Our cells with their mean speeds.
fn ours(model: &Path, threads: &str, policy: &str) -> Vec<(String, f64)> {
    let house = House::new();
    let wait = format!("engine.wait_policy={policy}");
    let mut command =
        vec!["bench", model.to_str().unwrap(), "-t", threads, "-r", REPETITIONS, "--json", "--keep-tainted"];
    command.extend(["--set", &wait, "--set", "engine.nice=0", "--depth", "0,512"]);
    let document = house.run(&command).json();
    let rows = document["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| (row["test"].as_str().unwrap().to_owned(), row["tokens_per_second"].as_f64().unwrap()))
        .collect()
}

fn llama_bench(peer: &Path, model: &Path, threads: &str) -> Vec<(String, f64)> {
    let mut command = Command::new(peer);
    command.arg("-m").arg(model).args(["-t", threads, "-p", "512", "-n", "128", "-d", "0,512"]);
    let output = command.args(["-r", REPETITIONS, "-o", "json"]).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    // In our order: by depth, the prompt first.
    let mut rows: Vec<&Value> = document.as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| (row["n_depth"].as_u64(), row["n_gen"].as_u64()));
    rows.iter()
        .map(|row| (format!("pp{} tg{}", row["n_prompt"], row["n_gen"]), row["avg_ts"].as_f64().unwrap()))
        .collect()
}

/// Runs in the history.
const RUNS: usize = 100_000;
/// A frame at 60 in a second.
const FRAME_MS: f64 = 1000.0 / 60.0;

/// How long a full history takes to open and to filter.
pub(crate) fn history(_: &Given) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut history = History::open(&path).unwrap();
    for n in 0..RUNS {
        history.add(&run(n)).unwrap();
    }
    drop(history);
    let page = Page { before: None, rows: 200 };
    let open = || {
        let start = Instant::now();
        let mut history = History::open(&path).unwrap();
        let rows = history.list(&Filter::default(), page).unwrap();
        assert_eq!(rows.len(), page.rows);
        milliseconds(start.elapsed())
    };
    let opened = median((0..11).map(|_| open()).collect());
    tell("history of 100,000 runs: open and first page", &format!("{opened:.1} ms"), "< 200 ms", opened < 200.0);
    let mut history = History::open(&path).unwrap();
    for (what, filter) in [
        ("a word that all have", "question"),
        ("a word that few have", "needle"),
        ("a word that none has", "haystack"),
        ("two letters that none has", "qx"),
        ("a kind that few have", "kind:bench"),
        ("a kind and a word", "kind:bench model-7"),
    ] {
        let filter = Filter::parse(filter);
        let times = (0..11).map(|_| {
            let start = Instant::now();
            history.list(&filter, page).unwrap();
            milliseconds(start.elapsed())
        });
        let time = median(times.collect());
        tell(&format!("history of 100,000 runs: {what}"), &format!("{time:.2} ms"), "≤ 16.7 ms", time <= FRAME_MS);
    }
    let start = Instant::now();
    let n_models = history.measured().unwrap().len();
    let time = milliseconds(start.elapsed());
    tell(
        &format!("history of 100,000 runs: the last speed of {n_models} models"),
        &format!("{time:.2} ms"),
        "≤ 16.7 ms",
        time <= FRAME_MS,
    );
}

fn run(n: usize) -> Record {
    let model = format!("hf:owner/model-{}", n % 100);
    let kind = if n % 1000 == 7 { Kind::Bench } else { Kind::Run };
    let title =
        format!("Question {n} about {}", if n % 5000 == 3 { "a needle" } else { "the sea, the ship and the crew" });
    let series = Series { model: model.clone(), settings: "threads=8".to_owned(), ..Series::default() };
    Record {
        models: vec![model],
        figures: vec![Measured { series, what: "tg".to_owned(), rate: Some(n as f64), n: 1, ..Measured::default() }],
        ..Record::new(kind, n.cast_signed() as i64, title, json!({ "text": "An answer of some length. ".repeat(40) }))
    }
}
