//! A prompt whose state is on disk against the same prompt read again: the time to the first token, in one run.

use wire::{Event, KeptPrompts, Load, Sampling};

use crate::worker::{Worker, generate, load};
use crate::{Given, NO_MODEL, median, row, skip, tell};

/// The prompt's text, whose words are about a token each, and how many tokens it has about.
const SENTENCE: &str = "Once upon a time there was a small village by the sea where the old captain lived. ";
const N_TOKENS: usize = 4096;
/// Restores, of which the middle one counts.
const ROUNDS: usize = 5;
/// How many times faster it has to be.
const BOUND: f64 = 100.0;

/// Seconds until the first token: read, and restored. The same prompt has the target; the next turn of a conversation, with
/// somewhat more, shows what a user sees.
pub(crate) fn measure(given: &Given) {
    let what = "first token of 4k tokens from disk against read anew";
    let Some(model) = &given.model else { return skip(what, NO_MODEL) };
    let folder = tempfile::tempdir().unwrap();
    let kept_prompts = Some(KeptPrompts { folder: folder.path().join("prompts"), max_bytes: 1 << 30 });
    let load = Load { kept_prompts, ..load(model, 8192, 2, 1) };
    let text = SENTENCE.repeat(N_TOKENS.div_ceil(18));
    let mut worker = Worker::load(load.clone());
    let (n_tokens, _, read) = ask(&mut worker, 1, &text);
    worker.stop();
    for (which, text) in [("the same prompt", text.clone()), ("the next turn", format!("{text} And then"))] {
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let mut worker = Worker::load(load.clone());
            let (_, n_cached, restored) = ask(&mut worker, round as u64 + 2, &text);
            if n_cached + 2 < n_tokens {
                return skip(what, "the state was not restored");
            }
            times.push(restored);
        }
        let restored = median(times);
        let ratio = read / restored;
        let figure = format!("{ratio:.0}x: {:.0} ms rather than {:.1} s, {n_tokens} tokens", restored * 1e3, read);
        match which {
            "the same prompt" => tell(what, &figure, &format!(">= {BOUND:.0}x"), ratio >= BOUND),
            _ => row("see", &format!("{what}, {which}"), &figure, ""),
        }
    }
}

/// Tokens of the prompt, those that were not read, and the seconds until the first token.
fn ask(worker: &mut Worker, id: u64, text: &str) -> (u32, u32, f64) {
    let sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
    worker.send([generate(id, text, 1, sampling)]);
    let mut counted = (0, 0);
    loop {
        match worker.event() {
            Event::Started(started) => counted = (started.n_prompt, started.n_cached),
            Event::Finished { counters, .. } => {
                let first = counters.ttft_us.unwrap_or_default();
                return (counted.0, counted.1, first as f64 / 1e6);
            }
            _ => {}
        }
    }
}
