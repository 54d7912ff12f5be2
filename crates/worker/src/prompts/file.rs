//! One state of a prompt as a file: its layout, and what is checked before any of it is believed.
//!
//! Magic, length of the header, header (JSON), tokens, logits, state, marks, and the XXH3 sum (128 bits) of all that: it finds
//! damage, and a state is hashed in a tenth of the time that SHA-256 takes. A state that is not
//! exactly what llama.cpp wrote can abort the process, or give wrong answers without a word, so a file counts for nothing
//! unless every length adds up to the file's own, the hash is right and the fingerprint is that of the loaded model.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::{Mmap, MmapOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use twox_hash::XxHash3_128;

/// What a file begins with; the last two digits are the layout's version.
const MAGIC: &[u8; 8] = b"TAFFKV02";
/// The longest header, bytes: its numbers and marks take some hundreds.
const MAX_HEADER: usize = 16 << 10;
/// Length of the sum in bytes.
const SUM: usize = 16;
/// Length of a fingerprint in bytes.
const FINGERPRINT: usize = 32;

/// The state of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contents<S = Arc<Vec<u8>>> {
    pub(crate) tokens: Vec<i32>,
    /// The first position that every layer has.
    pub(crate) first: usize,
    /// Logits behind one more token, the last one again: what a restored state must give too.
    pub(crate) logits: Vec<f32>,
    pub(crate) state: S,
    pub(crate) marks: Vec<MarkContents>,
}

/// A state within a mapped file: llama.cpp copies it from there, so that it is read once.
pub(crate) struct Mapped {
    file: Mmap,
    range: Range<usize>,
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.file.get(self.range.clone()).unwrap_or_default()
    }
}

/// A place to go back to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MarkContents {
    pub(crate) n_tokens: usize,
    pub(crate) state: Arc<Vec<u8>>,
}

/// What is known of a file without reading its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) tokens: Vec<i32>,
    pub(crate) first: usize,
    /// Where its marks are, in tokens.
    pub(crate) marks: Vec<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    fingerprint: [u8; FINGERPRINT],
    n_tokens: u64,
    first: u64,
    n_logits: u64,
    n_state: u64,
    marks: Vec<MarkHeader>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MarkHeader {
    n_tokens: u64,
    n_state: u64,
}

impl Header {
    /// Bytes after the header, the sum excluded; `None` where they are more than can be counted.
    fn n_body(&self) -> Option<u64> {
        let numbers = self.n_tokens.checked_add(self.n_logits)?.checked_mul(4)?;
        self.marks.iter().try_fold(numbers.checked_add(self.n_state)?, |sum, mark| sum.checked_add(mark.n_state))
    }
}

/// The SHA-256 of tokens.
pub(crate) fn hash(tokens: &[i32]) -> [u8; FINGERPRINT] {
    let mut hash = Sha256::new();
    for token in tokens {
        hash.update(token.to_le_bytes());
    }
    hash.finalize().into()
}

/// How many bytes the file of a state has, about: without its header.
pub(crate) fn n_bytes(contents: &Contents) -> u64 {
    let marks: usize = contents.marks.iter().map(|mark| mark.state.len()).sum();
    (4 * (contents.tokens.len() + contents.logits.len()) + contents.state.len() + marks) as u64
}

/// Write a file.
pub(crate) fn write(file: &mut File, contents: &Contents, fingerprint: [u8; FINGERPRINT]) -> io::Result<()> {
    let Contents { tokens, first, logits, state, marks } = contents;
    let mark = |mark: &MarkContents| MarkHeader { n_tokens: mark.n_tokens as u64, n_state: mark.state.len() as u64 };
    let header = Header {
        fingerprint,
        n_tokens: tokens.len() as u64,
        first: *first as u64,
        n_logits: logits.len() as u64,
        n_state: state.len() as u64,
        marks: marks.iter().map(mark).collect(),
    };
    let header = serde_json::to_vec(&header)?;
    let mut hash = XxHash3_128::new();
    let mut put = |bytes: &[u8]| {
        hash.write(bytes);
        file.write_all(bytes)
    };
    put(MAGIC)?;
    put(&(header.len() as u32).to_le_bytes())?;
    put(&header)?;
    put(&tokens.iter().flat_map(|token| token.to_le_bytes()).collect::<Vec<u8>>())?;
    put(&logits.iter().flat_map(|logit| logit.to_le_bytes()).collect::<Vec<u8>>())?;
    put(state)?;
    marks.iter().try_for_each(|mark| put(&mark.state))?;
    file.write_all(&hash.finish_128().to_le_bytes())
}

/// So many bytes. What is declared has been compared with the file's length before.
fn bytes(reader: &mut impl Read, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // Memory may be bounded.
    bytes.try_reserve_exact(usize::try_from(length).ok()?).ok()?;
    let n_read = reader.by_ref().take(length).read_to_end(&mut bytes).ok()?;
    (n_read as u64 == length).then_some(bytes)
}

fn words<T>(reader: &mut impl Read, count: u64, parse: impl Fn([u8; 4]) -> T) -> Option<Vec<T>> {
    let bytes = bytes(reader, count.checked_mul(4)?)?;
    Some(bytes.as_chunks::<4>().0.iter().map(|word| parse(*word)).collect())
}

