//! Models small enough for a test, with random weights, that llama.cpp loads like real ones of their kind.

use gguf::TensorType;
use gguf::testing::Builder;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// The two texts that are tokens of all these models.
pub(crate) const WORD: &str = "x";
pub(crate) const OTHER: &str = "y";

/// A model under construction: its architecture's keys and tensors.
struct Recipe {
    architecture: &'static str,
    builder: Builder,
    seed: u64,
}

const EMBEDDING: u64 = 512;
const HEADS: u64 = 8;
const HEAD: u64 = EMBEDDING / HEADS;

impl Recipe {
    fn new(architecture: &'static str, vocabulary: u64, n_layers: u32) -> Self {
        let builder = Builder::new(architecture)
            .string("general.name", architecture)
            .string("tokenizer.ggml.model", "gpt2")
            .string("tokenizer.ggml.pre", "gpt-2")
            .strings(
                "tokenizer.ggml.tokens",
                (0..vocabulary).map(|token| match token {
                    3 => WORD.to_owned(),
                    4 => OTHER.to_owned(),
                    token => format!("t{token}"),
                }),
            )
            .i32s("tokenizer.ggml.token_type", (0..vocabulary).map(|_| 1))
            .strings("tokenizer.ggml.merges", ["t 1"])
            .u32("tokenizer.ggml.bos_token_id", 1)
            .u32("tokenizer.ggml.eos_token_id", 2);
        Self { architecture, builder, seed: 1 }
            .number("context_length", 65_536)
            .number("block_count", n_layers)
            .number("embedding_length", EMBEDDING as u32)
            .float("attention.layer_norm_rms_epsilon", 1e-5)
            .matrix("token_embd.weight", &[EMBEDDING, vocabulary])
    }

    fn number(mut self, key: &str, value: u32) -> Self {
        self.builder = self.builder.u32(&format!("{}.{key}", self.architecture), value);
        self
    }

    fn numbers(mut self, key: &str, values: impl IntoIterator<Item = u32>) -> Self {
        self.builder = self.builder.u32s(&format!("{}.{key}", self.architecture), values);
        self
    }

    fn float(mut self, key: &str, value: f32) -> Self {
        self.builder = self.builder.f32(&format!("{}.{key}", self.architecture), value);
        self
    }

    /// A tensor of small random numbers, f16.
    fn matrix(mut self, name: &str, dims: &[u64]) -> Self {
        let data = self.random(dims).flat_map(|bits| {
            // A sign, and an exponent for numbers from 1/64 to 1/32.
            let half = (bits & 0x8000) | (9 << 10) | (bits & 0x03ff);
            half.to_le_bytes()
        });
        let data = data.collect();
        self.builder = self.builder.tensor_data(name, dims, TensorType::F16, data);
        self
    }

    /// A tensor of numbers near one, f32.
    fn vector(self, name: &str, dims: &[u64]) -> Self {
        self.near(1.0, name, dims)
    }

    /// The decay of a recurrent state: one that isn't negative makes it grow without bound.
    fn decay(self, name: &str, dims: &[u64]) -> Self {
        self.near(-1.0, name, dims)
    }

    fn near(mut self, number: f32, name: &str, dims: &[u64]) -> Self {
        let data = self.random(dims).flat_map(|bits| (number + f32::from(bits) / 1e6).to_le_bytes()).collect();
        self.builder = self.builder.tensor_data(name, dims, TensorType::F32, data);
        self
    }

    fn random(&mut self, dims: &[u64]) -> impl Iterator<Item = u16> + use<> {
        self.seed += 1;
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        (0..dims.iter().product::<u64>()).map(move |_| random.random())
    }

    /// The keys of plain attention, and how long a head is where that isn't the embedding's part.
    fn heads(self, kv: u32, head: u32) -> Self {
        self.number("attention.head_count", HEADS as u32)
            .number("attention.head_count_kv", kv)
            .number("attention.key_length", head)
            .number("attention.value_length", head)
            .number("rope.dimension_count", head)
    }

    fn attention(self, block: u32, kv: u64, head: u64) -> Self {
        self.vector(&format!("blk.{block}.attn_norm.weight"), &[EMBEDDING])
            .matrix(&format!("blk.{block}.attn_q.weight"), &[EMBEDDING, HEADS * head])
            .matrix(&format!("blk.{block}.attn_k.weight"), &[EMBEDDING, kv * head])
            .matrix(&format!("blk.{block}.attn_v.weight"), &[EMBEDDING, kv * head])
            .matrix(&format!("blk.{block}.attn_output.weight"), &[HEADS * head, EMBEDDING])
    }

