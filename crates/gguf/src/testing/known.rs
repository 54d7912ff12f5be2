//! Headers of well-known models, with the figures of their real files and no weights.

use crate::{testing::Builder, types::TensorType};

/// `DeepSeek` V3 or R1, 671 billion parameters, with the keys of a current conversion or of one from before llama.cpp
/// knew MLA, and all matrices in `Q4_K`.
#[expect(clippy::too_many_lines, reason = "one file, key by key")]
pub fn deepseek_v3(name: &str, is_mla: bool) -> Builder {
    let (embedding, heads, query, rank, rope, rest, value, experts) = (7168, 128, 1536, 512, 64, 128, 128, 256);
    let (matrix, key) = (TensorType::Q4_K, rest + rope);
    let number = |builder: Builder, key: &str, value: u64| builder.u32(&format!("deepseek2.{key}"), value as u32);
    let mut builder = Builder::new("deepseek2")
        .string("general.name", name)
        .u32("general.file_type", 15)
        .string("deepseek2.rope.scaling.type", "yarn")
        .f32("deepseek2.rope.scaling.factor", 40.0)
        .u32("deepseek2.rope.scaling.original_context_length", 4096)
        .f32("deepseek2.attention.layer_norm_rms_epsilon", 1e-6)
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "deepseek-v3")
        .string("tokenizer.chat_template", "{% if message['role'] == 'system' %}{% endif %}<think>");
    for (key, value) in [
        ("block_count", 61),
        ("context_length", 163_840),
        ("embedding_length", embedding),
        ("feed_forward_length", 18_432),
        ("expert_feed_forward_length", 2048),
        ("expert_count", experts),
        ("expert_used_count", 8),
        ("expert_shared_count", 1),
        ("leading_dense_block_count", 3),
        ("attention.head_count", heads),
        ("attention.q_lora_rank", query),
        ("attention.kv_lora_rank", rank),
        ("rope.dimension_count", rope),
        ("vocab_size", 129_280),
    ] {
        builder = number(builder, key, value);
    }
    let lengths: &[(&str, u64)] = if is_mla {
        &[
            ("head_count_kv", 1),
            ("key_length", rank + rope),
            ("value_length", rank),
            ("key_length_mla", key),
            ("value_length_mla", value),
        ]
    } else {
        &[("head_count_kv", heads), ("key_length", key), ("value_length", value)]
    };
    for (key, value) in lengths {
        builder = number(builder, &format!("attention.{key}"), *value);
    }
    builder = builder
        .tensor("token_embd.weight", &[embedding, 129_280], matrix)
        .tensor("output_norm.weight", &[embedding], TensorType::F32)
        .tensor("output.weight", &[embedding, 129_280], TensorType::Q6_K);
    for block in 0..61 {
        let mut all = vec![
            ("attn_q_a", vec![embedding, query]),
            ("attn_q_b", vec![query, heads * key]),
            ("attn_kv_a_mqa", vec![embedding, rank + rope]),
            ("attn_output", vec![heads * value, embedding]),
        ];
        if is_mla {
            all.extend([("attn_k_b", vec![rest, rank, heads]), ("attn_v_b", vec![rank, value, heads])]);
        } else {
            all.push(("attn_kv_b", vec![rank, heads * (rest + value)]));
        }
        if block < 3 {
            all.extend([
                ("ffn_gate", vec![embedding, 18_432]),
                ("ffn_up", vec![embedding, 18_432]),
                ("ffn_down", vec![18_432, embedding]),
            ]);
        } else {
            all.extend([
                ("ffn_gate_exps", vec![embedding, 2048, experts]),
                ("ffn_up_exps", vec![embedding, 2048, experts]),
                ("ffn_down_exps", vec![2048, embedding, experts]),
                ("ffn_gate_shexp", vec![embedding, 2048]),
                ("ffn_up_shexp", vec![embedding, 2048]),
                ("ffn_down_shexp", vec![2048, embedding]),
            ]);
        }
        let mut vectors = vec![
            ("attn_norm.weight", embedding),
            ("attn_q_a_norm.weight", query),
            ("attn_kv_a_norm.weight", rank),
            ("ffn_norm.weight", embedding),
        ];
        if block >= 3 {
            vectors.push(("exp_probs_b.bias", experts));
            let name = format!("blk.{block}.ffn_gate_inp.weight");
            builder = builder.tensor(&name, &[embedding, experts], TensorType::F32);
        }
        for (role, length) in vectors {
            builder = builder.tensor(&format!("blk.{block}.{role}"), &[length], TensorType::F32);
        }
        for (role, dims) in all {
            // Rows of 128 don't divide into K blocks.
            let kind = if dims[0] % 256 == 0 { matrix } else { TensorType::Q8_0 };
            builder = builder.tensor(&format!("blk.{block}.{role}.weight"), &dims, kind);
        }
    }
    builder
}

/// One of the models that were distilled from R1: figures of the model below it.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the keys' own names")]
pub struct Distill {
    pub name: &'static str,
    pub architecture: &'static str,
    pub layers: u32,
    pub embedding: u32,
    pub heads: u32,
    pub heads_kv: u32,
    pub feed_forward: u32,
}

impl Distill {
    /// All six.
    #[rustfmt::skip]
    pub const ALL: [Self; 6] = [
        Self { name: "Qwen-1.5B", architecture: "qwen2", layers: 28, embedding: 1536, heads: 12, heads_kv: 2, feed_forward: 8960 },
        Self { name: "Qwen-7B", architecture: "qwen2", layers: 28, embedding: 3584, heads: 28, heads_kv: 4, feed_forward: 18_944 },
        Self { name: "Llama-8B", architecture: "llama", layers: 32, embedding: 4096, heads: 32, heads_kv: 8, feed_forward: 14_336 },
        Self { name: "Qwen-14B", architecture: "qwen2", layers: 48, embedding: 5120, heads: 40, heads_kv: 8, feed_forward: 13_824 },
        Self { name: "Qwen-32B", architecture: "qwen2", layers: 64, embedding: 5120, heads: 40, heads_kv: 8, feed_forward: 27_648 },
        Self { name: "Llama-70B", architecture: "llama", layers: 80, embedding: 8192, heads: 64, heads_kv: 8, feed_forward: 28_672 },
    ];

    /// Its header.
    pub fn header(&self) -> Builder {
        let key = |key: &str| format!("{}.{key}", self.architecture);
        let mut builder = Builder::new(self.architecture)
            .string("general.name", &format!("DeepSeek R1 Distill {}", self.name.replace('-', " ")))
            .u32(&key("block_count"), self.layers)
            .u32(&key("context_length"), 131_072)
            .u32(&key("embedding_length"), self.embedding)
            .u32(&key("feed_forward_length"), self.feed_forward)
            .u32(&key("attention.head_count"), self.heads)
            .u32(&key("attention.head_count_kv"), self.heads_kv)
            .f32(&key("attention.layer_norm_rms_epsilon"), 1e-6)
            .string("tokenizer.ggml.model", "gpt2");
        for block in 0..self.layers {
            let name = format!("blk.{block}.attn_norm.weight");
            builder = builder.tensor(&name, &[self.embedding.into()], TensorType::F32);
        }
        builder
    }
}
