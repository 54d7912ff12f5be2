//! Any bytes as frames, whole and in pieces: the same messages, or the same end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Decoder, Event, Request};

fuzz_target!(|bytes: &[u8]| {
    decode::<Request>(bytes);
    decode::<Event>(bytes);
});

fn decode<T: serde::de::DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
    let whole = messages::<T>(std::iter::once(bytes));
    let pieces = messages::<T>(bytes.chunks(3));
    assert_eq!(whole, pieces);
}

/// Every message, and whether an error ended them.
fn messages<'a, T: serde::de::DeserializeOwned + std::fmt::Debug>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<String>, bool) {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next::<T>() {
                Ok(Some(message)) => messages.push(format!("{message:?}")),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}
