//! A model that generates for as long as it is asked to, made here: its weights are a pattern, and say nothing.

use gguf::TensorType;
use gguf::testing::Builder;

const EMBEDDING: u64 = 512;
const FEED_FORWARD: u64 = 2048;
const VOCABULARY: u64 = 512;
const LAYERS: u32 = 8;
const HEADS: u32 = 8;
/// The token that would end an answer. Its row in the matrix of outputs is zero, so that it is never the likeliest.
const END: u32 = 2;

/// The file: 34 million weights of 16 bits.
pub(crate) fn file() -> Vec<u8> {
    let mut builder = Builder::new("llama")
        .string("general.name", "truth")
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "gpt-2")
        .strings(
            "tokenizer.ggml.tokens",
            (0..VOCABULARY).map(|token| if token == 3 { "x".to_owned() } else { format!("t{token}") }),
        )
        .i32s("tokenizer.ggml.token_type", (0..VOCABULARY).map(|_| 1))
        .strings("tokenizer.ggml.merges", ["t 1"])
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", END)
        .u32("llama.context_length", 65_536)
        .u32("llama.block_count", LAYERS)
        .u32("llama.embedding_length", EMBEDDING as u32)
        .u32("llama.feed_forward_length", FEED_FORWARD as u32)
        .u32("llama.attention.head_count", HEADS)
        .u32("llama.attention.head_count_kv", HEADS)
        .u32("llama.rope.dimension_count", EMBEDDING as u32 / HEADS)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
    let mut rows = halves(EMBEDDING * VOCABULARY);
    let row = EMBEDDING as usize * 2;
    rows[row * END as usize..row * (END as usize + 1)].fill(0);
    builder = builder.tensor_data("token_embd.weight", &[EMBEDDING, VOCABULARY], TensorType::F16, rows);
    builder = builder.tensor_data("output_norm.weight", &[EMBEDDING], TensorType::F32, ones(EMBEDDING));
    for layer in 0..LAYERS {
        for name in ["attn_norm", "ffn_norm"] {
            let name = format!("blk.{layer}.{name}.weight");
            builder = builder.tensor_data(&name, &[EMBEDDING], TensorType::F32, ones(EMBEDDING));
        }
        for (name, dims) in [
            ("attn_q", [EMBEDDING, EMBEDDING]),
            ("attn_k", [EMBEDDING, EMBEDDING]),
            ("attn_v", [EMBEDDING, EMBEDDING]),
            ("attn_output", [EMBEDDING, EMBEDDING]),
            ("ffn_gate", [EMBEDDING, FEED_FORWARD]),
            ("ffn_up", [EMBEDDING, FEED_FORWARD]),
            ("ffn_down", [FEED_FORWARD, EMBEDDING]),
        ] {
            let data = halves(dims[0] * dims[1]);
            builder = builder.tensor_data(&format!("blk.{layer}.{name}.weight"), &dims, TensorType::F16, data);
        }
    }
    builder.build()
}

/// Numbers from 1/64 to 1/32 of both signs, f16.
fn halves(count: u64) -> Vec<u8> {
    let half = |index: u64| {
        let sign = if (index % 7).is_multiple_of(2) { 0 } else { 0x8000 };
        (sign | 9 << 10 | (index % 1021) as u16).to_le_bytes()
    };
    (0..count).flat_map(half).collect()
}

fn ones(count: u64) -> Vec<u8> {
    (0..count).flat_map(|_| 1.0_f32.to_le_bytes()).collect()
}