/// The header of a file of so many bytes, if it is one of this fingerprint and as long as it says.
fn header(reader: &mut impl Read, n_file: u64, fingerprint: &[u8; FINGERPRINT]) -> Option<Header> {
    let n_magic = (MAGIC.len() + 4) as u64;
    // Before anything is allocated for it.
    if n_file < n_magic + SUM as u64 || bytes(reader, MAGIC.len() as u64)? != MAGIC {
        return None;
    }
    let n_header = u32::from_le_bytes(bytes(reader, 4)?.try_into().ok()?);
    if n_header as usize > MAX_HEADER || n_file < n_magic + u64::from(n_header) + SUM as u64 {
        return None;
    }
    let header: Header = serde_json::from_slice(&bytes(reader, n_header.into())?).ok()?;
    let n_all = (n_magic + u64::from(n_header) + SUM as u64).checked_add(header.n_body()?)?;
    (n_all == n_file && header.fingerprint == *fingerprint).then_some(header)
}

/// What a file is of, without its state; `None` where it is none for this fingerprint.
pub(crate) fn summary(file: &mut File, fingerprint: &[u8; FINGERPRINT]) -> Option<Summary> {
    let n_file = file.metadata().ok()?.len();
    let header = header(file, n_file, fingerprint)?;
    let tokens = words(file, header.n_tokens, i32::from_le_bytes)?;
    let marks = header.marks.iter().map(|mark| mark.n_tokens as usize).collect();
    Some(Summary { tokens, first: header.first as usize, marks })
}

/// All of a file; `None` where anything is wrong with it.
pub(crate) fn read(file: &File, fingerprint: &[u8; FINGERPRINT]) -> Option<Contents<Mapped>> {
    // SAFETY: nothing writes into a file once it has its name: it is replaced or removed as a whole, and its folder is the
    // user's alone.
    let file = unsafe { MmapOptions::new().populate().map(file) }.ok()?;
    let (whole, sum) = file.split_last_chunk::<SUM>()?;
    let mut rest = whole;
    let header = header(&mut rest, file.len() as u64, fingerprint)?;
    // Before anything else of it is believed.
    if XxHash3_128::oneshot(whole) != u128::from_le_bytes(*sum) {
        return None;
    }
    let tokens = words(&mut rest, header.n_tokens, i32::from_le_bytes)?;
    let logits = words(&mut rest, header.n_logits, f32::from_le_bytes)?;
    let begin = whole.len() - rest.len();
    let state = rest.split_off(..usize::try_from(header.n_state).ok()?)?;
    let range = begin..begin + state.len();
    let mut marks = Vec::with_capacity(header.marks.len());
    for mark in &header.marks {
        let state = Arc::new(bytes(&mut rest, mark.n_state)?);
        marks.push(MarkContents { n_tokens: mark.n_tokens as usize, state });
    }
    let first = header.first as usize;
    Some(Contents { tokens, first, logits, state: Mapped { file, range }, marks })
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    const MINE: [u8; FINGERPRINT] = [7; FINGERPRINT];

    pub(crate) fn contents() -> Contents {
        Contents {
            tokens: vec![1, 2, 3, -4],
            first: 1,
            logits: vec![0.5, -1.5, f32::NEG_INFINITY],
            state: Arc::new((0..1000).map(|byte| byte as u8).collect()),
            marks: vec![MarkContents { n_tokens: 2, state: Arc::new(vec![9; 10]) }],
        }
    }

    fn bytes() -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        write(&mut file, &contents(), MINE).unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn reads(bytes: &[u8], fingerprint: &[u8; FINGERPRINT]) -> Option<Contents> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let Contents { tokens, first, logits, state, marks } = read(&file, fingerprint)?;
        Some(Contents { tokens, first, logits, state: Arc::new(state.to_vec()), marks })
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = bytes();
        assert_eq!(reads(&bytes, &MINE), Some(contents()));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let expected = Summary { tokens: contents().tokens, first: 1, marks: vec![2] };
        assert_eq!(summary(&mut file, &MINE), Some(expected));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let whole = bytes();
        let text = |bytes: &[u8], from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
        };
        let with_header_length = |length: u32| [&whole[..8], &length.to_le_bytes(), &whole[12..]].concat();
        for (name, bytes) in [
            ("empty", Vec::new()),
            ("the magic alone", whole[..8].to_vec()),
            ("another layout", text(&whole, "TAFFKV02", "TAFFKV01")),
            ("one byte more", [&whole[..], &[0]].concat()),
            ("a huge header", with_header_length(u32::MAX)),
            ("a header of nothing", with_header_length(0)),
            ("a huge state", text(&whole, "\"n_state\":1000", "\"n_state\":9999999999999999")),
            ("more tokens than can be counted", text(&whole, "\"n_tokens\":4", "\"n_tokens\":18446744073709551615")),
            ("a state that begins elsewhere", text(&whole, "\"n_state\":1000", "\"n_state\":1001")),
        ] {
            assert_eq!(reads(&bytes, &MINE), None, "{name}");
        }
        for length in 0..whole.len() {
            assert_eq!(reads(&whole[..length], &MINE), None, "cut to {length} bytes");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            assert_eq!(reads(&bytes, &MINE), None, "a flipped bit in byte {at}");
        }
        assert_eq!(reads(&whole, &[8; FINGERPRINT]), None, "another model, other settings, another build");
    }
}