    fn head_norms(self, block: u32, head: u64) -> Self {
        self.vector(&format!("blk.{block}.attn_q_norm.weight"), &[head])
            .vector(&format!("blk.{block}.attn_k_norm.weight"), &[head])
    }

    fn feed_forward(self, block: u32, length: u64) -> Self {
        self.vector(&format!("blk.{block}.ffn_norm.weight"), &[EMBEDDING]).gated(block, "", length)
    }

    fn gated(self, block: u32, kind: &str, length: u64) -> Self {
        self.matrix(&format!("blk.{block}.ffn_gate{kind}.weight"), &[EMBEDDING, length])
            .matrix(&format!("blk.{block}.ffn_up{kind}.weight"), &[EMBEDDING, length])
            .matrix(&format!("blk.{block}.ffn_down{kind}.weight"), &[length, EMBEDDING])
    }

    fn experts(self, block: u32, length: u64, count: u64) -> Self {
        self.matrix(&format!("blk.{block}.ffn_gate_inp.weight"), &[EMBEDDING, count])
            .matrix(&format!("blk.{block}.ffn_gate_exps.weight"), &[EMBEDDING, length, count])
            .matrix(&format!("blk.{block}.ffn_up_exps.weight"), &[EMBEDDING, length, count])
            .matrix(&format!("blk.{block}.ffn_down_exps.weight"), &[length, EMBEDDING, count])
    }

    /// The state space of Mamba's first version.
    fn mamba(self, block: u32, with_norms: bool) -> Self {
        let (inner, state, rank, taps) = (2 * EMBEDDING, 16, 32, 4);
        let name = |role: &str| format!("blk.{block}.{role}");
        let recipe = self
            .vector(&name("attn_norm.weight"), &[EMBEDDING])
            .matrix(&name("ssm_in.weight"), &[EMBEDDING, 2 * inner])
            .vector(&name("ssm_conv1d.weight"), &[taps, inner])
            .vector(&name("ssm_conv1d.bias"), &[inner])
            .matrix(&name("ssm_x.weight"), &[inner, rank + 2 * state])
            .matrix(&name("ssm_dt.weight"), &[rank, inner])
            .vector(&name("ssm_dt.bias"), &[inner])
            .decay(&name("ssm_a"), &[state, inner])
            .vector(&name("ssm_d"), &[inner])
            .matrix(&name("ssm_out.weight"), &[inner, EMBEDDING]);
        if !with_norms {
            return recipe;
        }
        recipe
            .vector(&name("ssm_dt_norm.weight"), &[rank])
            .vector(&name("ssm_b_norm.weight"), &[state])
            .vector(&name("ssm_c_norm.weight"), &[state])
    }

    fn mamba_keys(self) -> Self {
        self.number("ssm.conv_kernel", 4)
            .number("ssm.inner_size", 2 * EMBEDDING as u32)
            .number("ssm.state_size", 16)
            .number("ssm.time_step_rank", 32)
    }

    fn build(self) -> Vec<u8> {
        // LFM2 calls it by another name.
        let norm = if self.architecture == "lfm2" { "token_embd_norm.weight" } else { "output_norm.weight" };
        self.vector(norm, &[EMBEDDING]).builder.build()
    }
}

