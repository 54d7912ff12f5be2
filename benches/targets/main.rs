//! What taffrail is to reach, measured: one row each, with its target.
//!
//! `./dev bench --bench targets -- [WORD…]` measures the groups whose name contains a word, or all. The program is the
//! real one, in a pseudo-terminal or driven by the library. `TAFFRAIL_LLAMA_BIN` names the folder with llama-bench and
//! llama-batched-bench of the same llama.cpp, `TAFFRAIL_TEST_MODEL` a file of SmolLM2-135M-Instruct; what lacks them is skipped, saying so. These
//! are figures and no test: the exit code is 0 whatever they are. Absent: what a frame costs, which `benches/frame.rs`
//! measures.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and a row that can't be measured ends there"
)]

#[cfg(unix)]
mod attach;
#[cfg(unix)]
mod cleanup;
#[cfg(unix)]
mod kv;
#[cfg(unix)]
mod lab;
#[cfg(unix)]
mod library;
#[cfg(unix)]
#[expect(dead_code, reason = "its command line")]
#[path = "../../examples/make_stores.rs"]
mod make_stores;
#[cfg(unix)]
mod monitors;
#[cfg(unix)]
mod polling;
#[cfg(unix)]
mod race;
#[cfg(unix)]
#[path = "../../tests/program/real_vocabulary.rs"]
mod real_vocabulary;
#[cfg(unix)]
mod sequences;
#[cfg(unix)]
mod sessions;
#[cfg(unix)]
mod speed;
#[cfg(unix)]
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/program/support.rs"]
mod support;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
#[path = "../support/worker.rs"]
mod worker;

use std::path::PathBuf;
use std::time::Duration;

/// A group's name, whether it needs llama.cpp, and how it is measured.
type Group = (&'static str, bool, fn(&Given));

#[cfg(unix)]
const GROUPS: &[Group] = &[
    ("speed-starter", true, speed::starter_model),
    ("speed-given", true, speed::given_model),
    ("library", false, library::measure),
    ("headers", false, library::headers),
    ("stores", false, library::stores),
    ("verify", false, cleanup::measure),
    ("history", false, lab::history),
    ("bench", true, lab::bench),
    ("bench-parallel", true, lab::parallel),
    ("sequences", true, sequences::measure),
    ("kv", true, kv::measure),
    ("together", true, sessions::together),
    ("beside", true, sessions::beside),
    ("cancel", true, sessions::cancel),
    ("idle", true, terminal::idle),
    ("attach", true, attach::measure),
    ("monitors", false, monitors::idle),
    ("sampling", false, monitors::sampling),
    ("polling", false, polling::measure),
    ("keypress", true, terminal::keypress),
    ("race-keypress", true, race::keypress),
    ("race-whole", true, race::whole),
    ("race-in-turn", true, race::in_turn),
    ("frame", false, frame),
];
#[cfg(not(unix))]
const GROUPS: &[Group] = &[("frame", false, frame)];

fn main() {
    let (options, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if !options.iter().any(|option| option == "--bench") {
        println!("nothing is measured without `cargo bench`");
        return;
    }
    let given = Given {
        llama_bench: std::env::var_os("TAFFRAIL_LLAMA_BIN").map(|folder| PathBuf::from(folder).join("llama-bench")),
        model: std::env::var_os("TAFFRAIL_TEST_MODEL").map(PathBuf::from),
    };
    for (name, needs_llama, measure) in GROUPS {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        if *needs_llama && !cfg!(feature = "llama") {
            skip(name, "built without llama.cpp");
            continue;
        }
        // One that fails has said why, and the others are measured all the same.
        if std::panic::catch_unwind(|| measure(&given)).is_err() {
            skip(name, "could not be measured");
        }
    }
}

/// What the environment gives to measure with.
struct Given {
    /// llama-bench of the same llama.cpp.
    llama_bench: Option<PathBuf>,
    /// A small model that answers at length.
    model: Option<PathBuf>,
}

/// The reason where no small model is given.
#[cfg(unix)]
const NO_MODEL: &str = "TAFFRAIL_TEST_MODEL names no model";

/// Tell a figure and whether it keeps its bound.
#[cfg(unix)]
fn tell(what: &str, figure: &str, bound: &str, keeps: bool) {
    row(if keeps { "ok" } else { "misses" }, what, figure, bound);
}

/// Tell why there is no figure.
fn skip(what: &str, why: &str) {
    row("skipped", what, why, "");
}

fn row(verdict: &str, what: &str, figure: &str, bound: &str) {
    println!("{verdict:<8} {what:<62} {figure:<58} {bound}");
}

/// The middle of some figures, the higher one of two.
#[cfg(unix)]
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[cfg(unix)]
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Wait for a condition, looking more often than a test does; gives the time since `start`.
#[cfg(unix)]
fn time_until(start: std::time::Instant, what: &str, is_so: impl Fn() -> bool) -> Duration {
    assert!(support::poll(support::PATIENCE, Duration::from_millis(1), is_so), "waited in vain for {what}");
    start.elapsed()
}

fn frame(_: &Given) {
    row("see", "a frame at 200×50 with eight streaming sessions", "./dev bench --bench frame", "≤ 2 ms");
}
