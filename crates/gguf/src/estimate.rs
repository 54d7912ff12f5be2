//! What a model would need in memory, from its header alone.

use crate::repack::Processor;
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
    /// Tokens of a batch whose logits are needed: 1 for generation, `n_ubatch` by llama.cpp's default.
    pub n_outputs: u32,
    /// Type of the keys.
    pub cache_k: CacheKind,
    /// Type of the values.
    pub cache_v: CacheKind,
    /// Flash attention is on.
    pub flash_attention: bool,
    /// Layers with a sliding window keep the whole context all the same, so that a conversation can be cut anywhere.
    pub full_windows: bool,
    /// What llama.cpp's code for the processor uses.
    pub processor: Processor,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            n_ctx: 4096,
            n_seq: 1,
            n_ubatch: 512,
            n_outputs: 1,
            cache_k: CacheKind::F16,
            cache_v: CacheKind::F16,
            flash_attention: true,
            full_windows: false,
            processor: Processor::this(),
        }
    }
}

/// The program's own memory without a model: code, libraries and their data. Measured.
const PROGRAM: u64 = 10_000_000;
/// What llama.cpp keeps of a token of the vocabulary, its text and its merge, in several tables, bytes. Measured.
const TOKEN: u64 = 300;

/// Memory in bytes. Everything here is estimated; once a model is loaded, llama.cpp's own figures replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Weights in this file, those twice that llama.cpp keeps twice; of a split model, add up the parts.
    pub weights: u64,
    /// Keys, values and recurrent states; `None` if the file does not say.
    pub kv: Option<u64>,
    /// The compute buffers, at least.
    pub compute_low: u64,
    /// The compute buffers, at most.
    pub compute_high: u64,
    /// The program itself and its vocabulary, which llama.cpp's own account leaves out.
    pub program: u64,
}

impl Estimate {
    /// Weights, cache, the larger compute figure and the program, bytes; an unknown cache counts as nothing.
    pub fn total(&self) -> u64 {
        let parts = [self.kv.unwrap_or(0), self.compute_high, self.program];
        parts.into_iter().fold(self.weights, u64::saturating_add)
    }
}

impl Summary {
    /// What the model would need.
    pub fn estimate(&self, needs: &Needs) -> Estimate {
        let (exact, rest) = self.compute(needs);
        Estimate {
            weights: self.tensor_bytes.saturating_add(self.beyond_file(needs.processor)),
            kv: self.kv(needs),
            compute_low: exact.saturating_add(rest - rest / 8),
            compute_high: exact.saturating_add(rest).saturating_add(rest / 8).saturating_add(1 << 20),
            program: self.vocabulary.unwrap_or(0).saturating_mul(TOKEN).saturating_add(PROGRAM),
        }
    }

    /// Bytes of weights beyond those of the file: what the processor's layout adds, and a copy of a token embedding that is the
    /// output matrix too, which is read row by row as it is in the file.
    fn beyond_file(&self, processor: Processor) -> u64 {
        let growth = self.shape.amx_growth.filter(|_| processor.amx);
        let processor = Processor { amx: growth.is_some(), ..processor };
        let tied = self.shape.embedding.as_ref().filter(|_| self.output_parameters == 0);
        let copied = tied.map_or(0, |matrix| processor.copy_of(matrix));
        copied.saturating_add(growth.unwrap_or(0))
    }

    /// Bytes of the cache, after llama.cpp's `llama-kv-cache*.cpp` and `llama-memory-recurrent.cpp`.
    fn kv(&self, needs: &Needs) -> Option<u64> {
        if self.shape.layers.is_empty() {
            return None;
        }
        let context = cells(needs);
        // Without flash attention values lie transposed, and then all layers' are as wide as the widest.
        let widest = self.shape.layers.iter().map(|layer| layer.row().1).max().unwrap_or(0);
        let rows = |k: u32, v: u32, cells: u64| {
            let v = if needs.flash_attention || v == 0 { v } else { widest };
            cells.saturating_mul(needs.cache_k.row(k) + needs.cache_v.row(v))
        };
        let state = |elements: u64| elements.saturating_mul(4 * u64::from(needs.n_seq.max(1)));
        let sum = self.shape.layers.iter().map(|layer| match *layer {
            LayerCache::Attention { k, v, window } => rows(k, v, window.map_or(context, |n| window_cells(needs, n))),
            LayerCache::Recurrent { elements } => state(elements),
            LayerCache::Both { k, v, elements } => rows(k, v, context).saturating_add(state(elements)),
            LayerCache::None => 0,
        });
        Some(sum.fold(0, u64::saturating_add))
    }

