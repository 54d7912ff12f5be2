//! How well a model predicts a text, alone and against a reference with the same vocabulary.
//!
//! Owned here: what is asked, what came, the statistics over it. Absent: its course, which is `update::quality`'s, and
//! the arithmetic over a vocabulary, which is the worker's.

use std::path::PathBuf;

use serde::Serialize;
use wire::{Scored, Weight};

use super::race::Entry;
use super::session::SessionId;

/// Tokens of a chunk unless told otherwise, as llama-perplexity has it.
pub const CHUNK: u32 = 512;
/// Half the width of a 95 % interval in standard errors.
const Z95: f64 = 1.96;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityOrder {
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
    /// Where the reference's distributions of one chunk are kept.
    pub file: PathBuf,
}

/// A text that is being weighed.
#[derive(Debug, Clone)]
pub struct Quality {
    /// What was asked.
    pub order: QualityOrder,
    /// The sessions: the model's, the reference's.
    pub(super) sessions: (SessionId, Option<SessionId>),
    /// Where it is.
    pub stage: Stage,
    /// The request that is being answered.
    pub(super) request: u64,
    /// The chunk that is being weighed.
    pub chunk: u32,
    /// Chunks in the text, once known.
    pub n_chunks: Option<u32>,
    /// The reference's vocabulary.
    pub(super) vocabulary: Option<u64>,
    /// What came of the reference, by chunk.
    pub reference: Vec<Scored>,
    /// What came of the model, by chunk.
    pub model: Vec<Scored>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub agreement: Option<Estimate>,
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
        agreement: whole(&|weight| weight.agrees.map(|agrees| f64::from(u8::from(agrees)))),
    })
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

impl Quality {
    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Failed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_intervals() {
        let weight = |surprise: f32, divergence: f32, agrees| Weight {
            bytes: Vec::new(),
            surprise,
            divergence: Some(divergence),
            agrees: Some(agrees),
        };
        let tokens = vec![weight(1.0, 0.0, true), weight(3.0, 0.2, false)];
        let chunk = Scored { id: 1, chunk: 0, n_chunks: 1, vocabulary: 0, before: Vec::new(), tokens };
        let all = summary(&[chunk]).unwrap();
        assert_eq!(all.n_tokens, 2);
        assert!((all.perplexity.value - 2.0_f64.exp()).abs() < 1e-9);
        // Two values one off their mean: the standard error is 1.
        assert!((all.perplexity.interval - 1.96 * 2.0_f64.exp()).abs() < 1e-9);
        assert!((all.divergence.unwrap().value - 0.1).abs() < 1e-6);
        assert!((all.agreement.unwrap().value - 0.5).abs() < 1e-9);
        assert_eq!(summary(&[]), None);
    }
}
