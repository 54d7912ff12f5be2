//! Models for embeddings, small enough for a test, that llama.cpp loads like real ones of their kind.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::Builder;
use crate::types::TensorType;

const WIDTH: u64 = 32;
const FEED_FORWARD: u64 = 64;
const LAYERS: u32 = 2;

/// A text's longest length in tokens.
pub const EMBEDDER_CONTEXT: u32 = 64;

/// An encoder of the architecture `bert` or `nomic-bert`, or a `qwen2` decoder. `pooling` is 1 for mean, 2 for the
/// first token, 3 for the last. Its weights look random but are always the same.
pub fn embedder(architecture: &str, pooling: u32) -> Builder {
    let is_decoder = architecture == "qwen2";
    let builder = if is_decoder { bytes(Builder::new(architecture)) } else { words(Builder::new(architecture)) };
    let n_tokens = if is_decoder { 258 } else { VOCABULARY.len() as u64 };
    let mut weights = Weights { builder, random: Pcg64Mcg::seed_from_u64(1) };
    let number = |builder: Builder, key: &str, value| builder.u32(&format!("{architecture}.{key}"), value);
    for (key, value) in [
        ("context_length", EMBEDDER_CONTEXT),
        ("embedding_length", WIDTH as u32),
        ("block_count", LAYERS),
        ("feed_forward_length", FEED_FORWARD as u32),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 2),
        ("pooling_type", pooling),
    ] {
        weights.builder = number(weights.builder, key, value);
    }
    let float = |name: &str| format!("{architecture}.{name}");
    weights.builder = weights
        .builder
        .string("general.name", architecture)
        .f32(&float("rope.freq_base"), 10_000.0)
        .f32(&float("attention.layer_norm_epsilon"), 1e-6)
        .f32(&float("attention.layer_norm_rms_epsilon"), 1e-6);
    weights = weights.matrix("token_embd.weight", &[WIDTH, n_tokens]);
    if is_decoder {
        return (0..LAYERS).fold(weights, Weights::decoder).norm("output_norm").builder;
    }
    weights.builder = weights.builder.bool(&float("attention.causal"), false);
    weights =
        weights.matrix("token_types.weight", &[WIDTH, 2]).norm("token_embd_norm").vector("token_embd_norm.bias", WIDTH);
    if architecture == "bert" {
        weights = weights.matrix("position_embd.weight", &[WIDTH, EMBEDDER_CONTEXT.into()]);
    }
    let is_nomic = architecture != "bert";
    (0..LAYERS).fold(weights, |weights, block| weights.encoder(block, is_nomic)).builder
}

const VOCABULARY: [&str; 24] = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "\u{2581}call",
    "\u{2581}me",
    "\u{2581}the",
    "\u{2581}whale",
    "\u{2581}is",
    "\u{2581}white",
    "\u{2581}sea",
    "\u{2581}ship",
    "\u{2581}a",
    "\u{2581}.",
    "\u{2581},",
    "s",
    "ing",
    "ed",
    "\u{2581}long",
    "\u{2581}night",
    "\u{2581}on",
    "\u{2581}it",
    "\u{2581}was",
];

/// The vocabulary of a BERT: words and their ends.
fn words(builder: Builder) -> Builder {
    builder
        .string("tokenizer.ggml.model", "bert")
        .string("tokenizer.ggml.pre", "default")
        .strings("tokenizer.ggml.tokens", VOCABULARY)
        .i32s("tokenizer.ggml.token_type", (0..VOCABULARY.len()).map(|place| if place < 5 { 3 } else { 1 }))
        .u32("tokenizer.ggml.token_type_count", 2)
        .u32("tokenizer.ggml.padding_token_id", 0)
        .u32("tokenizer.ggml.unknown_token_id", 1)
        .u32("tokenizer.ggml.bos_token_id", 2)
        .u32("tokenizer.ggml.seperator_token_id", 3)
        .u32("tokenizer.ggml.mask_token_id", 4)
}

