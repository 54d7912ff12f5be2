//! What a summary's figures amount to: active parameters, kinds of attention, how far the context reaches.

use std::fmt;

use crate::summary::{Attention, LayerCache, Mix, RopeScaling, Summary};

impl Summary {
    /// Parameters used per token in a mixture of experts: without the experts that the token isn't routed to, and
    /// without a separate input matrix, of which a token uses one row. `None` without experts.
    pub fn active_parameters(&self) -> Option<u64> {
        let (count, used) = self.experts.filter(|&(count, used)| used > 0 && used < count)?;
        let unused = u128::from(self.routed_parameters) * u128::from(count - used) / u128::from(count);
        let at_rest = u64::try_from(unused).ok()?.saturating_add(self.output_parameters);
        (self.routed_parameters > 0).then(|| self.parameters.saturating_sub(at_rest))
    }

    /// The kinds of attention in the layers; `None` if the file doesn't say.
    pub fn mix(&self) -> Option<Mix> {
        let mut mix = Mix { attention: None, n_full: 0, windowed: None, n_recurrent: 0 };
        let mut is_latent = false;
        for layer in &self.shape.layers {
            match *layer {
                LayerCache::Attention { v, window, .. } => {
                    is_latent |= v == 0;
                    match window {
                        None => mix.n_full += 1,
                        Some(window) => mix.windowed = Some((mix.windowed.map_or(0, |(n, _)| n) + 1, window)),
                    }
                }
                LayerCache::Recurrent { .. } => mix.n_recurrent += 1,
                LayerCache::Both { .. } => {
                    mix.n_full += 1;
                    mix.n_recurrent += 1;
                }
                LayerCache::None => {}
            }
        }
        let n_attention = mix.n_full + mix.windowed.map_or(0, |(n, _)| n);
        if n_attention + mix.n_recurrent == 0 {
            return None;
        }
        mix.attention = (n_attention > 0).then_some(match (self.head_count, self.head_count_kv) {
            _ if is_latent => Attention::Latent,
            _ if self.shape.latent > 0 => Attention::LatentExpanded,
            (Some(heads), Some(1)) if heads > 1 => Attention::MultiQuery,
            (Some(heads), Some(shared)) if shared < heads => Attention::Grouped,
            _ => Attention::MultiHead,
        });
        Some(mix)
    }

    /// The longest context that the file claims to reach, tokens: what it was trained for, or further by scaling.
    pub fn longest_context(&self) -> Option<u64> {
        let scaled = self.rope.as_ref().and_then(|rope| {
            let reach = rope.original? as f64 * rope.factor?;
            // Beyond what any context can be, a factor is nonsense.
            (reach < f64::from(u32::MAX)).then_some(reach as u64)
        });
        self.context_length.max(scaled)
    }

    /// How many times more memory each token of context takes than latent attention (MLA) would need, of a file whose
    /// conversion predates that; `None` for all others.
    pub fn latent_overhead(&self) -> Option<f64> {
        let kept = self.shape.layers.iter().find_map(|layer| match *layer {
            LayerCache::Attention { k, v, .. } if v > 0 => Some(f64::from(k) + f64::from(v)),
            _ => None,
        })?;
        (self.shape.latent > 0).then(|| kept / f64::from(self.shape.latent))
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MultiHead => "MHA",
            Self::Grouped => "GQA",
            Self::MultiQuery => "MQA",
            Self::Latent => "MLA",
            Self::LatentExpanded => "MLA, kept as whole keys and values",
        })
    }
}

impl fmt::Display for Mix {
    /// Such as `GQA`, `MLA`, `GQA, sliding window of 1024 in 22 of 26 layers`, `recurrent`, `hybrid: GQA in 6 layers,
    /// recurrent in 10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_windowed = self.windowed.map_or(0, |(n, _)| n);
        let n_attention = self.n_full + n_windowed;
        let Some(attention) = self.attention else { return f.write_str("recurrent") };
        if self.n_recurrent > 0 {
            let plural = if n_attention == 1 { "" } else { "s" };
            write!(f, "hybrid: {attention} in {n_attention} layer{plural}, recurrent in {}", self.n_recurrent)?;
        } else {
            write!(f, "{attention}")?;
        }
        match self.windowed {
            Some((n, window)) => write!(f, ", sliding window of {window} in {n} of {n_attention} layers"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RopeScaling {
    /// Such as `yarn x4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        match self.factor {
            Some(factor) => write!(f, " x{}", (factor * 100.0).round() / 100.0),
            None => Ok(()),
        }
    }
}
