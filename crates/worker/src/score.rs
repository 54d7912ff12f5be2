//! How likely a model finds a text: the tokens of each chunk's second half, as llama-perplexity weighs them, or all.
//!
//! Owned here: the text's tokens, the chunks, the files of distributions. Absent: llama.cpp's calls (`engine`), the
//! arithmetic (`probable`).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};

use sha2::{Digest as _, Sha256};
use wire::{Distributions, Event, Failure, FailureKind, Score, Scored, Weight};

use crate::backend;
use crate::engine::Engine;
use crate::model::Model;
use crate::probable::{divergence, likeliest_place, log_sum};

/// Tokens of a chunk, fewest and most: a half must hold something, and each position holds a whole vocabulary in memory.
const CHUNK: std::ops::RangeInclusive<u32> = 8..=8192;

/// The text that is being weighed.
#[derive(Default)]
pub(crate) struct Scorer {
    tokens: Vec<i32>,
    vocabulary: Option<[u8; 32]>,
}

impl Scorer {
    /// The chunk that is asked for, if the text has it, and how many there are.
    fn chunk(&self, request: &Score) -> (Option<&[i32]>, usize) {
        let (n_tokens, n_chunk) = (self.tokens.len(), request.n_chunk as usize);
        let n_chunks = if request.every { n_tokens.div_ceil(n_chunk) } else { n_tokens / n_chunk };
        let start = request.chunk as usize * n_chunk;
        let end = if request.every { n_tokens.min(start + n_chunk) } else { start + n_chunk };
        // One token alone has nothing before it to be predicted from.
        let fewest = if request.every && request.chunk == 0 { 2 } else { 1 };
        (self.tokens.get(start..end).filter(|chunk| chunk.len() >= fewest), n_chunks)
    }

    /// Score one chunk.
    #[expect(clippy::too_many_lines, reason = "one pass over the logits, and the buffers for it")]
    pub(crate) fn score(&mut self, engine: &mut Engine, request: &Score) -> Result<Event, Failure> {
        let fail =
            |kind, message: String, hint: &str| Failure { id: Some(request.id), ..backend::fail(kind, message, hint) };
        let bad = |message: String, hint: &str| fail(FailureKind::Request, message, hint);
        if !CHUNK.contains(&request.n_chunk) {
            let message = format!("a chunk must have {} to {} tokens", CHUNK.start(), CHUNK.end());
            return Err(bad(message, "512 is usual"));
        }
        if let Some(text) = &request.text {
            self.tokens = engine.model().tokenize_text(text);
        }
        let vocabulary = *self.vocabulary.get_or_insert_with(|| fingerprint(engine.model()));
        let n_chunk = request.n_chunk as usize;
        let (chunk, n_chunks) = self.chunk(request);
        let Some(chunk) = chunk else {
            let message = format!("the text has {} tokens, too few for a chunk of {n_chunk}", self.tokens.len());
            return Err(bad(message, "use a longer text or smaller chunks"));
        };
        let mut input = chunk.to_vec();
        if let Some(first) = engine.model().begin_of_text() {
            input[0] = first;
        }
        let first = if request.every { 0 } else { n_chunk / 2 };
        let n_vocab = engine.model().n_vocab();
        let broken = |error: std::io::Error| {
            let message = format!("the distributions can't be kept on disk: {error}");
            fail(FailureKind::Request, message, "make room in the folder for temporary files")
        };
        let (mut writer, mut reader) = match &request.distributions {
            Distributions::Drop => (None, None),
            Distributions::Write(path) => (Some(BufWriter::new(File::create(path).map_err(broken)?)), None),
            Distributions::Compare(path) => (None, Some(BufReader::new(File::open(path).map_err(broken)?))),
        };
        let mut weights = Vec::with_capacity(n_chunk - first);
        let mut bytes = Vec::new();
        let mut reference = vec![0.0_f32; if reader.is_some() { n_vocab } else { 0 }];
        let mut raw = vec![0_u8; if reader.is_some() || writer.is_some() { 4 * n_vocab } else { 0 }];
        let mut trouble = None;
        let model_of = |engine: &Engine, token: i32, bytes: &mut Vec<u8>| engine.model().piece(token, false, bytes);
        let result = engine.score(&mut input, first, |engine, position, logits| {
            let Some(next) = chunk.get(position + 1).copied() else { return true };
            let whole = log_sum(logits);
            let chosen = usize::try_from(next).ok().and_then(|token| logits.get(token));
            let surprise = chosen.map_or(f64::INFINITY, |logit| whole - f64::from(*logit));
            model_of(engine, next, &mut bytes);
            let mut weight = Weight {
                bytes: bytes.clone(),
                surprise: (surprise as f32).clamp(0.0, f32::MAX),
                divergence: None,
                agrees: None,
            };
            let done = if let Some(writer) = &mut writer {
                for (place, logit) in raw.chunks_exact_mut(4).zip(logits) {
                    place.copy_from_slice(&((f64::from(*logit) - whole) as f32).to_ne_bytes());
                }
                writer.write_all(&raw)
            } else if let Some(reader) = &mut reader {
                reader.read_exact(&mut raw).map(|()| {
                    for (number, place) in reference.iter_mut().zip(raw.as_chunks::<4>().0) {
                        *number = f32::from_ne_bytes(*place);
                    }
                    weight.divergence = Some(divergence(&reference, logits, whole) as f32);
                    weight.agrees = Some(likeliest_place(&reference) == likeliest_place(logits));
                })
            } else {
                Ok(())
            };
            weights.push(weight);
            trouble = done.err();
            trouble.is_none()
        });
        if let Some(error) = trouble {
            return Err(broken(error));
        }
        result.map_err(|reason| fail(FailureKind::Decode, reason, "try again; if it persists, use smaller chunks"))?;
        if let Some(mut writer) = writer {
            writer.flush().map_err(broken)?;
        }
        let mut before = Vec::new();
        for token in &chunk[..=first] {
            engine.model().piece(*token, false, &mut bytes);
            before.extend_from_slice(&bytes);
        }
        Ok(Event::Scored(Box::new(Scored {
            id: request.id,
            chunk: request.chunk,
            n_chunks: n_chunks as u32,
            vocabulary,
            before,
            tokens: weights,
        })))
    }
}

/// What is the same for vocabularies of the same tokens, and for no others.
fn fingerprint(model: &Model) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut bytes = Vec::new();
    for token in 0..model.n_vocab() as i32 {
        model.piece(token, true, &mut bytes);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}
