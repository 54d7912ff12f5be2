//! What a worker has in memory, by the system's count, against the header's formulas and llama.cpp's own account: for files
//! of some hundred megabytes in types of each kind, mapped or read, copied for the processor or not.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use gguf::testing::{Mixture, Sized};
use gguf::{Header, Needs};
use wire::{CacheType, Event, Generate, Load, Prompt, Request, Sampling};

use super::{Worker, load, start};

/// About 270 million parameters.
const SMALL: Sized = Sized {
    layers: 16,
    embedding: 1024,
    heads: 16,
    heads_kv: 4,
    feed_forward: 4096,
    vocabulary: 20_000,
    is_tied: false,
};

/// What the system says of a process, bytes.
#[derive(Debug, Clone, Copy)]
struct Counted {
    resident: u64,
    peak: u64,
}

fn counted(worker: &Worker) -> Counted {
    let text = std::fs::read_to_string(format!("/proc/{}/status", worker.0.id())).unwrap();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    Counted { resident: field("VmRSS"), peak: field("VmHWM") }
}

/// Memory of a model: after it was loaded, after an answer to a prompt that fills a batch, and by llama.cpp's account.
struct Seen {
    loaded: Counted,
    answered: Counted,
    ledger: u64,
    compute: u64,
    devices: Vec<(String, u64)>,
}

fn see(load: &Load) -> Seen {
    let mut worker = start();
    let mut output = BufReader::new(worker.0.stdout.take().unwrap());
    // Its log must not fill the pipe.
    let mut log = worker.0.stderr.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let mut input = worker.0.stdin.take().unwrap();
    wire::write(&mut input, &Request::Load(load.clone())).unwrap();
    let ledger = loop {
        match wire::read(&mut output).unwrap().expect("the worker lives") {
            Event::Loaded(loaded) => break loaded.ledger,
            Event::Failed(failure) => panic!("{failure:?}"),
            _ => {}
        }
    };
    let loaded = counted(&worker);
    let request = Generate {
        id: 1,
        prompt: Prompt::Raw("b ".repeat(600)),
        max_tokens: Some(2),
        sampling: Sampling::default(),
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
        min_room: 0,
        context_shift: false,
    };
    wire::write(&mut input, &Request::Generate(request)).unwrap();
    loop {
        match wire::read(&mut output).unwrap().expect("the worker lives") {
            Event::Finished { .. } => break,
            Event::Failed(failure) => panic!("{failure:?}"),
            _ => {}
        }
    }
    Seen {
        loaded,
        answered: counted(&worker),
        ledger: ledger.devices.iter().map(|row| row.weights + row.context + row.compute).sum(),
        compute: ledger.devices.iter().map(|row| row.compute).sum(),
        devices: ledger.devices.into_iter().map(|row| (row.device, row.weights)).collect(),
    }
}

fn write(path: &Path, shape: Sized, mixture: Mixture) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    shape.header(mixture).write(&mut file).unwrap();
    file.flush().unwrap();
}

/// Check one file, mapped and read; what is wrong with it.
fn misses(path: &Path, what: &str, ways: &[(bool, bool)]) -> Vec<String> {
    let estimate = Header::open(path).unwrap().summary().estimate(&Needs::default());
    let mut misses = Vec::new();
    for &(mmap, mlock) in ways {
        let seen = see(&Load { mmap, mlock, ..load(path, 4096, CacheType::F16, true) });
        let what = format!("{what}, mmap {mmap}, mlock {mlock}");
        let mega = |bytes: u64| bytes as f64 / 1e6;
        eprintln!(
            "{what}: estimate {:.0} MB, ledger {:.0}, loaded {:.0} (peak {:.0}), after an answer {:.0} (peak {:.0}); {:?}",
            mega(estimate.total()),
            mega(seen.ledger),
            mega(seen.loaded.resident),
            mega(seen.loaded.peak),
            mega(seen.answered.resident),
            mega(seen.answered.peak),
            seen.devices,
        );
        let resident = seen.answered.resident;
        let mut check = |name: &str, figure: u64, against: u64, tolerance: f64| {
            let ratio = figure as f64 / against as f64;
            if (ratio - 1.0).abs() > tolerance {
                misses.push(format!("{what}: {name} {figure} is {ratio:.3} times {against}"));
            }
        };
        check("the estimate", estimate.total(), resident, 0.1);
        check("the ledger with the program", seen.ledger + estimate.program, resident, 0.1);
        // The compute buffers are touched by the first prompt that is as long as a batch.
        let untouched = seen.ledger + estimate.program - seen.compute;
        check("memory after the load", seen.loaded.resident.max(untouched), untouched, 0.1);
        // For AMX a weight is copied whole while it is locked as it is in the file.
        let peak = if mlock && worker::has_amx() { 0.3 } else { 0.1 };
        check("the peak", seen.answered.peak, resident, peak);
        let weights: u64 = seen.devices.iter().map(|(_, weights)| weights).sum();
        check("weights", estimate.weights, weights, 0.001);
    }
    misses
}

#[test]
fn what_is_resident_is_what_was_estimated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut all = Vec::new();
    // Copied for a processor with AVX2: Q4_K, Q4_0, IQ4_NL, MXFP4; with AVX-512 Q2_K too; others for ARM or never.
    for name in ["Q4_K_M", "Q4_K", "Q2_K", "Q3_K", "Q6_K", "Q4_0", "Q5_1", "Q8_0", "IQ4_NL", "IQ4_XS", "MXFP4", "F16"] {
        let layers = if name == "F16" { 8 } else { SMALL.layers };
        write(&path, Sized { layers, ..SMALL }, Mixture::named(name).unwrap());
        all.extend(misses(&path, name, &[(true, false), (false, false)]));
    }
    // The token embedding is the output too: as it is and copied.
    for name in ["Q4_0", "Q8_0"] {
        write(&path, Sized { is_tied: true, vocabulary: 60_000, ..SMALL }, Mixture::named(name).unwrap());
        all.extend(misses(&path, &format!("{name}, tied"), &[(true, false), (false, false), (true, true)]));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Copied weights that lie between mapped ones are not counted twice, and stay given back while answers are generated.
#[test]
fn what_was_given_back_does_not_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    write(&path, SMALL, Mixture::Q4KM);
    let load = load(&path, 1024, CacheType::F16, true);
    let mapped = see(&load);
    let read = see(&Load { mmap: false, ..load });
    let ratio = mapped.answered.resident as f64 / read.answered.resident as f64;
    assert!((0.95..1.05).contains(&ratio), "{ratio:.3} times what it takes unmapped");
    assert_eq!(mapped.ledger, read.ledger, "{:?} and {:?}", mapped.devices, read.devices);
}
