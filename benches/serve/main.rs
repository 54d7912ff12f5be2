//! taffrail's server against llama-server of the same llama.cpp: the same file, threads, sequences and prompts, by turns.
//!
//! `./dev bench --bench serve -- [WORD…]` measures the rows whose name contains a word, or all. `TAFFRAIL_LLAMA_BIN` names
//! the folder with llama-server, `TAFFRAIL_TEST_MODEL` a file of SmolLM2-135M-Instruct; without them the rows are skipped,
//! saying so. These are figures and no test: the exit code is 0 whatever they are.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and a row that can't be measured ends there"
)]

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod overhead;
#[cfg(unix)]
mod peer;
#[cfg(unix)]
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/serve/support.rs"]
mod support;
#[cfg(unix)]
#[expect(dead_code, reason = "other benches use more of it")]
#[path = "../support/worker.rs"]
mod worker;

fn main() {
    let (options, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if !options.iter().any(|option| option == "--bench") {
        println!("nothing is measured without `cargo bench`");
        return;
    }
    #[cfg(unix)]
    measure(&words);
    #[cfg(not(unix))]
    println!("skipped: {words:?} are measured on Unix only");
}

/// Clients at once.
#[cfg(unix)]
const CLIENTS: [usize; 3] = [1, 4, 16];
/// Times that each is measured, by turns.
#[cfg(unix)]
const ROUNDS: usize = 6;
/// Requests of a round, whatever the number of clients.
#[cfg(unix)]
const REQUESTS: usize = 16;
/// Sequences of both servers.
#[cfg(unix)]
const PARALLEL: usize = 16;
/// The context of a sequence, in tokens.
#[cfg(unix)]
const N_CTX: usize = 1024;
/// Threads of both.
#[cfg(unix)]
const THREADS: usize = 2;

#[cfg(unix)]
fn measure(words: &[String]) {
    use std::path::PathBuf;

    let folder = std::env::var_os("TAFFRAIL_LLAMA_BIN").map(PathBuf::from);
    let Some(program) = folder.map(|folder| folder.join("llama-server")).filter(|file| file.is_file()) else {
        return println!("skipped: TAFFRAIL_LLAMA_BIN names no folder with llama-server");
    };
    let Some(model) = std::env::var_os("TAFFRAIL_TEST_MODEL").map(PathBuf::from) else {
        return println!("skipped: TAFFRAIL_TEST_MODEL names no model");
    };
    let ours = peer::Ours::start(&model);
    let theirs = peer::Theirs::start(&program, &model);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The first request of ours loads the model; both are warm then.
    for target in [&ours.target, &theirs.target] {
        runtime.block_on(client::round(target, 1, 2, &client::prompts(0, false, 2)));
    }
    if words.is_empty() || words.iter().any(|word| "overhead".contains(word.as_str())) {
        overhead::measure(&ours.target, &model);
    }
    for shared in [false, true] {
        for clients in CLIENTS {
            let name = format!("{clients} clients{}", if shared { ", shared prefix" } else { "" });
            if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
                continue;
            }
            let decodes = |target: &client::Target| runtime.block_on(client::decodes(target));
            let mut pairs = Vec::new();
            let mut counted = [0.0; 2];
            for round in 0..ROUNDS {
                let prompts =
                    client::prompts(1 + round + 100 * clients + 10_000 * usize::from(shared), shared, REQUESTS);
                let mut measure = |target, place: usize| {
                    let before = decodes(target);
                    let measured = runtime.block_on(client::round(target, clients, REQUESTS, &prompts));
                    counted[place] += decodes(target).zip(before).map_or(f64::NAN, |(after, before)| after - before);
                    measured
                };
                // Each goes first as often as the other.
                pairs.push(if round % 2 == 0 {
                    let ours = measure(&ours.target, 0);
                    (ours, measure(&theirs.target, 1))
                } else {
                    let theirs = measure(&theirs.target, 1);
                    (measure(&ours.target, 0), theirs)
                });
            }
            tell(&name, &pairs, counted);
        }
    }
}

#[cfg(unix)]
fn tell(name: &str, pairs: &[(client::Measured, client::Measured)], decodes: [f64; 2]) {
    let rates = |pick: fn(&(client::Measured, client::Measured)) -> f64| pairs.iter().map(pick).collect::<Vec<_>>();
    let ratios = rates(|(ours, theirs)| ours.rate / theirs.rate);
    let (ours, theirs) = (mean(&rates(|(ours, _)| ours.rate)), mean(&rates(|(_, theirs)| theirs.rate)));
    let ratio = mean(&ratios);
    let figure = format!("{ratio:.3} ({:.3} to {:.3}): {ours:.1} / {theirs:.1} tok/s", least(&ratios), most(&ratios));
    row(ratio >= 1.0, &format!("{name}: tokens per second"), &figure, "≥ 1.00");
    let first = |pick: fn(&(client::Measured, client::Measured)) -> &Vec<f64>| {
        let mut all: Vec<f64> = pairs.iter().flat_map(pick).copied().collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (ours, theirs) = (first(|(ours, _)| &ours.ttft), first(|(_, theirs)| &theirs.ttft));
    for percent in [50, 99] {
        let at = |all: &[f64]| all[(all.len() - 1) * percent / 100];
        let (ours, theirs) = (at(&ours), at(&theirs));
        let figure = format!("{ours:.1} / {theirs:.1} ms");
        row(ours <= theirs, &format!("{name}: time to first token, p{percent}"), &figure, "≤ theirs");
    }
    let [ours, theirs] = decodes;
    if ours.is_finite() && theirs.is_finite() {
        row(ours <= theirs, &format!("{name}: decode calls"), &format!("{ours:.0} / {theirs:.0}"), "≤ theirs");
    } else {
        println!("{:<8} {name}: decode calls: not reported by both", "skipped");
    }
}

#[cfg(unix)]
fn row(keeps: bool, what: &str, figure: &str, bound: &str) {
    println!("{:<8} {what:<62} {figure:<58} {bound}", if keeps { "ok" } else { "misses" });
}

#[cfg(unix)]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(unix)]
fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MAX, f64::min)
}

#[cfg(unix)]
fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN, f64::max)
}
