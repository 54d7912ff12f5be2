//! What each layer keeps of the context, as llama.cpp lays it out for the architecture.
//!
//! Source: llama.cpp's `llama-hparams.cpp` (row sizes), `llama-model.cpp` (`create_memory`) and `models/*.cpp`
//! (windows and which layers are recurrent).

use crate::{
    amx,
    facts::arch_number,
    header::Header,
    summary::{LayerCache, Matrix, Shape},
};

/// More layers than llama.cpp can load, `LLAMA_MAX_LAYERS`.
pub(crate) const MAX_LAYERS: u64 = 512;

/// Architectures whose context lives in a state of fixed size alone.
const RECURRENT: &[&str] = &["mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"];
/// Hybrids whose recurrent layers are those without KV heads.
const HYBRID_BY_HEADS: &[&str] =
    &["jamba", "plamo2", "granitehybrid", "lfm2", "lfm2moe", "kimi-linear", "bailingmoe3", "kimi-k3", "glm5-next"];
/// Hybrids in which every nth layer is attention, and n if the file doesn't say.
const HYBRID_BY_INTERVAL: &[(&str, u64)] =
    &[("qwen3next", 4), ("qwen35", 4), ("qwen35moe", 4), ("qwen4exp", 4), ("minimax-01", 8)];
/// Encoders, which make vectors of texts and keep nothing between calls.
const ENCODERS: &[&str] = &[
    "bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "eurobert",
    "modern-bert",
    "gemma-embedding",
];
/// Others that keep nothing between calls: diffusion models, and what makes no text.
const WITHOUT_CACHE: &[&str] = &["wavtokenizer-dec", "dream", "llada", "llada-moe", "rnd1", "clef", "t5encoder"];
/// Architectures with a cache that the formulas here don't describe.
const UNKNOWN: &[&str] = &["deepseek4", "dflash", "eagle3"];

/// Sliding windows: architecture, the period of the pattern, whether the period starts with the full layer, and the
/// window if the file doesn't say (0 for none).
const WINDOWS: &[(&str, u64, bool, u64)] = &[
    ("gemma2", 2, false, 4096),
    ("gemma3", 6, false, 0),
    ("gemma3n", 5, false, 0),
    ("exaone4", 4, false, 0),
    ("exaone-moe", 4, false, 128),
    ("olmo2", 4, false, 0),
    ("plamo3", 8, false, 0),
    ("llama4", 4, false, 8192),
    ("gpt-oss", 2, false, 0),
    ("cohere2", 4, false, 0),
    ("cohere2moe", 4, true, 0),
    ("afmoe", 4, false, 0),
    ("mellum", 4, false, 0),
    ("smallthinker", 4, true, 0),
    ("muse-glimmer", 4, false, 0),
    ("laguna", 4, true, 0),
];

/// Whether an architecture is an encoder's, whose only use is the vectors that it makes of texts.
pub(crate) fn is_encoder(architecture: &str) -> bool {
    ENCODERS.contains(&architecture)
}

pub(crate) fn shape(header: &Header) -> Shape {
    let number = |key: &str| arch_number(header, key).unwrap_or(0);
    // Mixtral's experts are as long as a dense layer would be.
    let expert = arch_number(header, "expert_feed_forward_length").unwrap_or_else(|| number("feed_forward_length"));
    let experts = expert.saturating_mul(number("expert_used_count"));
    let layers = layers(header).unwrap_or_default();
    // Recurrent layers give several sequences as views, over which llama.cpp aborts with AMX; what an unknown kind does is unknown.
    let is_attention = !layers.is_empty() && layers.iter().all(|layer| matches!(layer, LayerCache::Attention { .. }));
    Shape {
        layers,
        feed_forward_length: number("feed_forward_length").max(experts),
        query: query(header),
        inner: number("ssm.inner_size"),
        latent: match number("attention.kv_lora_rank") {
            0 => 0,
            rank => rank.saturating_add(number("rope.dimension_count")).try_into().unwrap_or(0),
        },
        embedding: embedding(header),
        amx_growth: if is_attention { amx::growth_of_all(&header.tensors) } else { None },
    }
}

fn embedding(header: &Header) -> Option<Matrix> {
    let tensor = header.tensor("token_embd.weight")?;
    let rows = tensor.dims.get(1).copied().unwrap_or(1);
    let bytes = tensor.tensor_type.bytes(tensor.parameters())?;
    Some(Matrix { tensor_type: tensor.tensor_type.0, rows, bytes })
}

fn query(header: &Header) -> u64 {
    let number = |key: &str| arch_number(header, key);
    let heads = number("attention.head_count").unwrap_or(0);
    let even = || number("embedding_length")?.checked_div(heads);
    heads.saturating_mul(number("attention.key_length").or_else(even).unwrap_or(0))
}

