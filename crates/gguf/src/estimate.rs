//! What a model would need in memory, from its header alone.

use crate::summary::{LayerCache, Summary};

/// A type that llama.cpp can keep keys or values in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "ggml's own names")]
pub enum CacheKind {
    F32,
    F16,
    BF16,
    Q8_0,
    Q5_1,
    Q5_0,
    Q4_1,
    Q4_0,
    IQ4NL,
}

impl CacheKind {
    /// Elements and bytes of a block.
    pub fn block(self) -> (u64, u64) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q5_1 => (32, 24),
            Self::Q5_0 => (32, 22),
            Self::Q4_1 => (32, 20),
            Self::Q4_0 | Self::IQ4NL => (32, 18),
        }
    }

    /// Bytes of a row.
    fn row(self, elements: u32) -> u64 {
        let (block, bytes) = self.block();
        u64::from(elements).div_ceil(block) * bytes
    }
}

/// What is asked of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Context, tokens; llama.cpp rounds it up to a multiple of 256.
    pub n_ctx: u32,
    /// Sequences that share the context.
    pub n_seq: u32,
    /// Tokens computed at once.
    pub n_ubatch: u32,
    /// Type of the keys.
    pub cache_k: CacheKind,
    /// Type of the values.
    pub cache_v: CacheKind,
    /// Flash attention is on.
    pub flash_attention: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            n_ctx: 4096,
            n_seq: 1,
            n_ubatch: 512,
            cache_k: CacheKind::F16,
            cache_v: CacheKind::F16,
            flash_attention: true,
        }
    }
}

/// Memory in bytes. Everything here is estimated; once a model is loaded, llama.cpp's own figures replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Weights in this file; of a split model, add up the parts.
    pub weights: u64,
    /// Keys, values and recurrent states; `None` where the file does not tell.
    pub kv: Option<u64>,
    /// The compute buffers, at least.
    pub compute_low: u64,
    /// The compute buffers, at most.
    pub compute_high: u64,
}

impl Estimate {
    /// Weights, cache and the larger compute figure, bytes; an unknown cache counts as nothing.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.kv.unwrap_or(0)).saturating_add(self.compute_high)
    }
}

impl Summary {
    /// What the model would need.
    pub fn estimate(&self, needs: &Needs) -> Estimate {
        let (compute_low, compute_high) = self.compute(needs);
        Estimate { weights: self.tensor_bytes, kv: self.kv(needs), compute_low, compute_high }
    }

    /// Bytes of the cache, after llama.cpp's `llama-kv-cache*.cpp` and `llama-memory-recurrent.cpp`.
    fn kv(&self, needs: &Needs) -> Option<u64> {
        if self.shape.layers.is_empty() {
            return None;
        }
        let context = cells(needs);
        let rows = |k: u32, v: u32, window: Option<u32>| {
            // A window keeps what the running batch may still look at.
            let cells = window.map_or(context, |window| {
                let reach = u64::from(window) * u64::from(needs.n_seq.max(1)) + u64::from(needs.n_ubatch);
                context.min(reach).next_multiple_of(256)
            });
            cells.saturating_mul(needs.cache_k.row(k) + needs.cache_v.row(v))
        };
        let state = |elements: u64| elements.saturating_mul(4 * u64::from(needs.n_seq.max(1)));
        let sum = self.shape.layers.iter().map(|layer| match *layer {
            LayerCache::Attention { k, v, window } => rows(k, v, window),
            LayerCache::Recurrent { elements } => state(elements),
            LayerCache::Both { k, v, elements } => rows(k, v, None).saturating_add(state(elements)),
            LayerCache::None => 0,
        });
        Some(sum.fold(0, u64::saturating_add))
    }

    /// Bytes of the compute buffers, lower and upper.
    ///
    /// ggml reuses memory between the steps of a graph, so the largest step rules: the logits (vocabulary x ubatch),
    /// the feed-forward products, or without flash attention the scores (cells x ubatch x heads), all f32. The mask
    /// (cells x ubatch, f16 with flash attention, else f32) and a few rows of the embedding stand beside it. Measured
    /// with llama.cpp on a processor, they are 4 to 8 rows; other devices and recurrent layers take somewhat more.
    fn compute(&self, needs: &Needs) -> (u64, u64) {
        let cells = cells(needs);
        let batch = u64::from(needs.n_ubatch).min(cells);
        let f32s = |factors: &[u64]| factors.iter().copied().fold(4 * batch, u64::saturating_mul);
        let logits = f32s(&[self.vocabulary.unwrap_or(0)]);
        let feed_forward = f32s(&[self.shape.feed_forward_length, 2]);
        let (scores, mask) = if needs.flash_attention {
            (0, f32s(&[cells]) / 2)
        } else {
            (f32s(&[cells, self.head_count.unwrap_or(1)]), f32s(&[cells]))
        };
        let row = f32s(&[self.embedding_length.unwrap_or(0)]);
        let largest = logits.max(feed_forward).max(scores).saturating_add(mask);
        let low = largest.saturating_add(row.saturating_mul(4));
        let high = largest.saturating_add(row.saturating_mul(8));
        (low, high.saturating_add(high / 4).saturating_add(16 << 20))
    }
}

/// Cells of a full layer's cache, over all sequences.
fn cells(needs: &Needs) -> u64 {
    let sequences = u64::from(needs.n_seq.max(1));
    let context = u64::from(needs.n_ctx.max(1)).next_multiple_of(256);
    (context / sequences).max(1).next_multiple_of(256) * sequences
}
