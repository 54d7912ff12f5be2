//! A good file with each field broken: refused with a reason or accepted, but never a panic, a hang or a flood.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fmt::Write, time::Duration, time::Instant};

use gguf::{Header, Needs, clean, testing::mutations};
use proptest::prelude::*;

/// The starter model, which every build has at hand.
fn original() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../starter/ishmael-1m-Q8_0.gguf")).unwrap()
}

/// Read a file as a caller would, and refuse what is fatal. Every text that comes of it must be fit for a terminal.
fn outcome(bytes: &[u8]) -> Result<(), String> {
    match Header::read(bytes) {
        Ok(header) => {
            let summary = header.summary();
            for text in summary.fatal.iter().chain(&summary.remarks) {
                assert_eq!(*text, gguf::clean(text, 200), "one line, bounded and harmless");
            }
            let estimate = summary.estimate(&gguf::Needs::default());
            assert!(estimate.compute_low <= estimate.compute_high);
            for text in [&summary.name, &summary.architecture, &summary.license].into_iter().flatten() {
                assert_eq!(*text, gguf::clean(text, 128));
            }
            summary.fatal.map_or(Ok(()), Err)
        }
        Err(error) => {
            let text = error.to_string();
            assert_eq!(text, gguf::clean(&text, 200), "one line, bounded and harmless");
            Err(text)
        }
    }
}

#[test]
fn each_field_broken() {
    let original = original();
    let (mut accepted, mut refused) = (0, 0);
    for mutation in mutations(&original) {
        let start = Instant::now();
        match outcome(&mutation.bytes) {
            Ok(()) => accepted += 1,
            Err(_) => refused += 1,
        }
        // Thousands of times what a file takes: only a loop over a declared count would need it.
        assert!(start.elapsed() < Duration::from_secs(5), "{} takes {:?}", mutation.name, start.elapsed());
    }
    assert!(refused > 1400 && accepted > 300, "{refused} refused, {accepted} accepted");
}

/// What breaks the format, and what llama.cpp aborts on, by name. What it runs or rejects with an error gets a remark at most.
/// a remark at most.
#[test]
fn what_must_be_refused() {
    let original = original();
    let wanted = [
        "is empty",
        "is html",
        "is git-lfs pointer",
        "is escape sequences",
        "magic byte 0",
        "version = 0x1",
        "version = 0x3000000",
        "version = 0x4",
        "tensor count = 18446744073709551615",
        "key count = 65537",
        "a key twice",
        "general.alignment = 3",
        "llama.block_count = 0",
        "llama.block_count = 1",
        "llama.block_count = 5",
        "llama.block_count = 1000000",
        "llama.block_count = 4294967295",
        "llama.context_length = 0",
        "llama.embedding_length = 1000",
        "llama.attention.head_count = 0",
        "llama.attention.head_count = 3",
        "llama.attention.head_count_kv = 3",
        "llama.attention.layer_norm_rms_epsilon = -1e0",
        "llama.attention.layer_norm_rms_epsilon = NaN",
        "llama.rope.dimension_count = 1000",
        "tokenizer.ggml.tokens: count = 18446744073709551615",
        "tokenizer.chat_template: length = 18446744073709551615",
        "token_embd.weight: dimension 0 = 0",
        "token_embd.weight: dimension 1 = 9223372036854775808",
        "token_embd.weight: 5 dimensions",
        "token_embd.weight: type = 12",
        "output_norm.weight: type = 26",
        "blk.0.attn_q.weight: of another block",
        "blk.0.attn_q.weight: of a block too many",
        "blk.0.attn_q.weight: offset = 314369",
        "blk.0.attn_q.weight: name of 64",
    ];
    let mut report = String::new();
    let mut missing = wanted.to_vec();
    for mutation in mutations(&original).filter(|mutation| wanted.contains(&mutation.name.as_str())) {
        missing.retain(|name| *name != mutation.name);
        let remarks = || {
            let remarks = Header::read(&mutation.bytes[..]).unwrap().findings().remarks;
            if remarks.is_empty() { "no remark".to_owned() } else { format!("remark: {}", remarks.join("; ")) }
        };
        let reason = outcome(&mutation.bytes).err().unwrap_or_else(remarks);
        writeln!(report, "{}: {reason}", mutation.name).unwrap();
    }
    assert_eq!(missing, Vec::<&str>::new());
    insta::assert_snapshot!(report);
}

#[test]
fn cut_anywhere() {
    let original = original();
    assert!(outcome(&original).is_ok());
    for length in (0..original.len()).step_by(997).chain(0..64) {
        assert!(outcome(&original[..length]).is_err(), "cut at {length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..4096), is_gguf: bool) {
        if is_gguf && bytes.len() > 24 {
            bytes[..8].copy_from_slice(b"GGUF\x03\0\0\0");
            // Small counts, so that the keys are read.
            bytes[9..16].fill(0);
            bytes[17..24].fill(0);
        }
        let _ = outcome(&bytes);
    }

    #[test]
    fn random_changes(changes in proptest::collection::vec((0_usize..63_000, any::<u8>()), 1..8)) {
        let mut bytes = original();
        // A case is quick without most of the data, which is never read.
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let _ = outcome(&bytes);
    }
}

/// What the fuzzer found worth keeping, so that every test run goes where it went.
#[test]
fn the_fuzzers_corpus() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/gguf_header");
    let mut n_described = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        match Header::read(bytes.as_slice()) {
            Ok(header) => {
                let summary = header.summary();
                assert!(summary.active_parameters() <= Some(summary.parameters));
                assert!(summary.estimate(&Needs::default()).compute_high > 0);
                n_described += 1;
            }
            Err(error) => assert_eq!(error.to_string(), clean(&error.to_string(), 300)),
        }
    }
    assert!(n_described > 10, "{n_described} of the corpus are headers");
}