/// What the rows of the cache depend on.
struct Rows<'a> {
    header: &'a Header,
    architecture: &'a str,
    /// Layers in the file.
    n_layers: u64,
    /// Those at the end that only predict further tokens, and stay unused.
    n_nextn: u64,
    heads: Vec<u64>,
    heads_kv: Vec<u64>,
    feed_forward: Vec<u64>,
}

fn layers(header: &Header) -> Option<Vec<LayerCache>> {
    let architecture = header.architecture()?;
    let n_layers = arch_number(header, "block_count").filter(|count| (1..=MAX_LAYERS).contains(count))?;
    if UNKNOWN.contains(&architecture) {
        return None;
    }
    let list = |key: &str| header.metadata.u64s(&format!("{architecture}.{key}"));
    let heads = by_layer(list("attention.head_count"), n_layers)?;
    let heads_kv = match list("attention.head_count_kv") {
        Some(values) => by_layer(Some(values), n_layers)?,
        None => heads.clone(),
    };
    let rows = Rows {
        header,
        architecture,
        n_layers,
        n_nextn: arch_number(header, "nextn_predict_layers").unwrap_or(0),
        heads,
        heads_kv,
        feed_forward: by_layer(list("feed_forward_length"), n_layers)?,
    };
    rows.all()
}

/// One value for each layer; 0 where there is none, `None` where their number is wrong.
fn by_layer(values: Option<Vec<u64>>, n_layers: u64) -> Option<Vec<u64>> {
    let values = values.unwrap_or_else(|| vec![0]);
    match values.as_slice() {
        [value] => Some(vec![*value; n_layers as usize]),
        _ => (values.len() as u64 == n_layers).then_some(values),
    }
}

