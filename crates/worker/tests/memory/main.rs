//! What a header's formulas say against what llama.cpp reports, for models of every kind in a real worker.
#![cfg(feature = "llama")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod models;

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gguf::{CacheKind, Header, Needs};
use wire::{CacheType, Event, Failure, FlashAttention, Load, Request};

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

fn measure(load: Load) -> Result<Measured, Failure> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail-worker"));
    command.env("OMP_WAIT_POLICY", "passive").env("GGML_NO_BACKTRACE", "1");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut worker = Worker(child);
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
    Load {
        path: path.to_owned(),
        n_ctx,
        n_batch: 2048,
        n_ubatch: 512,
        n_threads: 1,
        n_gpu_layers: None,
        cache_type_k: cache,
        cache_type_v: cache,
        flash_attention: if flash_attention { FlashAttention::On } else { FlashAttention::Off },
        mmap: true,
        mlock: false,
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
                    let ratio = estimate.total() as f64 / total as f64;
                    if !(0.9..=1.1).contains(&ratio) {
                        misses.push(format!("{what}: {ratio:.3} times the memory: {estimate:?}, {measured:?}"));
                    }
                }
            }
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}
