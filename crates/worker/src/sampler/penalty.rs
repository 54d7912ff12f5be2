//! Changes to logits before any sampler: biases, and penalties for tokens already in the text.

use wire::{LogitBias, Sampling};

/// The biases and penalties of one generation.
#[derive(Debug)]
pub(super) struct Penalties {
    pub(super) bias: Vec<LogitBias>,
    repeat: f32,
    frequency: f32,
    presence: f32,
    /// How many of the last tokens they look at.
    window: usize,
}

impl Penalties {
    pub(super) fn new(sampling: &Sampling) -> Self {
        Self {
            bias: Vec::new(),
            repeat: sampling.repeat_penalty.unwrap_or(1.0),
            frequency: sampling.frequency_penalty.unwrap_or(0.0),
            presence: sampling.presence_penalty.unwrap_or(0.0),
            window: sampling.repeat_last_n.unwrap_or(64) as usize,
        }
    }

    /// Change the logits of biased tokens, and of those among the last of `tokens`.
    pub(super) fn apply(&self, logits: &mut [f32], tokens: &[i32]) {
        for LogitBias { token, bias } in &self.bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit += bias;
            }
        }
        #[expect(clippy::float_cmp, reason = "these very numbers are off")]
        if self.repeat == 1.0 && self.frequency == 0.0 && self.presence == 0.0 {
            return;
        }
        let mut recent = tokens[tokens.len().saturating_sub(self.window)..].to_vec();
        recent.sort_unstable();
        for same in recent.chunk_by(|one, other| one == other) {
            let token = same.first().and_then(|token| usize::try_from(*token).ok());
            let Some(logit) = token.and_then(|token| logits.get_mut(token)) else { continue };
            *logit = if *logit <= 0.0 { *logit * self.repeat } else { *logit / self.repeat };
            *logit -= same.len() as f32 * self.frequency + self.presence;
        }
    }
}
