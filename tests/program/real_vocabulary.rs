//! Whole real vocabularies as converters write them: every byte a printable character, merges by rank, on a model so small
//! that the vocabulary is most of it.
//!
//! cl100k is what Llama 3's and Qwen's derive from, o200k what gpt-oss has; tiktoken-rs carries them.

use std::collections::HashMap;

use gguf::TensorType;
use gguf::testing::Builder;

/// A vocabulary: its name, how its text is split (`tokenizer.ggml.pre`), and its tokens' bytes in their order.
pub(crate) struct Vocabulary {
    pub(crate) name: &'static str,
    pub(crate) pre: &'static str,
    tokens: Vec<Vec<u8>>,
}

/// All that tiktoken-rs has, the first ones under several splits.
pub(crate) fn all() -> Vec<Vocabulary> {
    let core = |core: Result<tiktoken_rs::CoreBPE, _>| tokens(&core.unwrap());
    let (cl100k, o200k) = (core(tiktoken_rs::cl100k_base()), core(tiktoken_rs::o200k_base()));
    let vocabulary = |name, pre, tokens: &[Vec<u8>]| Vocabulary { name, pre, tokens: tokens.to_vec() };
    vec![
        vocabulary("llama3", "llama-bpe", &cl100k),
        vocabulary("qwen2", "qwen2", &cl100k),
        vocabulary("deepseek-r1-qwen", "deepseek-r1-qwen", &cl100k),
        vocabulary("gpt-oss", "gpt-4o", &o200k),
        vocabulary("gpt2", "gpt-2", &core(tiktoken_rs::r50k_base())),
        vocabulary("codex", "gpt-2", &core(tiktoken_rs::p50k_base())),
    ]
}

/// The tokens that are bytes of text, by rank.
fn tokens(core: &tiktoken_rs::CoreBPE) -> Vec<Vec<u8>> {
    /// More than any of them has.
    const MOST: u32 = 210_000;
    let special = core.special_tokens();
    let is_special = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| special.contains(text));
    (0..MOST).filter_map(|rank| core.decode_bytes(&[rank]).ok()).filter(|bytes| !is_special(bytes)).collect()
}

impl Vocabulary {
    /// A model with this vocabulary and two tokens more, which begin and end a text.
    pub(crate) fn model(&self) -> Builder {
        const EMBEDDING: u64 = 32;
        let letters = letters();
        let spell = |bytes: &[u8]| bytes.iter().map(|byte| letters[usize::from(*byte)]).collect::<String>();
        let count = self.tokens.len() as u64 + 2;
        let special = ["<|begin_of_text|>".to_owned(), "<|end_of_text|>".to_owned()];
        let texts = self.tokens.iter().map(|bytes| spell(bytes)).chain(special);
        let kinds = (0..count).map(|token| if token + 2 < count { 1 } else { 3 });
        let mut builder = Builder::new("llama")
            .string("general.name", self.name)
            .u32("general.file_type", 1)
            .u32("llama.context_length", 512)
            .u32("llama.embedding_length", EMBEDDING as u32)
            .u32("llama.block_count", 1)
            .u32("llama.feed_forward_length", 64)
            .u32("llama.attention.head_count", 4)
            .u32("llama.attention.head_count_kv", 2)
            .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
            .u32("llama.rope.dimension_count", 8)
            .string("tokenizer.ggml.model", "gpt2")
            .string("tokenizer.ggml.pre", self.pre)
            .strings("tokenizer.ggml.tokens", texts)
            .i32s("tokenizer.ggml.token_type", kinds)
            .strings("tokenizer.ggml.merges", self.merges().map(|(one, two)| format!("{} {}", spell(one), spell(two))))
            .u32("tokenizer.ggml.bos_token_id", count as u32 - 2)
            .u32("tokenizer.ggml.eos_token_id", count as u32 - 1)
            .tensor("token_embd.weight", &[EMBEDDING, count], TensorType::F16)
            .tensor("output_norm.weight", &[EMBEDDING], TensorType::F32);
        for (role, dims, is_norm) in [
            ("attn_norm", &[EMBEDDING][..], true),
            ("attn_q", &[EMBEDDING, 32], false),
            ("attn_k", &[EMBEDDING, 16], false),
            ("attn_v", &[EMBEDDING, 16], false),
            ("attn_output", &[32, EMBEDDING], false),
            ("ffn_norm", &[EMBEDDING], true),
            ("ffn_gate", &[EMBEDDING, 64], false),
            ("ffn_up", &[EMBEDDING, 64], false),
            ("ffn_down", &[64, EMBEDDING], false),
        ] {
            let kind = if is_norm { TensorType::F32 } else { TensorType::F16 };
            builder = builder.tensor(&format!("blk.0.{role}.weight"), dims, kind);
        }
        builder
    }

    /// What each token of several bytes is merged from: the last two pieces before it, with all merges of lower rank done.
    fn merges(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let ranks: HashMap<&[u8], usize> =
            self.tokens.iter().enumerate().map(|(rank, bytes)| (bytes.as_slice(), rank)).collect();
        self.tokens.iter().enumerate().filter_map(move |(own, bytes)| {
            let mut ends: Vec<usize> = (0..=bytes.len()).collect();
            while ends.len() > 3 {
                let rank = |at: &usize| ranks.get(&bytes[ends[*at]..ends[at + 2]]).filter(|rank| **rank < own);
                let next = (0..ends.len() - 2).filter_map(|at| Some((*rank(&at)?, at))).min()?.1;
                ends.remove(next + 1);
            }
            (ends.len() == 3).then(|| bytes.split_at(ends[1]))
        })
    }
}

/// The character that stands for each byte: itself where it is printable, else one from 256 on, as GPT-2 began it.
fn letters() -> Vec<char> {
    let mut next = 256..;
    let is_printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let number = |byte: u32| if is_printable(byte) { byte } else { next.next().unwrap() };
    (0..256).map(number).map(|number| char::from_u32(number).unwrap()).collect()
}
