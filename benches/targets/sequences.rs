//! Several requests at once in one worker against llama-batched-bench of the same llama.cpp, by turns.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use wire::{Event, Sampling};

use crate::lab::tell_ratio;
use crate::worker::{WAIT_POLICY, Worker, generate, load};
use crate::{Given, NO_MODEL, skip};

/// Sequences that are decoded together.
const PARALLEL: [u32; 3] = [1, 4, 8];
/// Times that both are run, by turns.
const ROUNDS: u64 = 6;
/// Tokens of an answer.
const N_GENERATE: u32 = 64;
/// The prompt, and about how many tokens it has.
const PROMPT: &str = "Once upon a time, in a small village by the sea, there lived";
const N_PROMPT: &str = "16";
/// Tokens of a sequence's context.
const N_CTX: u32 = 512;

/// Tokens per second of all requests together.
pub(crate) fn measure(given: &Given) {
    let what = "requests at once against llama-batched-bench";
    let peer = given.llama_bench.as_ref().map(|file| file.with_file_name("llama-batched-bench"));
    let Some(peer) = peer.filter(|file| file.is_file()) else {
        return skip(what, "TAFFRAIL_LLAMA_BIN names no folder with llama-batched-bench");
    };
    let Some(model) = &given.model else { return skip(what, NO_MODEL) };
    for threads in [1, 2] {
        for n_parallel in PARALLEL {
            let mut worker = Worker::load(load(model, N_CTX, threads, n_parallel));
            let mut pairs = Vec::new();
            for round in 0..ROUNDS {
                // Each goes first as often as the other.
                let (mine, theirs) = if round % 2 == 0 {
                    let mine = rate(&mut worker, round, n_parallel);
                    (mine, batched_bench(&peer, model, threads, n_parallel))
                } else {
                    let theirs = batched_bench(&peer, model, threads, n_parallel);
                    (rate(&mut worker, round, n_parallel), theirs)
                };
                let Some(theirs) = theirs else { return skip(what, "llama-batched-bench measured nothing") };
                pairs.push((mine, theirs));
            }
            tell_ratio(&format!("{what}: {n_parallel}, {threads} threads"), &pairs);
        }
    }
}

/// The rate at which so many requests generate together, from the first token of one to the last of all.
fn rate(worker: &mut Worker, round: u64, n_parallel: u32) -> f64 {
    let ids = (0..u64::from(n_parallel)).map(|index| round * 1000 + index);
    worker.send(ids.map(|id| {
        let sampling = Sampling { seed: Some(id as u32), ..Sampling::default() };
        generate(id, PROMPT, N_GENERATE, sampling)
    }));
    let (mut first, mut n_running, mut n_generated) = (None, n_parallel, 0);
    while n_running > 0 {
        match worker.event() {
            Event::Text { .. } => _ = first.get_or_insert_with(Instant::now),
            Event::Finished { counters, .. } => {
                n_running -= 1;
                // The first token of each is its prompt's.
                n_generated += counters.n_generated.saturating_sub(1);
            }
            _ => {}
        }
    }
    f64::from(n_generated) / first.map_or(f64::NAN, |first| first.elapsed().as_secs_f64())
}

/// The rate of the peer's generation with so many sequences.
fn batched_bench(peer: &Path, model: &Path, threads: u32, n_parallel: u32) -> Option<f64> {
    let mut command = Command::new(peer);
    command.env(WAIT_POLICY.0, WAIT_POLICY.1);
    command.arg("-m").arg(model).args(["-t", &threads.to_string(), "-c", &(N_CTX * n_parallel).to_string()]);
    command.args(["-npp", N_PROMPT, "-ntg", &N_GENERATE.to_string(), "-npl", &n_parallel.to_string()]);
    let output = command.args(["-ngl", "0", "--output-format", "jsonl"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| serde_json::from_str::<Value>(line.trim()).ok()?["speed_tg"].as_f64())
}