/// A kind of model: its name, and how a file of it is made.
type Kind = (&'static str, fn() -> Vec<u8>);

/// Every kind.
pub(crate) const KINDS: &[Kind] = &[
    ("llama, grouped heads", || llama(2, 16_000)),
    ("llama, a small vocabulary", || llama(8, 1024)),
    ("llama, mixture of experts", mixture),
    ("qwen2", qwen2),
    ("gemma2, sliding window", gemma2),
    ("gemma3, sliding window", gemma3),
    ("deepseek2, MLA and experts", || deepseek2(true)),
    ("deepseek2, an older conversion", || deepseek2(false)),
    ("mamba, recurrent", mamba),
    ("jamba, hybrid", jamba),
    ("lfm2, hybrid", lfm2),
    ("falcon-h1, both in each layer", falcon_h1),
];

fn llama(kv: u32, vocabulary: u64) -> Vec<u8> {
    let n_layers = 6;
    let recipe = Recipe::new("llama", vocabulary, n_layers).heads(kv, HEAD as u32).number("feed_forward_length", 1536);
    let blocks = |recipe: Recipe, block| recipe.attention(block, kv.into(), HEAD).feed_forward(block, 1536);
    (0..n_layers).fold(recipe, blocks).matrix("output.weight", &[EMBEDDING, vocabulary]).build()
}

fn mixture() -> Vec<u8> {
    let recipe = Recipe::new("llama", 8192, 4)
        .heads(2, HEAD as u32)
        .number("feed_forward_length", 512)
        .number("expert_count", 8)
        .number("expert_used_count", 2);
    let blocks = |recipe: Recipe, block| {
        recipe
            .attention(block, 2, HEAD)
            .vector(&format!("blk.{block}.ffn_norm.weight"), &[EMBEDDING])
            .experts(block, 512, 8)
    };
    (0..4).fold(recipe, blocks).matrix("output.weight", &[EMBEDDING, 8192]).build()
}

fn qwen2() -> Vec<u8> {
    let recipe = Recipe::new("qwen2", 24_000, 5)
        .number("attention.head_count", HEADS as u32)
        .number("attention.head_count_kv", 4)
        .number("feed_forward_length", 2048);
    let blocks = |recipe: Recipe, block| {
        recipe
            .attention(block, 4, HEAD)
            .vector(&format!("blk.{block}.attn_q.bias"), &[EMBEDDING])
            .vector(&format!("blk.{block}.attn_k.bias"), &[4 * HEAD])
            .vector(&format!("blk.{block}.attn_v.bias"), &[4 * HEAD])
            .feed_forward(block, 2048)
    };
    (0..5).fold(recipe, blocks).build()
}

fn gemma2() -> Vec<u8> {
    let recipe = Recipe::new("gemma2", 20_000, 6)
        .heads(4, HEAD as u32)
        .number("attention.sliding_window", 1000)
        .float("attn_logit_softcapping", 50.0)
        .float("final_logit_softcapping", 30.0)
        .number("feed_forward_length", 1536);
    let blocks = |recipe: Recipe, block| {
        recipe
            .attention(block, 4, HEAD)
            .vector(&format!("blk.{block}.post_attention_norm.weight"), &[EMBEDDING])
            .feed_forward(block, 1536)
            .vector(&format!("blk.{block}.post_ffw_norm.weight"), &[EMBEDDING])
    };
    (0..6).fold(recipe, blocks).build()
}

fn gemma3() -> Vec<u8> {
    let recipe = Recipe::new("gemma3", 24_000, 7)
        .heads(1, 128)
        .number("attention.sliding_window", 512)
        .number("feed_forward_length", 2048);
    let blocks = |recipe: Recipe, block| {
        recipe
            .attention(block, 1, 128)
            .head_norms(block, 128)
            .vector(&format!("blk.{block}.post_attention_norm.weight"), &[EMBEDDING])
            .feed_forward(block, 2048)
            .vector(&format!("blk.{block}.post_ffw_norm.weight"), &[EMBEDDING])
    };
    (0..7).fold(recipe, blocks).build()
}

fn deepseek2(is_mla: bool) -> Vec<u8> {
    let (rank, query, rope, rest, value) = (128_u32, 192, 32_u32, 64, 64);
    let (key, n_experts) = (rest + rope, 16);
    let recipe = Recipe::new("deepseek2", 16_000, 5)
        .number("attention.head_count", HEADS as u32)
        .number("attention.q_lora_rank", query)
        .number("attention.kv_lora_rank", rank)
        .number("rope.dimension_count", rope)
        .number("leading_dense_block_count", 1)
        .number("feed_forward_length", 1536)
        .number("expert_feed_forward_length", 256)
        .number("expert_count", n_experts)
        .number("expert_used_count", 4)
        .number("expert_shared_count", 1)
        .number("expert_gating_func", 2);
    let recipe = if is_mla {
        recipe
            .number("attention.head_count_kv", 1)
            .number("attention.key_length", rank + rope)
            .number("attention.value_length", rank)
            .number("attention.key_length_mla", key)
            .number("attention.value_length_mla", value)
    } else {
        recipe
            .number("attention.head_count_kv", HEADS as u32)
            .number("attention.key_length", key)
            .number("attention.value_length", value)
    };
    let [rank, query, rope, rest, value, key] = [rank, query, rope, rest, value, key].map(u64::from);
    let blocks = |recipe: Recipe, block| {
        let name = |role: &str| format!("blk.{block}.{role}.weight");
        let recipe = recipe
            .vector(&name("attn_norm"), &[EMBEDDING])
            .vector(&name("attn_q_a_norm"), &[query])
            .vector(&name("attn_kv_a_norm"), &[rank])
            .matrix(&name("attn_q_a"), &[EMBEDDING, query])
            .matrix(&name("attn_q_b"), &[query, HEADS * key])
            .matrix(&name("attn_kv_a_mqa"), &[EMBEDDING, rank + rope])
            .matrix(&name("attn_output"), &[HEADS * value, EMBEDDING])
            .vector(&name("ffn_norm"), &[EMBEDDING]);
        let recipe = if is_mla {
            recipe.matrix(&name("attn_k_b"), &[rest, rank, HEADS]).matrix(&name("attn_v_b"), &[rank, value, HEADS])
        } else {
            recipe.matrix(&name("attn_kv_b"), &[rank, HEADS * (rest + value)])
        };
        match block {
            0 => recipe.gated(block, "", 1536),
            _ => recipe
                .experts(block, 256, n_experts.into())
                .vector(&format!("blk.{block}.exp_probs_b.bias"), &[n_experts.into()])
                .gated(block, "_shexp", 256),
        }
    };
    (0..5).fold(recipe, blocks).matrix("output.weight", &[EMBEDDING, 16_000]).build()
}

fn mamba() -> Vec<u8> {
    let recipe =
        Recipe::new("mamba", 16_000, 6).mamba_keys().number("feed_forward_length", 0).number("attention.head_count", 0);
    (0..6).fold(recipe, |recipe, block| recipe.mamba(block, false)).build()
}

fn jamba() -> Vec<u8> {
    let kv = [0, 0, 2, 0, 0, 2];
    let recipe = Recipe::new("jamba", 16_000, 6)
        .mamba_keys()
        .number("attention.head_count", HEADS as u32)
        .numbers("attention.head_count_kv", kv)
        .number("feed_forward_length", 1024);
    let blocks = |recipe: Recipe, block: u32| {
        let recipe = match kv[block as usize] {
            0 => recipe.mamba(block, true),
            kv => recipe.attention(block, kv.into(), HEAD),
        };
        recipe.feed_forward(block, 1024)
    };
    (0..6).fold(recipe, blocks).build()
}

fn lfm2() -> Vec<u8> {
    let kv = [0, 0, 2, 0, 2, 0];
    let recipe = Recipe::new("lfm2", 16_000, 6)
        .number("attention.head_count", HEADS as u32)
        .numbers("attention.head_count_kv", kv)
        .number("shortconv.l_cache", 3)
        .number("feed_forward_length", 1536);
    let blocks = |recipe: Recipe, block: u32| {
        let name = |role: &str| format!("blk.{block}.shortconv.{role}.weight");
        let recipe = match kv[block as usize] {
            0 => recipe
                .vector(&format!("blk.{block}.attn_norm.weight"), &[EMBEDDING])
                .vector(&name("conv"), &[3, EMBEDDING])
                .matrix(&name("in_proj"), &[EMBEDDING, 3 * EMBEDDING])
                .matrix(&name("out_proj"), &[EMBEDDING, EMBEDDING]),
            kv => recipe.attention(block, kv.into(), HEAD).head_norms(block, HEAD),
        };
        recipe.feed_forward(block, 1536)
    };
    (0..6).fold(recipe, blocks).build()
}

fn falcon_h1() -> Vec<u8> {
    let (inner, state, heads) = (768, 64, 12);
    let both = inner + 2 * state;
    let recipe = Recipe::new("falcon-h1", 16_000, 4)
        .heads(2, HEAD as u32)
        .number("ssm.conv_kernel", 4)
        .number("ssm.inner_size", inner as u32)
        .number("ssm.state_size", state as u32)
        .number("ssm.time_step_rank", heads as u32)
        .number("ssm.group_count", 1)
        .number("feed_forward_length", 1536);
    let blocks = |recipe: Recipe, block: u32| {
        let name = |role: &str| format!("blk.{block}.{role}");
        recipe
            .attention(block, 2, HEAD)
            .matrix(&name("ssm_in.weight"), &[EMBEDDING, inner + both + heads])
            .vector(&name("ssm_conv1d.weight"), &[4, both])
            .vector(&name("ssm_conv1d.bias"), &[both])
            .vector(&name("ssm_dt.bias"), &[heads])
            .decay(&name("ssm_a"), &[1, heads])
            .vector(&name("ssm_d"), &[1, heads])
            .vector(&name("ssm_norm.weight"), &[inner, 1])
            .matrix(&name("ssm_out.weight"), &[inner, EMBEDDING])
            .vector(&name("ffn_norm"), &[EMBEDDING])
            .gated(block, "", 1536)
    };
    (0..4).fold(recipe, blocks).build()
}
