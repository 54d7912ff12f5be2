//! Several requests at once in one worker against llama-batched-bench of the same llama.cpp, by turns.

use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use wire::{CacheType, Event, FlashAttention, Generate, Load, Prompt, Request, Sampling};

use crate::lab::tell_ratio;
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

/// How threads wait, for both: with spinning ones the figures are those of whatever else runs.
const WAIT_POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "passive");

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
            let mut worker = Worker::start(model, threads, n_parallel);
            let mut pairs = Vec::new();
            for round in 0..ROUNDS {
                // Each goes first as often as the other.
                let (mine, theirs) = if round % 2 == 0 {
                    let mine = worker.rate(round, n_parallel);
                    (mine, batched_bench(&peer, model, threads, n_parallel))
                } else {
                    let theirs = batched_bench(&peer, model, threads, n_parallel);
                    (worker.rate(round, n_parallel), theirs)
                };
                let Some(theirs) = theirs else { return skip(what, "llama-batched-bench measured nothing") };
                pairs.push((mine, theirs));
            }
            tell_ratio(&format!("{what}: {n_parallel}, {threads} threads"), &pairs);
        }
    }
}

/// A worker without a supervisor.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(model: &Path, n_threads: u32, n_parallel: u32) -> Self {
        Self::load(load(model, n_threads, n_parallel))
    }

    pub(crate) fn load(load: Load) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail"));
        command.arg("worker").env("GGML_NO_BACKTRACE", "1").stderr(Stdio::null());
        command.env(WAIT_POLICY.0, WAIT_POLICY.1);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut worker = Self { child, input, output };
        worker.send([Request::Load(load)]);
        while !matches!(worker.event(), Event::Loaded(_)) {}
        worker
    }

    /// Unload the model as a supervisor does.
    pub(crate) fn stop(mut self) {
        self.send([Request::Shutdown]);
        self.child.wait().unwrap();
    }

    /// Send requests so that the worker reads them at once.
    pub(crate) fn send(&mut self, requests: impl IntoIterator<Item = Request>) {
        let frames: Vec<u8> = requests.into_iter().flat_map(|request| wire::encode(&request).unwrap()).collect();
        self.input.write_all(&frames).unwrap();
    }

    pub(crate) fn event(&mut self) -> Event {
        match wire::read(&mut self.output).unwrap() {
            Some(Event::Failed(failure)) => panic!("{}", failure.message),
            Some(event) => event,
            None => panic!("the worker is gone"),
        }
    }

    /// The rate at which so many requests generate together, from the first token of one to the last of all.
    fn rate(&mut self, round: u64, n_parallel: u32) -> f64 {
        let ids = (0..u64::from(n_parallel)).map(|index| round * 1000 + index);
        let request = |id| {
            Request::Generate(Generate {
                id,
                prompt: Prompt::Raw(PROMPT.to_owned()),
                max_tokens: Some(N_GENERATE),
                sampling: Sampling { seed: Some(id as u32), ..Sampling::default() },
                grammar: None,
                stop: Vec::new(),
                n_top_logprobs: 0,
                logit_bias: Vec::new(),
                credits: None,
                min_room: 0,
                context_shift: false,
            })
        };
        self.send(ids.map(request));
        let (mut first, mut n_running, mut n_generated) = (None, n_parallel, 0);
        while n_running > 0 {
            match self.event() {
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
}

/// How a model is loaded here.
pub(crate) fn load(model: &Path, n_threads: u32, n_parallel: u32) -> Load {
    Load {
        path: model.to_owned(),
        n_ctx: N_CTX,
        n_batch: 2048,
        n_ubatch: 512,
        n_threads,
        n_gpu_layers: Some(0),
        devices: None,
        cache_type_k: CacheType::F16,
        cache_type_v: CacheType::F16,
        flash_attention: FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
