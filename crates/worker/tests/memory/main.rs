//! What a header's formulas say against what llama.cpp reports, for models of every kind in a real worker.
#![cfg(feature = "llama")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod models;
mod prompts;
mod resident;
mod sequences;

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gguf::{CacheKind, Header, Needs};
use wire::{CacheType, Event, Failure, FlashAttention, Generate, Load, Prompt, Request, Sampling};

/// Bytes by llama.cpp's own account.
#[derive(Debug, Clone, Copy)]
struct Measured {
    weights: u64,
    context: u64,
    compute: u64,
}

/// A worker's process, ended with the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start() -> Worker {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail-worker"));
    command.env("OMP_WAIT_POLICY", "passive").env("GGML_NO_BACKTRACE", "1");
    Worker(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn measure(load: Load) -> Result<Measured, Failure> {
    let mut worker = start();
    let mut log = worker.0.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut text = Vec::new();
        log.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    wire::write(worker.0.stdin.as_mut().unwrap(), &Request::Load(load)).unwrap();
    let mut output = BufReader::new(worker.0.stdout.take().unwrap());
    loop {
        match wire::read(&mut output).unwrap() {
            Some(Event::Loaded(loaded)) => {
                let sum = |part: fn(&wire::DeviceMemory) -> u64| loaded.ledger.devices.iter().map(part).sum();
                return Ok(Measured {
                    weights: sum(|device| device.weights),
                    context: sum(|device| device.context),
                    compute: sum(|device| device.compute),
                });
            }
            Some(Event::Failed(failure)) => return Err(failure),
            Some(_) => {}
            None => panic!("the worker is gone: {}", said.join().unwrap().unwrap()),
        }
    }
}

fn load(path: &Path, n_ctx: u32, cache: CacheType, flash_attention: bool) -> Load {
    // As the program does.
    gguf::Processor::set_amx(worker::has_amx());
    Load {
        path: path.to_owned(),
        n_ctx,
        n_batch: 2048,
        n_ubatch: 512,
        n_threads: 1,
        n_gpu_layers: None,
        devices: None,
        cache_type_k: cache,
        cache_type_v: cache,
        flash_attention: if flash_attention { FlashAttention::On } else { FlashAttention::Off },
        mmap: true,
        mlock: false,
        n_parallel: 1,
        kv_unified: false,
        amx: Header::open(path).unwrap().summary().shape.amx_growth.is_some(),
        prompt_cache: 0,
        kept_prompts: None,
    }
}

#[test]
fn estimates_are_what_llama_cpp_reports() {
    let folder = tempfile::tempdir().unwrap();
    let mut misses = Vec::new();
    for (index, (kind, build)) in models::KINDS.iter().enumerate() {
        let path = folder.path().join(format!("{index}.gguf"));
        std::fs::write(&path, build()).unwrap();
        let summary = Header::open(&path).unwrap().summary();
        for n_ctx in [512, 4096, 20_000] {
            for (cache, of_estimate) in [
                (CacheType::F16, CacheKind::F16),
                (CacheType::Q8_0, CacheKind::Q8_0),
                (CacheType::Q4_0, CacheKind::Q4_0),
            ] {
                for flash_attention in [true, false] {
                    // llama.cpp refuses quantised values without it.
                    if cache != CacheType::F16 && !flash_attention {
                        continue;
                    }
                    let what = format!("{kind}, {n_ctx} tokens, {cache:?}, flash attention {flash_attention}");
                    let measured = measure(load(&path, n_ctx, cache, flash_attention))
                        .unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
                    let estimate = summary.estimate(&Needs {
                        n_ctx,
                        cache_k: of_estimate,
                        cache_v: of_estimate,
                        flash_attention,
                        ..Needs::default()
                    });
                    // Between tensors lies padding.
                    let is_exact = measured.weights.abs_diff(estimate.weights) < 4096;
                    if !is_exact || estimate.kv != Some(measured.context) {
                        misses.push(format!("{what}: {estimate:?} where llama.cpp has {measured:?}"));
                    }
                    // With half a row to spare: ggml's allocator leaves gaps.
                    let range = estimate.compute_low..=estimate.compute_high;
                    if !range.contains(&(measured.compute + (512 << 10))) && !range.contains(&measured.compute) {
                        misses.push(format!("{what}: {range:?} for compute, not {}", measured.compute));
                    }
                    let total = measured.weights + measured.context + measured.compute;
                    // llama.cpp's account leaves out the program and its vocabulary.
                    let ratio = (estimate.total() - estimate.program) as f64 / total as f64;
                    if !(0.9..=1.1).contains(&ratio) {
                        misses.push(format!("{what}: {ratio:.3} times the memory: {estimate:?}, {measured:?}"));
                    }
                }
            }
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

/// For each length of a prompt, one after the other: the tokens that the context still held, and the answer.
fn answers(load: Load, lengths: &[usize]) -> Vec<(u32, String)> {
    let mut worker = start();
    let mut output = BufReader::new(worker.0.stdout.take().unwrap());
    let mut input = worker.0.stdin.take().unwrap();
    wire::write(&mut input, &Request::Load(load)).unwrap();
    let mut answers = Vec::new();
    for (id, length) in (1..).zip(lengths) {
        let request = Generate {
            id,
            prompt: Prompt::Raw(models::WORD.repeat(*length)),
            max_tokens: Some(4),
            sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
            grammar: None,
            stop: Vec::new(),
            n_top_logprobs: 0,
            logit_bias: Vec::new(),
            credits: None,
            min_room: 0,
            context_shift: false,
        };
        wire::write(&mut input, &Request::Generate(request)).unwrap();
        let mut answer = (0, String::new());
        loop {
            match wire::read(&mut output).unwrap().unwrap() {
                Event::Started(started) => answer.0 = started.n_cached,
                Event::Text { pieces, .. } => answer.1.extend(pieces.into_iter().map(|piece| piece.text)),
                Event::Finished { .. } => break,
                Event::Failed(failure) => panic!("{failure:?}"),
                _ => {}
            }
        }
        answers.push(answer);
    }
    answers
}

#[test]
fn a_cut_within_a_window_is_reused_and_one_beyond_it_evaluated_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (_, gemma3) = models::KINDS.iter().find(|(kind, _)| kind.starts_with("gemma3")).unwrap();
    let path = folder.path().join("gemma3.gguf");
    std::fs::write(&path, gemma3()).unwrap();
    let load = load(&path, 4096, CacheType::F16, true);
    // Its layers look 512 tokens back, and their cache has room for a batch of 512 more.
    let reused = answers(load.clone(), &[3000, 2900, 1500]);
    let [(0, _), (near, near_text), (0, far_text)] = &reused[..] else { panic!("{reused:?}") };
    assert!(*near > 2800, "{reused:?}");
    let fresh = |length| answers(load.clone(), &[length]).remove(0).1;
    assert_eq!((near_text, far_text), (&fresh(2900), &fresh(1500)));
}