/// A vocabulary of bytes as GPT-2 spells them, with a begin and an end token.
fn bytes(builder: Builder) -> Builder {
    let plain = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let shifted = |byte: u32| 256 + (0..byte).filter(|byte| !plain(*byte)).count() as u32;
    let spelled = (0..256).map(|byte| if plain(byte) { byte } else { shifted(byte) });
    let spelled = spelled.map(|point| char::from_u32(point).map(String::from).unwrap_or_default());
    builder
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "qwen2")
        .strings("tokenizer.ggml.tokens", spelled.chain(["<s>".to_owned(), "</s>".to_owned()]))
        .i32s("tokenizer.ggml.token_type", (0..258).map(|token| if token < 256 { 1 } else { 3 }))
        .strings("tokenizer.ggml.merges", [""; 0])
        .u32("tokenizer.ggml.bos_token_id", 256)
        .u32("tokenizer.ggml.eos_token_id", 257)
        .bool("tokenizer.ggml.add_eos_token", true)
}

struct Weights {
    builder: Builder,
    random: Pcg64Mcg,
}

impl Weights {
    /// A number from -0.5 to 0.5.
    fn next(&mut self) -> f32 {
        self.random.random::<f32>() - 0.5
    }

    fn tensor(mut self, name: &str, dims: &[u64], around: f32, spread: f32) -> Self {
        let count = dims.iter().product::<u64>();
        let data = (0..count).flat_map(|_| (around + spread * self.next()).to_le_bytes()).collect();
        self.builder = self.builder.tensor_data(name, dims, TensorType::F32, data);
        self
    }

    fn matrix(self, name: &str, dims: &[u64]) -> Self {
        self.tensor(name, dims, 0.0, 0.5)
    }

    fn vector(self, name: &str, length: u64) -> Self {
        self.tensor(name, &[length], 0.0, 0.2)
    }

    fn norm(self, name: &str) -> Self {
        self.tensor(&format!("{name}.weight"), &[WIDTH], 1.0, 0.2)
    }

    fn with_bias(self, name: &str, dims: [u64; 2], has_bias: bool) -> Self {
        let weights = self.matrix(&format!("{name}.weight"), &dims);
        if has_bias { weights.vector(&format!("{name}.bias"), dims[1]) } else { weights }
    }

    fn encoder(self, block: u32, is_nomic: bool) -> Self {
        let name = |role: &str| format!("blk.{block}.{role}");
        let (square, bias) = ([WIDTH, WIDTH], !is_nomic);
        let mut weights = self;
        if is_nomic {
            weights = weights.with_bias(&name("attn_qkv"), [WIDTH, 3 * WIDTH], false);
            weights = weights.with_bias(&name("ffn_gate"), [WIDTH, FEED_FORWARD], false);
        } else {
            for role in ["attn_q", "attn_k", "attn_v"] {
                weights = weights.with_bias(&name(role), square, true);
            }
        }
        weights = weights
            .with_bias(&name("attn_output"), square, bias)
            .with_bias(&name("ffn_up"), [WIDTH, FEED_FORWARD], bias)
            .with_bias(&name("ffn_down"), [FEED_FORWARD, WIDTH], bias);
        for role in ["attn_output_norm", "layer_output_norm"] {
            weights = weights.norm(&name(role)).vector(&name(&format!("{role}.bias")), WIDTH);
        }
        weights
    }

    fn decoder(self, block: u32) -> Self {
        let name = |role: &str| format!("blk.{block}.{role}");
        let mut weights = self.norm(&name("attn_norm")).norm(&name("ffn_norm"));
        for role in ["attn_q", "attn_k", "attn_v"] {
            weights = weights.with_bias(&name(role), [WIDTH, WIDTH], true);
        }
        weights
            .with_bias(&name("attn_output"), [WIDTH, WIDTH], false)
            .with_bias(&name("ffn_gate"), [WIDTH, FEED_FORWARD], false)
            .with_bias(&name("ffn_up"), [WIDTH, FEED_FORWARD], false)
            .with_bias(&name("ffn_down"), [FEED_FORWARD, WIDTH], false)
    }
}