    /// Bytes of the compute buffers: the exact size of logits, masks and scores, and the estimated size of the rest.
    ///
    /// ggml reuses memory between the steps of a graph, so the largest step counts: the logits, the feed-forward
    /// products, the experts' outputs, the attention with its scores (cells x heads, kept without flash attention), or
    /// the inner products of a recurrent layer. A few rows of the embedding and one mask for each kind of cache come
    /// on top. The factors were measured with llama.cpp on a CPU, with models of each kind.
    fn compute(&self, needs: &Needs) -> (u64, u64) {
        let cells = cells(needs);
        let batch = u64::from(needs.n_ubatch).min(cells);
        // What a number for each token of the batch takes.
        let f32s = |width: u64| width.saturating_mul(4 * batch);
        let row = f32s(self.embedding_length.unwrap_or(0));
        let rows = |count: u64| row.saturating_mul(count);
        let shape = &self.shape;
        let (mut k, mut v, mut masked) = (0, 0, 0);
        let mut window = 0;
        for layer in &shape.layers {
            let (layer_k, layer_v) = layer.row();
            (k, v) = (k.max(u64::from(layer_k)), v.max(u64::from(layer_v)));
            match *layer {
                LayerCache::Attention { window: Some(width), .. } => window = window.max(window_cells(needs, width)),
                LayerCache::Attention { .. } | LayerCache::Both { .. } => masked = cells,
                LayerCache::Recurrent { .. } | LayerCache::None => {}
            }
        }
        if shape.layers.is_empty() {
            masked = cells;
        }
        let outputs = u64::from(needs.n_outputs).min(batch);
        let logits = self.vocabulary.unwrap_or(0).saturating_mul(4 * outputs);
        let feed_forward = f32s(shape.feed_forward_length).saturating_mul(3);
        let answers = rows(self.experts.map_or(0, |(_, used)| used));
        let experts = answers.saturating_add(f32s(shape.feed_forward_length));
        let recurrent = f32s(shape.inner).saturating_mul(5);
        let attention = f32s(shape.query).saturating_mul(2).saturating_add(f32s(k + v));
        let longest = masked.max(window);
        // Latent values are part of the keys, and are copied out to be multiplied.
        let copied = if v == 0 { longest.saturating_mul(2 * k) } else { 0 };
        let scores = f32s(longest).saturating_mul(self.head_count.unwrap_or(1)).saturating_add(copied);
        let masks = f32s(masked.saturating_add(window));
        let (scores, masks) = if needs.flash_attention { (0, masks / 2) } else { (scores, masks) };
        let steps = [
            (logits, rows(5)),
            (0, feed_forward.max(experts).max(recurrent).saturating_add(rows(5))),
            (scores, attention.saturating_add(rows(4))),
        ];
        let largest = steps.into_iter().max_by_key(|(exact, rest)| exact.saturating_add(*rest)).unwrap_or_default();
        (largest.0.saturating_add(masks), largest.1)
    }
}

impl LayerCache {
    /// Elements of a row of K and of V.
    fn row(&self) -> (u32, u32) {
        match *self {
            Self::Attention { k, v, .. } | Self::Both { k, v, .. } => (k, v),
            Self::Recurrent { .. } | Self::None => (0, 0),
        }
    }
}

/// Cells of a layer that looks back over a window: unless all are kept, those that the running batch may still see.
fn window_cells(needs: &Needs, window: u32) -> u64 {
    let reach = u64::from(window) * u64::from(needs.n_seq.max(1)) + u64::from(needs.n_ubatch);
    if needs.full_windows { cells(needs) } else { cells(needs).min(reach).next_multiple_of(256) }
}

/// Cells of a full layer's cache, over all sequences.
fn cells(needs: &Needs) -> u64 {
    let sequences = u64::from(needs.n_seq.max(1));
    let context = u64::from(needs.n_ctx.max(1)).next_multiple_of(256);
    (context / sequences).max(1).next_multiple_of(256) * sequences
}
