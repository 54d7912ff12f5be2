//! Clients that stream completions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

/// Tokens of an answer at most.
pub(crate) const N_GENERATE: u32 = 64;
/// Times that the shared beginning repeats its sentence: some 300 tokens.
const SHARED: usize = 20;

/// A server to ask.
pub(crate) struct Target {
    pub(crate) base: String,
    pub(crate) model: String,
    pub(crate) http: reqwest::Client,
}

/// What a round gave.
pub(crate) struct Measured {
    /// Generated tokens of all clients per second, from the first request to the last token.
    pub(crate) rate: f64,
    /// Milliseconds to the first token, a figure for each request.
    pub(crate) ttft: Vec<f64>,
    /// Generated tokens of all clients.
    pub(crate) n_tokens: u64,
}

/// Prompts that no round before had, with one beginning where `shared`.
pub(crate) fn prompts(round: usize, shared: bool, count: usize) -> Arc<Vec<String>> {
    let sentence = "The keeper of the lighthouse wrote down each ship that passed, its sails and its port of call. ";
    let prompt = |index: usize| {
        let begin = if shared { format!("Volume {round}. {}", sentence.repeat(SHARED)) } else { String::new() };
        format!("{begin}Story {index} of volume {round}: once upon a time, in a small village by the sea, there lived")
    };
    Arc::new((0..count).map(prompt).collect())
}

/// So many clients ask the prompts, each its next one when it has an answer.
pub(crate) async fn round(target: &Target, clients: usize, requests: usize, prompts: &Arc<Vec<String>>) -> Measured {
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (next, prompts) = (Arc::clone(&next), Arc::clone(prompts));
            let (base, model, http) = (target.base.clone(), target.model.clone(), target.http.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= requests {
                        return answers;
                    }
                    answers.push(ask(&http, &base, &model, &prompts[index]).await);
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    let seconds = begin.elapsed().as_secs_f64();
    let n_tokens: u64 = answers.iter().map(|(_, n_tokens)| n_tokens).sum();
    Measured { rate: n_tokens as f64 / seconds, ttft: answers.into_iter().map(|(ttft, _)| ttft).collect(), n_tokens }
}

/// The milliseconds to the first token of an answer, and its tokens.
async fn ask(http: &reqwest::Client, base: &str, model: &str, prompt: &str) -> (f64, u64) {
    let body = json!({
        "model": model, "prompt": prompt, "max_tokens": N_GENERATE, "temperature": 0, "stream": true,
        "stream_options": {"include_usage": true},
    });
    let begin = Instant::now();
    let request = http.post(format!("{base}/v1/completions")).header("content-type", "application/json");
    let mut response = request.body(body.to_string()).send().await.unwrap();
    assert!(response.status().is_success(), "{}: {}", response.status(), response.text().await.unwrap());
    let (mut first, mut n_tokens, mut rest) = (None, 0, Vec::new());
    while let Some(chunk) = response.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = rest.drain(..end + 2).collect();
            let Some(data) = block.strip_prefix(b"data: ") else { continue };
            let Ok(event) = serde_json::from_slice::<Value>(data) else { continue };
            if event["choices"][0]["text"].as_str().is_some_and(|text| !text.is_empty()) {
                first.get_or_insert_with(|| begin.elapsed().as_secs_f64() * 1000.0);
            }
            if let Some(count) = event["usage"]["completion_tokens"].as_u64() {
                n_tokens = count;
            }
        }
    }
    (first.unwrap_or(f64::NAN), n_tokens)
}

/// Decode calls so far, where the server reports them.
pub(crate) async fn decodes(target: &Target) -> Option<f64> {
    let text = target.http.get(format!("{}/metrics", target.base)).send().await.ok()?.text().await.ok()?;
    let line = text.lines().find(|line| line.starts_with("llamacpp:n_decode_total"))?;
    line.split_whitespace().last()?.parse().ok()
}
