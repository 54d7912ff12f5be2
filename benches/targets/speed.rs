//! `taffrail run` against llama-bench of the same llama.cpp: same file, same threads, by turns.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Home, starter};
use crate::{Given, NO_MODEL, median, skip, tell};

/// Tokens of an answer.
const N_GENERATE: u32 = 128;
/// An answer that ended earlier says too little.
const ENOUGH: f64 = 60.0;
const SENTENCE: &str = "The sea was calm, and the watch below slept while the mate looked out for whales. ";

/// The smallest model, which shows each microsecond of overhead.
pub(crate) fn starter_model(given: &Given) {
    let Some(peer) = peer(given) else { return };
    compare(peer, "ishmael-4m", &starter("ishmael-4m"), 1, 256, 15, 0.90);
}

/// A small model of use.
pub(crate) fn given_model(given: &Given) {
    let Some(peer) = peer(given) else { return };
    let Some(model) = &given.model else {
        return skip("speed against llama-bench, SmolLM2", NO_MODEL);
    };
    for threads in [1, 2] {
        compare(peer, "SmolLM2", model, threads, 512, 15, 0.98);
    }
}

/// llama-bench, if it is there.
fn peer(given: &Given) -> Option<&Path> {
    let peer = given.llama_bench.as_deref().filter(|file| file.is_file());
    if peer.is_none() {
        skip("speed against llama-bench", "TAFFRAIL_LLAMA_BIN names no folder with llama-bench");
    }
    peer
}

fn compare(peer: &Path, name: &str, file: &Path, threads: u32, n_prompt: u32, rounds: u32, bound: f64) {
    let home = Home::new();
    let text = text_of(&home, file, n_prompt);
    let (mut generation, mut prompt) = (Pairs::default(), Pairs::default());
    for round in 0..rounds {
        let ours = || {
            let answer = run(&home, file, threads, "Once upon a time", N_GENERATE, round);
            let read = run(&home, file, threads, &text, 1, round);
            let generated = number(&answer, "/tokens/generated");
            let rate = (generated >= ENOUGH).then(|| number(&answer, "/generation_tokens_per_second"));
            (rate, number(&read, "/prompt_tokens_per_second"), number(&read, "/tokens/prompt"))
        };
        // The order changes, so that neither always follows the other.
        let (mine, theirs) = if round % 2 == 0 {
            let mine = ours();
            (mine, llama_bench(peer, file, threads, mine.2))
        } else {
            let theirs = llama_bench(peer, file, threads, f64::from(n_prompt));
            (ours(), theirs)
        };
        if let Some(rate) = mine.0 {
            generation.add(rate, theirs.1);
        }
        prompt.add(mine.1, theirs.0);
    }
    let plural = if threads == 1 { "thread" } else { "threads" };
    generation.tell(&format!("generation against llama-bench: {name}, {threads} {plural}"), bound);
    prompt.tell(&format!("prompt against llama-bench: {name}, {threads} {plural}"), bound);
}

/// Rates of ours and of theirs, measured one after the other.
#[derive(Default)]
struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    fn add(&mut self, ours: f64, theirs: f64) {
        self.0.push((ours, theirs));
    }

    fn tell(&self, what: &str, bound: f64) {
        if self.0.is_empty() {
            return skip(what, "all answers were too short");
        }
        let ratios = || self.0.iter().map(|(ours, theirs)| ours / theirs);
        let ratio = median(ratios().collect());
        let ours = median(self.0.iter().map(|pair| pair.0).collect());
        let theirs = median(self.0.iter().map(|pair| pair.1).collect());
        let (least, most) = (ratios().fold(f64::MAX, f64::min), ratios().fold(0.0, f64::max));
        let figure = format!("{ratio:.3} ({least:.2} to {most:.2}, n {}): {ours:.0} / {theirs:.0} tok/s", self.0.len());
        tell(what, &figure, &format!("≥ {bound}"), ratio >= bound);
    }
}

/// A text of about so many tokens, by counting a short one.
fn text_of(home: &Home, file: &Path, n_tokens: u32) -> String {
    const COUNTED: usize = 8;
    let short = run(home, file, 1, &SENTENCE.repeat(COUNTED), 1, 0);
    let each = number(&short, "/tokens/prompt") / COUNTED as f64;
    SENTENCE.repeat((f64::from(n_tokens) / each) as usize)
}

fn run(home: &Home, file: &Path, threads: u32, prompt: &str, n: u32, seed: u32) -> Value {
    let (threads, n, seed) = (threads.to_string(), n.to_string(), seed.to_string());
    let file = file.to_str().unwrap();
    home.run(&["run", file, "--json", "--raw", "-p", prompt, "-t", &threads, "-n", &n, "--seed", &seed]).json()
}

/// Tokens per second of the prompt and of the generation.
fn llama_bench(peer: &Path, file: &Path, threads: u32, n_prompt: f64) -> (f64, f64) {
    let mut command = Command::new(peer);
    command.arg("-m").arg(file).args(["-t", &threads.to_string(), "-p", &n_prompt.to_string()]);
    command.args(["-n", &N_GENERATE.to_string(), "-r", "1", "-o", "json"]);
    let output = command.output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    (number(&document, "/0/avg_ts"), number(&document, "/1/avg_ts"))
}

fn number(document: &Value, pointer: &str) -> f64 {
    document.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer} in {document:#}"))
}
