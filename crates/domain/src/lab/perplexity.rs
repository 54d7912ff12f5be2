//! How well a model predicts a text, alone and against a reference with the same vocabulary.
//!
//! Owned here: what is asked, what came, the statistics over it. Absent: its course, which is `update::perplexity`'s, and
//! the arithmetic over a vocabulary, which is the worker's.

use std::path::PathBuf;

use serde::Serialize;
use wire::{Scored, Weight};

use crate::lab::job::JobSession;
use crate::lab::race::Entry;
use crate::lab::statistics::wilson;
use crate::session::SessionId;

/// Tokens of a chunk unless told otherwise, as llama-perplexity has it.
pub const CHUNK: u32 = 512;
/// Half the width of a 95 % interval in standard errors.
const Z95: f64 = 1.96;

/// What is asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PerplexityOrder {
    /// The model.
    pub model: Entry,
    /// What it is compared with.
    pub reference: Option<Entry>,
    /// The text.
    pub text: String,
    /// Tokens of a chunk.
    pub n_chunk: u32,
    /// The most chunks; `None` takes all.
    pub max_chunks: Option<u32>,
    /// Weigh every token but a chunk's first, rather than the second half of each whole chunk.
    pub every: bool,
    /// Where the reference's distributions of one chunk are kept.
    pub file: PathBuf,
}

/// A text that is being weighed.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PerplexityRun {
    /// What was asked.
    pub order: PerplexityOrder,
    /// The sessions: the model's, the reference's.
    pub(crate) sessions: (JobSession, Option<JobSession>),
    /// Where it is.
    pub stage: Stage,
    /// The request that is being answered.
    pub(crate) request: u64,
    /// The session that answers it.
    pub(crate) asked: Option<SessionId>,
    /// The chunk that is being weighed.
    pub chunk: u32,
    /// Chunks in the text, once known.
    pub n_chunks: Option<u32>,
    /// The reference's vocabulary.
    pub(crate) vocabulary: Option<[u8; 32]>,
    /// What came of the reference, by chunk.
    pub reference: Vec<Scored>,
    /// What came of the model, by chunk.
    pub model: Vec<Scored>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stage {
    /// The models are being loaded.
    Loading,
    /// The reference reads a chunk.
    Reference,
    /// The model reads a chunk.
    Model,
    /// All is weighed.
    Done,
    /// It could not be.
    Failed {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
}

/// A mean with half the width of its 95 % interval. Tokens are taken as independent, which they are not quite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean, or what follows from it.
    pub value: f64,
    /// Half the interval's width.
    pub interval: f64,
}

/// A share of tokens with its 95 % interval (Wilson 1927), which holds for few tokens and near 0 and 1 as well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The share, 0 to 1.
    pub value: f64,
    /// From where to where it may lie.
    pub interval_95: (f64, f64),
}

impl std::fmt::Display for Share {
    /// `81.2 (80.9–81.6) %`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = f.precision().unwrap_or(1);
        let (low, high) = self.interval_95;
        write!(f, "{:.places$} ({:.places$}–{:.places$}) %", 100.0 * self.value, 100.0 * low, 100.0 * high)
    }
}

/// Divergences, in nats, from which on a token is one step hotter; and surprises, without a reference.
pub const DIVERGENCES: [f32; 3] = [0.05, 0.2, 0.8];
/// The steps of surprise, nats.
pub const SURPRISES: [f32; 3] = [2.0, 4.0, 7.0];

/// How many steps hot a value is.
pub fn heat(value: f32, steps: [f32; 3]) -> usize {
    steps.iter().filter(|step| value >= **step).count()
}

/// A piece of a text that was weighed: a token, or the few that make up a character.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its text, as the model's tokens say it.
    pub text: String,
    /// How many steps hot it is; `None` where it was not weighed.
    pub heat: Option<usize>,
    /// Both find another token likeliest here.
    pub differs: bool,
}

/// A weighed text in pieces, those between the weighed ones included.
pub fn pieces(chunks: &[Scored]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut held = Vec::new();
    let mut open: Option<Piece> = None;
    let all = chunks.iter().flat_map(|chunk| {
        let before = (chunk.before.as_slice(), None, false);
        std::iter::once(before).chain(chunk.tokens.iter().map(|weight| {
            let heat = match weight.divergence {
                Some(divergence) => heat(divergence, DIVERGENCES),
                None => heat(weight.surprise, SURPRISES),
            };
            (weight.bytes.as_slice(), Some(heat), weight.agrees == Some(false))
        }))
    });
    for (bytes, heat, differs) in all {
        held.extend_from_slice(bytes);
        let piece = open.get_or_insert(Piece { text: String::new(), heat: None, differs: false });
        piece.heat = piece.heat.max(heat);
        piece.differs |= differs;
        // A character may be split over tokens: it waits for its other bytes.
        let waits = std::str::from_utf8(&held).is_err_and(|error| error.error_len().is_none());
        if !waits && let Some(piece) = open.take() {
            let text = String::from_utf8_lossy(&std::mem::take(&mut held)).into_owned();
            pieces.push(Piece { text, ..piece });
        }
    }
    if let Some(piece) = open {
        pieces.push(Piece { text: String::from_utf8_lossy(&held).into_owned(), ..piece });
    }
    pieces
}

