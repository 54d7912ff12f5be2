//! What the server adds to the worker alone: the same prompts, by turns.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use wire::{Event, Sampling};

use crate::client::{self, N_GENERATE, Target};
use crate::worker::{Worker, generate, load};
use crate::{N_CTX, PARALLEL, THREADS, row};

/// Prompts that each answers: enough that the median of differences is not the machine's noise.
const ROUNDS: usize = 41;
/// What the server may add to the first token, in milliseconds.
const MAX_ADDED: f64 = 1.0;
/// The least rate, as a part of the worker's.
const MIN_RATE: f64 = 0.99;

/// The time to the first token and the rate of one client after another, against the worker's own.
pub(crate) fn measure(target: &Target, model: &Path) {
    let mut worker = Worker::load(load(model, N_CTX as u32, THREADS as u32, PARALLEL as u32));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut pairs = Vec::new();
    // The first round warms both up.
    for round in 0..=ROUNDS {
        let prompt = client::prompts(50_000 + round, false, 1)[0].clone();
        let served = || {
            let prompts = Arc::new(vec![prompt.clone()]);
            let begin = Instant::now();
            let measured = runtime.block_on(client::round(target, 1, 1, &prompts));
            Timed::new(measured.ttft[0], measured.n_tokens, begin)
        };
        // Each goes first as often as the other.
        pairs.push(if round % 2 == 0 {
            let served = served();
            (served, alone(&mut worker, round as u64, &prompt))
        } else {
            let alone = alone(&mut worker, round as u64, &prompt);
            (served(), alone)
        });
    }
    pairs.remove(0);
    let median = |pick: fn(&(Timed, Timed)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let added = median(|(served, alone)| served.first - alone.first);
    let first = (median(|(served, _)| served.first), median(|(_, alone)| alone.first));
    let figure = format!("{added:+.2} ms: {:.1} / {:.1} ms", first.0, first.1);
    row(added < MAX_ADDED, "the server against its worker: time to first token", &figure, "< +1 ms");
    let ratio = median(|(served, alone)| served.rate / alone.rate);
    let rates = (median(|(served, _)| served.rate), median(|(_, alone)| alone.rate));
    let figure = format!("{ratio:.3}: {:.1} / {:.1} tok/s", rates.0, rates.1);
    row(ratio >= MIN_RATE, "the server against its worker: tokens per second", &figure, "≥ 0.99");
}

struct Timed {
    /// Milliseconds to the first token.
    first: f64,
    /// Tokens per second after it.
    rate: f64,
}

impl Timed {
    fn new(first: f64, n_tokens: u64, begin: Instant) -> Self {
        let seconds = begin.elapsed().as_secs_f64() - first / 1000.0;
        Self { first, rate: n_tokens.saturating_sub(1) as f64 / seconds }
    }
}

/// What the worker takes, from the request's bytes to the answer's.
fn alone(worker: &mut Worker, id: u64, prompt: &str) -> Timed {
    let begin = Instant::now();
    worker.send([generate(id, prompt, N_GENERATE, Sampling { temperature: Some(0.0), ..Sampling::default() })]);
    let mut first = None;
    loop {
        match worker.event() {
            Event::Text { .. } => _ = first.get_or_insert_with(|| begin.elapsed().as_secs_f64() * 1000.0),
            Event::Finished { counters, .. } => {
                return Timed::new(first.unwrap_or(f64::NAN), u64::from(counters.n_generated), begin);
            }
            _ => {}
        }
    }
}
