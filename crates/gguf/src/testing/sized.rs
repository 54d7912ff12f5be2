//! Whole models of a given size that llama.cpp loads like real ones: shapes of Qwen 2, weights of zero.

use crate::testing::Builder;
use crate::types::TensorType;

/// A shape of Qwen 2.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the keys' own names")]
pub struct Sized {
    pub layers: u32,
    pub embedding: u32,
    pub heads: u32,
    pub heads_kv: u32,
    pub feed_forward: u32,
    pub vocabulary: u32,
    /// The token embedding is the output matrix too.
    pub is_tied: bool,
}

/// The types of a file's matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixture {
    /// All the same.
    Pure(TensorType),
    /// As llama.cpp's `Q4_K_M`: `Q6_K` for the output and for the half of the layers' values and products that matter
    /// most, else `Q4_K`.
    Q4KM,
}

impl Mixture {
    /// By name, such as `Q4_K_M` or `IQ4_NL`.
    pub fn named(name: &str) -> Option<Self> {
        let pure = || (0..64).map(TensorType).find(|tensor_type| tensor_type.name() == name).map(Self::Pure);
        if name == "Q4_K_M" { Some(Self::Q4KM) } else { pure() }
    }

    /// The type of a matrix.
    fn of(self, role: &str, block: u32, layers: u32) -> TensorType {
        let matters = || block < layers / 8 || block >= 7 * layers / 8 || (block - layers / 8) % 3 == 2;
        match self {
            Self::Pure(tensor_type) => tensor_type,
            Self::Q4KM if role == "output" => TensorType::Q6_K,
            Self::Q4KM if matches!(role, "attn_v" | "ffn_down") && matters() => TensorType::Q6_K,
            Self::Q4KM => TensorType::Q4_K,
        }
    }
}

impl Sized {
    /// Qwen 2.5 with 7 billion parameters, which is R1-Distill-Qwen-7B's shape too.
    pub const QWEN_7B: Self = Self {
        layers: 28,
        embedding: 3584,
        heads: 28,
        heads_kv: 4,
        feed_forward: 18_944,
        vocabulary: 152_064,
        is_tied: false,
    };

    /// The file, to be written with [`Builder::write`].
    pub fn header(&self, mixture: Mixture) -> Builder {
        let Self { layers, embedding, heads, heads_kv, feed_forward, vocabulary, is_tied } = *self;
        let (tokens, merges) = words(vocabulary);
        let mut builder = Builder::new("qwen2")
            .string("general.name", "Sized")
            .string("tokenizer.ggml.model", "gpt2")
            .string("tokenizer.ggml.pre", "qwen2")
            .strings("tokenizer.ggml.tokens", tokens)
            .i32s("tokenizer.ggml.token_type", (0..vocabulary).map(|_| 1))
            .strings("tokenizer.ggml.merges", merges)
            .u32("tokenizer.ggml.bos_token_id", 0)
            .u32("tokenizer.ggml.eos_token_id", 1)
            .f32("qwen2.attention.layer_norm_rms_epsilon", 1e-6);
        for (key, value) in [
            ("block_count", layers),
            ("context_length", 131_072),
            ("embedding_length", embedding),
            ("feed_forward_length", feed_forward),
            ("attention.head_count", heads),
            ("attention.head_count_kv", heads_kv),
        ] {
            builder = builder.u32(&format!("qwen2.{key}"), value);
        }
        if let Mixture::Q4KM = mixture {
            builder = builder.u32("general.file_type", 15);
        }
        let [width, length, rows] = [embedding, feed_forward, vocabulary].map(u64::from);
        let kv = width / u64::from(heads) * u64::from(heads_kv);
        builder = builder.tensor("token_embd.weight", &[width, rows], mixture.of("token_embd", 0, layers));
        for block in 0..layers {
            for (role, dims) in [
                ("attn_q", [width, width]),
                ("attn_k", [width, kv]),
                ("attn_v", [width, kv]),
                ("attn_output", [width, width]),
                ("ffn_gate", [width, length]),
                ("ffn_up", [width, length]),
                ("ffn_down", [length, width]),
            ] {
                let name = format!("blk.{block}.{role}.weight");
                builder = builder.tensor(&name, &dims, mixture.of(role, block, layers));
            }
            for (role, length) in [
                ("attn_norm.weight", width),
                ("attn_q.bias", width),
                ("attn_k.bias", kv),
                ("attn_v.bias", kv),
                ("ffn_norm.weight", width),
            ] {
                builder = builder.tensor(&format!("blk.{block}.{role}"), &[length], TensorType::F32);
            }
        }
        builder = builder.tensor("output_norm.weight", &[width], TensorType::F32);
        if !is_tied {
            builder = builder.tensor("output.weight", &[width, rows], mixture.of("output", 0, layers));
        }
        builder
    }
}

/// `count` tokens, and the merges for the longer ones: `a` to `z`, `aa`, `ab` …
fn words(count: u32) -> (Vec<String>, Vec<String>) {
    let mut tokens: Vec<String> = ('a'..='z').map(String::from).take(count as usize).collect();
    let mut merges = Vec::new();
    let mut prefix = 0;
    while tokens.len() < count as usize {
        for letter in 'a'..='z' {
            merges.push(format!("{} {letter}", tokens[prefix]));
            tokens.push(format!("{}{letter}", tokens[prefix]));
        }
        prefix += 1;
    }
    tokens.truncate(count as usize);
    (tokens, merges)
}