/// What the weights say together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// Tokens that were weighed.
    pub n_tokens: usize,
    /// e to the mean surprise.
    pub perplexity: Estimate,
    /// Mean divergence from the reference, nats; `None` without one.
    pub divergence: Option<Estimate>,
    /// Share of tokens where both find the same one likeliest, 0 to 1.
    pub agreement: Option<Share>,
}

/// Sum up what was weighed; `None` where nothing was.
pub fn summary(chunks: &[Scored]) -> Option<Summary> {
    let weights = || chunks.iter().flat_map(|chunk| &chunk.tokens);
    let surprise = mean(weights().map(|weight| f64::from(weight.surprise)))?;
    let perplexity = surprise.value.exp();
    let whole =
        |read: &dyn Fn(&Weight) -> Option<f64>| mean(weights().map(read).collect::<Option<Vec<f64>>>()?.into_iter());
    Some(Summary {
        n_tokens: weights().count(),
        // The exponential's slope at the mean is its value there.
        perplexity: Estimate { value: perplexity, interval: surprise.interval * perplexity },
        divergence: whole(&|weight| weight.divergence.map(f64::from)),
        agreement: agreement(chunks),
    })
}

fn agreement(chunks: &[Scored]) -> Option<Share> {
    let agree: Vec<bool> =
        chunks.iter().flat_map(|chunk| &chunk.tokens).map(|weight| weight.agrees).collect::<Option<_>>()?;
    let (n, n_agree) = (agree.len(), agree.iter().filter(|agrees| **agrees).count());
    (n > 0).then(|| Share { value: n_agree as f64 / n as f64, interval_95: wilson(n_agree, n) })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<Estimate> {
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        n += 1.0;
        sum += value;
        squares += value * value;
    }
    if n == 0.0 {
        return None;
    }
    let value = sum / n;
    let variance = (squares / n - value * value).max(0.0);
    let interval = if n > 1.0 { Z95 * (variance / (n - 1.0)).sqrt() } else { 0.0 };
    Some(Estimate { value, interval })
}

impl PerplexityRun {
    /// One that is begun, with its sessions.
    pub(crate) fn new(order: PerplexityOrder, sessions: (JobSession, Option<JobSession>), stage: Stage) -> Self {
        Self {
            order,
            sessions,
            stage,
            request: 0,
            asked: None,
            chunk: 0,
            n_chunks: None,
            vocabulary: None,
            reference: Vec::new(),
            model: Vec::new(),
        }
    }

    /// One that has ended, as the gallery shows it.
    pub fn ended(order: PerplexityOrder, reference: Vec<Scored>, model: Vec<Scored>) -> Self {
        Self { reference, model, ..Self::new(order, (JobSession::default(), None), Stage::Done) }
    }

    /// Its sessions, the model's first.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &JobSession> {
        [Some(&self.sessions.0), self.sessions.1.as_ref()].into_iter().flatten()
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Failed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_over_two_tokens_is_one_piece() {
        let weight = |bytes: &[u8], divergence: f32, agrees| Weight {
            bytes: bytes.to_vec(),
            surprise: 9.0,
            divergence: Some(divergence),
            agrees: Some(agrees),
        };
        let tokens = vec![
            weight(&[0xc3], 0.9, false),
            weight(&[0xa9], 0.0, true),
            weight(b" b", 0.06, true),
            weight(&[0xff], 0.0, true),
        ];
        let chunk = Scored { id: 1, chunk: 0, n_chunks: 1, vocabulary: [0; 32], before: b"a".to_vec(), tokens };
        let piece = |text: &str, heat, differs| Piece { text: text.to_owned(), heat, differs };
        let expected = [
            piece("a", None, false),
            piece("\u{e9}", Some(3), true),
            piece(" b", Some(1), false),
            piece("\u{fffd}", Some(0), false),
        ];
        assert_eq!(pieces(&[chunk]), expected);
    }

    #[test]
    fn means_have_intervals() {
        let weight = |surprise: f32, divergence: f32, agrees| Weight {
            bytes: Vec::new(),
            surprise,
            divergence: Some(divergence),
            agrees: Some(agrees),
        };
        let tokens = vec![weight(1.0, 0.0, true), weight(3.0, 0.2, false)];
        let chunk = Scored { id: 1, chunk: 0, n_chunks: 1, vocabulary: [0; 32], before: Vec::new(), tokens };
        let all = summary(&[chunk]).unwrap();
        assert_eq!(all.n_tokens, 2);
        assert!((all.perplexity.value - 2.0_f64.exp()).abs() < 1e-9);
        // Two values one off their mean: the standard error is 1.
        assert!((all.perplexity.interval - 1.96 * 2.0_f64.exp()).abs() < 1e-9);
        assert!((all.divergence.unwrap().value - 0.1).abs() < 1e-6);
        let agreement = all.agreement.unwrap();
        assert!((agreement.value - 0.5).abs() < 1e-9);
        // One of two says little, and all of three do not say all.
        assert_eq!(agreement.to_string(), "50.0 (9.5–90.5) %");
        let tokens = vec![weight(1.0, 0.0, true); 3];
        let chunk = Scored { id: 1, chunk: 0, n_chunks: 1, vocabulary: [0; 32], before: Vec::new(), tokens };
        assert_eq!(super::summary(&[chunk]).unwrap().agreement.unwrap().to_string(), "100.0 (43.9–100.0) %");
        assert_eq!(summary(&[]), None);
    }
}
