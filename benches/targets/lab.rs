//! The bench against llama-bench and llama-batched-bench of the same llama.cpp, and a history of 100,000 runs.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use domain::lab::statistics::Summary;
use domain::record::{Body, Filter, Kind, Measured, Page, Record, Series};
use serde_json::{Value, json};
use taffrail::history::History;

use crate::support::Home;
use crate::{Given, NO_MODEL, median, milliseconds, skip, tell};

/// Times that both are run, by turns.
const ROUNDS: usize = 6;
/// Repetitions in each.
const REPETITIONS: &str = "2";
/// Tokens of a prompt and of a generation, and the depths: small, so that many rounds fit in some minutes.
const PROMPT: &str = "256";
const GENERATE: &str = "64";
const DEPTHS: &str = "0,256";
/// With several sequences each round costs several times as much.
const SHORT_PROMPT: &str = "128";
const SHORT_GENERATE: &str = "32";
/// Sequences that are decoded together.
const PARALLEL: &str = "1,2,4";

/// A cell's name with its speed, tokens per second.
type Speeds = Vec<(String, f64)>;

/// Each cell of a bench against llama-bench's, by turns.
pub(crate) fn bench(given: &Given) {
    let ours = [&["--pp", PROMPT, "--tg", GENERATE, "--depth", DEPTHS][..]];
    compare(given, "llama-bench", &ours, |peer, model, threads| {
        let mut command = Command::new(peer);
        command.arg("-m").arg(model).args(["-t", threads, "-p", PROMPT, "-n", GENERATE, "-d", DEPTHS]);
        let output = command.args(["-r", REPETITIONS, "-o", "json"]).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let speed = |row: &Value| {
            let (what, n) = if row["n_gen"] == 0 { ("pp", &row["n_prompt"]) } else { ("tg", &row["n_gen"]) };
            let depth = if row["n_depth"] == 0 { String::new() } else { format!(" @ d{}", row["n_depth"]) };
            (format!("{what}{n}{depth}"), row["avg_ts"].as_f64().unwrap())
        };
        document.as_array().unwrap().iter().map(speed).collect()
    });
}

/// Each cell with parallel sequences against llama-batched-bench's, by turns. That one generates behind its prompt, which is
/// a depth of ours.
pub(crate) fn parallel(given: &Given) {
    let ours = [
        &["--pp", SHORT_PROMPT, "--tg", "0", "--parallel", PARALLEL][..],
        &["--pp", "0", "--tg", SHORT_GENERATE, "--depth", SHORT_PROMPT, "--parallel", PARALLEL],
    ];
    compare(given, "llama-batched-bench", &ours, |peer, model, threads| {
        let mut command = Command::new(peer);
        command.arg("-m").arg(model).args(["-t", threads, "-c", "2048"]);
        command.args(["-npp", SHORT_PROMPT, "-ntg", SHORT_GENERATE, "-npl", PARALLEL, "--output-format", "jsonl"]);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
        rows.flat_map(|row| {
            let parallel = match row["pl"].as_u64().unwrap() {
                1 => String::new(),
                parallel => format!(" × {parallel}"),
            };
            let speed = |name: &str| row[name].as_f64().unwrap();
            [
                (format!("pp{SHORT_PROMPT}{parallel}"), speed("speed_pp")),
                (format!("tg{SHORT_GENERATE} @ d{SHORT_PROMPT}{parallel}"), speed("speed_tg")),
            ]
        })
        .collect()
    });
}

/// Measure ours and a peer by turns, and tell each cell's ratio.
fn compare(given: &Given, peer: &str, cells: &[&[&str]], theirs: impl Fn(&Path, &Path, &str) -> Speeds) {
    let what = format!("bench against {peer}");
    let path = given.llama_bench.as_ref().map(|file| file.with_file_name(peer));
    let Some(path) = path.filter(|file| file.is_file()) else {
        return skip(&what, &format!("TAFFRAIL_LLAMA_BIN names no folder with {peer}"));
    };
    let Some(model) = &given.model else { return skip(&what, NO_MODEL) };
    for threads in ["1", "2"] {
        let mut rounds: Vec<(Speeds, Speeds)> = Vec::new();
        for round in 0..ROUNDS {
            // Each goes first as often as the other.
            rounds.push(if round % 2 == 0 {
                let mine = ours(model, threads, cells);
                (mine, theirs(&path, model, threads))
            } else {
                let theirs = theirs(&path, model, threads);
                (ours(model, threads, cells), theirs)
            });
        }
        let Some((first, _)) = rounds.first() else { return };
        for (cell, _) in first {
            let speed = |speeds: &Speeds| speeds.iter().find(|(name, _)| name == cell).map(|(_, speed)| *speed);
            let pairs: Option<Vec<(f64, f64)>> =
                rounds.iter().map(|(mine, theirs)| speed(mine).zip(speed(theirs))).collect();
            match pairs {
                Some(pairs) => tell_ratio(&format!("{what}: {cell}, {threads} threads"), &pairs),
                None => skip(&format!("{what}: {cell}"), "one of the two did not measure it"),
            }
        }
    }
}

/// The mean of the rounds' ratios with its interval, against two percent or what the peer itself varies by.
pub(crate) fn tell_ratio(what: &str, pairs: &[(f64, f64)]) {
    let ratios: Vec<f64> = pairs.iter().map(|(mine, theirs)| mine / theirs).collect();
    let theirs: Vec<f64> = pairs.iter().map(|(_, theirs)| *theirs).collect();
    let (Some(ratio), Some(peer)) = (Summary::of(&ratios), Summary::of(&theirs)) else { return };
    let most = theirs.iter().copied().fold(0.0, f64::max);
    let least = theirs.iter().copied().fold(f64::MAX, f64::min);
    let spread = (most - least) / peer.mean;
    let bound = spread.max(0.02);
    let figure = format!(
        "{:.3} ± {:.3}: {:.1} / {:.1} tok/s, theirs vary by {:.1} %",
        ratio.mean,
        ratio.half_width().unwrap_or(f64::NAN),
        ratio.mean * peer.mean,
        peer.mean,
        spread * 100.0
    );
    tell(what, &figure, &format!("within {:.1} %", bound * 100.0), (ratio.mean - 1.0).abs() <= bound);
}

/// Our cells with their mean speeds.
fn ours(model: &Path, threads: &str, cells: &[&[&str]]) -> Speeds {
    let home = Home::new();
    let measure = |cells: &&[&str]| {
        let mut command = vec!["bench", model.to_str().unwrap(), "-t", threads, "-r", REPETITIONS, "--json"];
        command.extend(["--keep-outliers", "--set", "telemetry.interval_ms=500"]);
        command.extend(*cells);
        let document = home.run(&command).json();
        let speed = |row: &Value| Some((row["test"].as_str()?.to_owned(), row["tokens_per_second"].as_f64()?));
        document["rows"].as_array().unwrap().iter().filter_map(speed).collect::<Speeds>()
    };
    cells.iter().flat_map(measure).collect()
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
    let body = Body::from_value(kind, json!({ "text": "An answer of some length. ".repeat(40) })).unwrap();
    Record {
        models: vec![model],
        figures: vec![Measured { series, what: "tg".to_owned(), rate: Some(n as f64), n: 1, ..Measured::default() }],
        ..Record::new(n.cast_signed() as i64, title, body)
    }
}