impl Rows<'_> {
    fn number(&self, key: &str) -> Option<u64> {
        arch_number(self.header, key)
    }

    fn all(&self) -> Option<Vec<LayerCache>> {
        let windows = self.windows();
        (0..self.n_layers as usize).map(|layer| self.layer(layer, windows[layer])).collect()
    }

    fn layer(&self, layer: usize, window: Option<u32>) -> Option<LayerCache> {
        let in_use = self.n_layers.saturating_sub(self.n_nextn);
        let unused = self.n_nextn > 0 && in_use > 0 && layer as u64 >= in_use;
        let keeps_nothing = is_encoder(self.architecture) || WITHOUT_CACHE.contains(&self.architecture);
        if unused || keeps_nothing || layer as u64 >= self.first_shared() {
            return Some(LayerCache::None);
        }
        let heads_kv = self.heads_kv[layer];
        let is_recurrent = match self.architecture {
            architecture if RECURRENT.contains(&architecture) => true,
            architecture if HYBRID_BY_HEADS.contains(&architecture) => heads_kv == 0,
            "nemotron_h" | "nemotron_h_moe" => {
                if self.feed_forward[layer] > 0 {
                    return Some(LayerCache::None);
                }
                heads_kv == 0
            }
            "falcon-h1" => {
                let (k, v) = self.attention(layer, false)?;
                return Some(LayerCache::Both { k, v, elements: self.state()? });
            }
            architecture => match HYBRID_BY_INTERVAL.iter().find(|(name, _)| *name == architecture) {
                Some(&(_, interval)) => self.is_recurrent_by_interval(layer, interval),
                None => false,
            },
        };
        if is_recurrent {
            return Some(LayerCache::Recurrent { elements: self.state()? });
        }
        let (k, v) = self.attention(layer, window.is_some())?;
        Some(if k == 0 && v == 0 { LayerCache::None } else { LayerCache::Attention { k, v, window } })
    }

    fn is_recurrent_by_interval(&self, layer: usize, default: u64) -> bool {
        let key = format!("{}.attention.recurrent_layers", self.architecture);
        let listed = self.header.metadata.u64s(&key).and_then(|layers| by_layer(Some(layers), self.n_layers));
        if let Some(layers) = listed {
            return layers[layer] != 0;
        }
        let interval = self.number("full_attention_interval").unwrap_or(default).max(1);
        !(layer as u64 + 1).is_multiple_of(interval)
    }

    /// The first layer that uses another's keys and values.
    fn first_shared(&self) -> u64 {
        match self.architecture {
            // llama.cpp has it fixed.
            "gemma3n" => 20,
            _ => self.n_layers.saturating_sub(self.number("attention.shared_kv_layers").unwrap_or(0)),
        }
    }

    /// Elements of a row of K and of V.
    fn attention(&self, layer: usize, windowed: bool) -> Option<(u32, u32)> {
        // llama.cpp takes the first layer's heads here, whatever the others have.
        let head = match self.heads[0] {
            0 => 0,
            heads => self.number("embedding_length").unwrap_or(0) / heads,
        };
        let length = |key: &str| {
            let full = self.number(&format!("attention.{key}")).unwrap_or(head);
            if windowed { self.number(&format!("attention.{key}_swa")).unwrap_or(full) } else { full }
        };
        let row = |length: u64| length.checked_mul(self.heads_kv[layer])?.try_into().ok();
        let is_mla = self.number("attention.key_length_mla").unwrap_or(0) > 0
            && self.number("attention.value_length_mla").unwrap_or(0) > 0;
        let k = row(length("key_length"))?;
        if !is_mla {
            let v = row(length("value_length"))?;
            // Sparse layers keep one more head of keys for choosing where to look, and of values, which goes unused.
            let is_sparse = self.architecture == "minimax-m3"
                && layer as u64 >= self.number("leading_dense_block_count").unwrap_or(0);
            if !is_sparse {
                return Some((k, v));
            }
            let indexer = self.number("attention.indexer.key_length").unwrap_or(0);
            return Some((
                k.checked_add(indexer.try_into().ok()?)?,
                v.checked_add(length("value_length").try_into().ok()?)?,
            ));
        }
        // Sparse attention keeps one more key per cell, for choosing where to look.
        let indexer = match self.architecture {
            "deepseek32" | "glm-dsa" => self.number("attention.indexer.key_length").unwrap_or(0),
            _ => 0,
        };
        Some((k.checked_add(indexer.try_into().ok()?)?, 0))
    }

    /// The window of each layer, if any.
    fn windows(&self) -> Vec<Option<u32>> {
        let n_layers = self.n_layers as usize;
        let none = vec![None; n_layers];
        // Phi's windows are switched off in llama.cpp; ModernBERT keeps no cache.
        if matches!(self.architecture, "phi3" | "phimoe" | "modern-bert") {
            return none;
        }
        let row = WINDOWS.iter().find(|(name, ..)| *name == self.architecture);
        let in_file = self.number("attention.sliding_window");
        let window = match (self.architecture, in_file) {
            (_, Some(0)) => return none,
            // Fixed in llama.cpp.
            ("llama4", _) => 8192,
            ("exaone4", _) if self.n_layers != 64 => return none,
            ("smallthinker", Some(_)) | ("exaone4", None) => 4096,
            (_, window) => window.or(row.map(|&(.., default)| default)).unwrap_or(0),
        };
        let Some(window) = u32::try_from(window).ok().filter(|&window| window > 0) else { return none };
        let key = format!("{}.attention.sliding_window_pattern", self.architecture);
        let pattern = self.header.metadata.u64s(&key);
        let is_windowed: Vec<bool> = match (pattern.as_deref(), row) {
            (Some(pattern), _) if pattern.len() > 1 => {
                (0..n_layers).map(|layer| pattern.get(layer).is_some_and(|&value| value != 0)).collect()
            }
            (pattern, Some(&(_, period, full_first, _))) => {
                let period = pattern.and_then(|pattern| pattern.first().copied()).unwrap_or(period);
                (0..self.n_layers)
                    .map(|layer| match period {
                        0 => true,
                        _ if full_first => layer % period != 0,
                        _ => layer % period < period - 1,
                    })
                    .collect()
            }
            _ if matches!(self.architecture, "lfm2" | "lfm2moe") => vec![true; n_layers],
            // Other architectures ignore the key.
            _ => vec![false; n_layers],
        };
        is_windowed.into_iter().map(|windowed| windowed.then_some(window)).collect()
    }

    /// Elements of a recurrent layer's state, of both its parts.
    fn state(&self) -> Option<u64> {
        let number = |key: &str| self.number(key).unwrap_or(0);
        let embedding = number("embedding_length");
        let wkv = number("wkv.head_size");
        if wkv != 0 {
            let shift = self.number("token_shift_count").unwrap_or(2).checked_mul(embedding)?;
            return embedding.checked_mul(wkv)?.checked_add(shift);
        }
        let short = number("shortconv.l_cache");
        if short != 0 {
            return embedding.checked_mul(short - 1);
        }
        let convolution = number("ssm.conv_kernel");
        let kda = number("kda.head_dim");
        if kda != 0 {
            let inner = self.heads[0].checked_mul(kda)?;
            let taps = if convolution > 0 { convolution - 1 } else { 3 };
            return inner.checked_mul(kda)?.checked_add(inner.checked_mul(taps)?.checked_mul(3)?);
        }
        if self.architecture == "minimax-01" {
            let head = self.number("attention.key_length").or_else(|| embedding.checked_div(self.heads[0]))?;
            return head.checked_mul(head)?.checked_mul(self.heads[0]);
        }
        let inner = number("ssm.inner_size");
        let state = number("ssm.state_size");
        let groups = number("ssm.group_count").checked_mul(state)?.checked_mul(2)?;
        let taps = convolution.saturating_sub(1);
        taps.checked_mul(inner.checked_add(groups)?)?.checked_add(state.checked_mul(inner)?)
    }
}
