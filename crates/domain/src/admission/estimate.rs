//! What a model is expected to take, and the context that it gets.

use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::settings::SessionSettings;
use crate::units::Bytes;

/// The memory that a model is expected to take, by what takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryEstimate {
    /// Weights.
    pub weights: Bytes,
    /// KV cache and recurrent state.
    pub context: Bytes,
    /// Compute buffers, the upper estimate.
    pub compute: Bytes,
    /// The worker's program and the vocabulary.
    #[serde(default)]
    pub program: Bytes,
    /// The most that prompts which left their place in the KV cache are kept in.
    #[serde(default)]
    pub prompt_cache: Bytes,
    /// Without a header that can be read, the weights are the size of the files: an estimate, and the rest is not known.
    #[serde(default)]
    pub by_size: bool,
    /// What of all this goes to devices of other machines.
    #[serde(default)]
    pub elsewhere: Bytes,
}

impl MemoryEstimate {
    /// All of it.
    pub fn total(self) -> Bytes {
        self.weights + self.context + self.compute + self.program + self.prompt_cache
    }

    /// What this machine has to have.
    pub fn here(self) -> Bytes {
        self.total().saturating_sub(self.elsewhere)
    }
}

/// The memory that a model is expected to take with these settings, by the header's formulas; the upper bound if they
/// give a range. Unknown parts count as zero, since refusing on a guess would be worse. Without a header it is the
/// size of the files, which is close to what the model takes if it is loaded anyway.
pub fn memory_estimate(model: &Model, settings: &SessionSettings) -> MemoryEstimate {
    // It takes memory elsewhere.
    if model.remote.is_some() {
        return MemoryEstimate::default();
    }
    let Some(estimate) = estimate(model, settings) else {
        return MemoryEstimate { weights: model.size, by_size: model.size > Bytes(0), ..MemoryEstimate::default() };
    };
    MemoryEstimate {
        weights: Bytes(estimate.weights),
        context: Bytes(estimate.kv.unwrap_or(0)),
        compute: Bytes(estimate.compute_high),
        program: Bytes(estimate.program),
        prompt_cache: prompt_cache(settings, estimate.kv.unwrap_or(0)),
        by_size: false,
        elsewhere: Bytes(0),
    }
}

/// Maximum size of the prompt cache: its budget, or its maximum number of prompts, each as long as the context.
fn prompt_cache(settings: &SessionSettings, kv: u64) -> Bytes {
    let longest = kv / u64::from(settings.parallel.max(1));
    settings.prompt_cache.min(Bytes(longest.saturating_mul(wire::MAX_CACHED_PROMPTS)))
}

/// The header's formulas with these settings; `None` without a header.
pub fn estimate(model: &Model, settings: &SessionSettings) -> Option<gguf::Estimate> {
    Some(model.summary.as_ref()?.estimate(&gguf::Needs {
        n_ctx: settings.context.saturating_mul(settings.parallel.max(1)),
        n_seq: settings.parallel.max(1),
        n_ubatch: settings.ubatch,
        n_outputs: settings.parallel.max(1),
        cache_k: cache_kind(settings.cache_type_k),
        cache_v: cache_kind(settings.cache_type_v),
        flash_attention: settings.flash_attention != wire::FlashAttention::Off,
        // As the worker has it.
        full_windows: false,
        processor: gguf::Processor::this(),
    }))
}

fn cache_kind(kind: wire::CacheType) -> gguf::CacheKind {
    match kind {
        wire::CacheType::F32 => gguf::CacheKind::F32,
        wire::CacheType::F16 => gguf::CacheKind::F16,
        wire::CacheType::BF16 => gguf::CacheKind::BF16,
        wire::CacheType::Q8_0 => gguf::CacheKind::Q8_0,
        wire::CacheType::Q5_1 => gguf::CacheKind::Q5_1,
        wire::CacheType::Q5_0 => gguf::CacheKind::Q5_0,
        wire::CacheType::Q4_1 => gguf::CacheKind::Q4_1,
        wire::CacheType::Q4_0 => gguf::CacheKind::Q4_0,
    }
}

/// The context that a model gets: what was asked for, within what it was trained for or extended to; 0 asks for what it
/// was trained for.
pub fn context(model: &Model, wanted: u32) -> u32 {
    let tokens = |count: Option<u64>| count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let summary = model.summary.as_ref();
    let trained = tokens(summary.and_then(|summary| summary.context_length));
    let longest = tokens(summary.and_then(gguf::Summary::longest_context));
    match wanted {
        0 => trained.unwrap_or(SessionSettings::default().context),
        wanted => wanted.min(longest.unwrap_or(u32::MAX)),
    }
}

/// The effective settings for a model: with its store's context if the user chose none, limited to the model's maximum.
pub fn settings_for(model: &Model, mut settings: SessionSettings) -> SessionSettings {
    if let Some(wanted) = model.preset().and_then(|preset| preset.context).filter(|_| !settings.is_context_chosen.0) {
        settings.context = wanted;
    }
    settings.context = context(model, settings.context);
    settings
}

/// A clause for a chosen context that exceeds the model's maximum; `None` if it does not.
pub fn shortened(model: &Model, wanted: &SessionSettings) -> Option<String> {
    let got = context(model, wanted.context);
    (wanted.is_context_chosen.0 && wanted.context > got).then(|| {
        format!(
            "the context is {got} tokens, the most that the model was made for, and not {} as asked",
            wanted.context
        )
    })
}

/// What could be done where a prompt does not fit a session's context.
pub fn longer_context_hint(model: &Model, n_ctx: u32, can_begin_anew: bool) -> String {
    let instead = if can_begin_anew { "shorten the prompt or begin a new chat" } else { "shorten the prompt" };
    match context(model, u32::MAX) {
        longest if n_ctx >= longest => format!("the model has no longer context: {instead}"),
        u32::MAX => format!("raise `context`, or {instead}"),
        longest => format!("raise `context` (at most {longest}), or {instead}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::AdmissionError;

    #[test]
    fn without_a_header_the_files_size_is_planned() {
        let model = Model { size: Bytes(9_000_000_000), ..crate::testing::model("odd") };
        let needed = memory_estimate(&model, &SessionSettings::default());
        assert_eq!((needed.total(), needed.by_size), (Bytes(9_000_000_000), true));
        let [free, available, promised, others, reserve] =
            [1, 2, 0, 0, 1].map(|gigabytes| Bytes(gigabytes * 1_000_000_000));
        let refusal = AdmissionError { needed, free, available, promised, others, reserve };
        let text = refusal.to_string();
        assert!(
            text.starts_with(
                "would need about 9.0 GB (an estimate by the size of its file; its header can't be read), but"
            ),
            "{text}"
        );
    }
}
