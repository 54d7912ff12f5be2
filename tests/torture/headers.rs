//! Files of models that something has changed: one field, a few bytes, the length.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gguf::testing::{Builder, mutations};
use rand::{Rng as _, RngExt as _};
use rand_pcg::Pcg64Mcg;

use crate::cases::{self, Size, ends_within, has_ended_well, leaves_no_orphan, say};
use crate::support::{Home, starter};

/// The longest that a look at a file or a token of a starter's size takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
/// The bytes in which headers stand.
const HEADER: usize = 40_000;

/// Whole files, by name.
fn originals() -> Vec<(&'static str, Vec<u8>)> {
    let tiny = Builder::tiny_llama;
    vec![
        ("starter", std::fs::read(starter("ishmael-1m")).unwrap()),
        ("tiny", tiny().build()),
        ("tiny, big-endian", tiny().big_endian().build()),
        ("tiny, version 2", tiny().version(2).build()),
        ("tiny, aligned", tiny().alignment(4096).build()),
        ("tiny, part of a split", tiny().split(2)[0].build()),
    ]
}

/// A file with one field broken, by what was broken, or with anything changed anywhere. `count` is how many fields the
/// first one has to be broken.
fn mutated(originals: &[(&str, Vec<u8>)], count: usize, random: &mut Pcg64Mcg) -> (String, Vec<u8>) {
    // A field of the starter is the likeliest to get as far as a worker.
    if random.random_bool(0.6) {
        let mutation = mutations(&originals[0].1).nth(random.random_range(0..count)).unwrap();
        return (mutation.name, mutation.bytes);
    }
    let (name, original) = &originals[random.random_range(0..originals.len())];
    let mut bytes = original.clone();
    let mut changes = Vec::new();
    for _ in 0..random.random_range(1..5) {
        changes.push(change(&mut bytes, random));
    }
    (format!("{name}: {}", changes.join(", ")), bytes)
}

/// Change something, and tell what.
fn change(bytes: &mut Vec<u8>, random: &mut Pcg64Mcg) -> String {
    if bytes.is_empty() {
        bytes.push(b'G');
        return "a byte".to_owned();
    }
    // Half of the changes hit the first fields and keys.
    let end = bytes.len().min(if random.random_bool(0.5) { 400 } else { HEADER });
    let at = random.random_range(0..end);
    let length = random.random_range(1..64).min(bytes.len() - at);
    match random.random_range(0..7) {
        0 => {
            bytes[at] ^= 1 << random.random_range(0..8);
            format!("a bit at {at}")
        }
        1 => {
            random.fill_bytes(&mut bytes[at..at + length]);
            format!("{length} bytes at {at}")
        }
        2 => {
            let extremes = [0, 1, 0x7f, 1 << 20, 1 << 31, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX - 7, u64::MAX];
            let number = extremes[random.random_range(0..extremes.len())];
            let length = 8.min(bytes.len() - at);
            bytes[at..at + length].copy_from_slice(&number.to_le_bytes()[..length]);
            format!("{number} at {at}")
        }
        3 => {
            bytes.drain(at..at + length);
            format!("{length} bytes less at {at}")
        }
        4 => {
            let more = bytes[at..at + length].repeat(random.random_range(1..40));
            bytes.splice(at..at, more);
            format!("{length} bytes again at {at}")
        }
        5 => {
            let text = "\x1b]0;owned\x07\x1b[2J\u{202e}\0".as_bytes();
            let length = text.len().min(bytes.len() - at);
            bytes[at..at + length].copy_from_slice(&text[..length]);
            format!("escapes at {at}")
        }
        _ => {
            let length = random.random_range(0..=bytes.len());
            bytes.truncate(length);
            format!("cut to {length}")
        }
    }
}

#[test]
fn a_mutated_file_ends_a_worker_at_most() {
    let originals = originals();
    let count = mutations(&originals[0].1).count();
    let (n_answered, n_workers) = (AtomicUsize::new(0), AtomicUsize::new(0));
    cases::run("mutated headers", &Size { few: 40, many: 820 }, |_, random| {
        let (name, bytes) = mutated(&originals, count, random);
        let home = Home::new();
        let folder = home.path("models");
        home.write("config/taffrail/config.toml", format!("[library]\nfolders = [{folder:?}]\n"));
        let file = home.write("models/mutated.gguf", bytes);
        let path = file.to_str().unwrap();
        let run = |arguments: &[&str]| {
            let command: Command = home.command(arguments);
            let ran = ends_within(command, PATIENCE);
            has_ended_well(&format!("{name}: {}", arguments[0]), &ran);
            ran
        };
        let listed = run(&["ls", "--json"]);
        assert_eq!(listed.code, Some(0), "{name}: {listed:?}");
        assert!(listed.stdout.contains("ishmael-4m"), "{name} hides another: {listed:?}");
        let shown = run(&["show", path, "--json"]);
        assert!(shown.code != Some(0) || shown.json().is_object(), "{name}: {shown:?}");
        let ran = run(&["run", path, "--force", "-n", "1", "-p", "Call me"]);
        n_answered.fetch_add(usize::from(ran.code == Some(0)), Ordering::Relaxed);
        n_workers.fetch_add(usize::from(ran.stderr.contains("killed by signal")), Ordering::Relaxed);
        leaves_no_orphan(&home);
    });
    say(&format!("mutated headers: {n_answered:?} models answered, {n_workers:?} workers died"));
}
