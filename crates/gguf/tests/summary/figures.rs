//! Figures that follow from the header: parameters, cache, compute.

use super::*;

#[test]
fn active_parameters() {
    let mixture = |b: Builder| b.u32("llama.expert_count", 8).u32("llama.expert_used_count", 2);
    let exps = |b: Builder| mixture(b).tensor("blk.0.ffn_up_exps.weight", &[32, 64, 8], TensorType::F32);
    let single = |b: Builder| {
        (0..8).fold(mixture(b), |b, expert| {
            b.tensor(&format!("blk.0.ffn_up.{expert}.weight"), &[32, 64], TensorType::F32)
        })
    };
    for (what, summary, expected) in [
        ("no experts", model("llama", 1, |b| b), None),
        ("experts in one tensor", model("llama", 1, exps), Some(32 + 2 * 32 * 64)),
        ("a tensor for each", model("llama", 1, single), Some(32 + 2 * 32 * 64)),
        (
            "an output matrix counts once",
            model("llama", 1, |b| {
                exps(b).tensor("token_embd.weight", &[32, 64], TensorType::F32).tensor(
                    "output.weight",
                    &[32, 64],
                    TensorType::F32,
                )
            }),
            Some(32 + 3 * 32 * 64),
        ),
        ("without their tensors, as in a first part", model("llama", 1, mixture), None),
    ] {
        assert_eq!(summary.active_parameters(), expected, "{what}");
    }
    assert_eq!(model("llama", 1, exps).routed_bytes, 4 * 8 * 32 * 64);
}

/// Bytes of the cache, checked by hand.
#[test]
fn cache_bytes() {
    let mla = |b: Builder| {
        b.u32("deepseek2.attention.head_count_kv", 1)
            .u32("deepseek2.attention.key_length", 576)
            .u32("deepseek2.attention.value_length", 512)
            .u32("deepseek2.attention.key_length_mla", 192)
            .u32("deepseek2.attention.value_length_mla", 128)
    };
    let needs = Needs { n_ctx: 1000, ..Needs::default() };
    for (what, summary, needs, expected) in [
        ("grouped heads", model("llama", 2, |b| b), needs, 2 * 1024 * (16 + 16) * 2),
        (
            "f32 keys",
            model("llama", 2, |b| b),
            Needs { cache_k: CacheKind::F32, ..needs },
            2 * 1024 * (16 * 4 + 16 * 2),
        ),
        (
            "blocks",
            model("llama", 1, |b| b.u32("llama.attention.head_count_kv", 4)),
            Needs { cache_k: CacheKind::Q8_0, cache_v: CacheKind::Q4_0, ..needs },
            1024 * (34 + 18),
        ),
        // 61 layers x 576 x 2 bytes = 68.6 KiB a token, as DeepSeek V3 has it.
        ("latent keys alone", model("deepseek2", 61, mla), needs, 1024 * 61 * 576 * 2),
        (
            "windows",
            model("gemma2", 2, |b| b.u32("gemma2.attention.sliding_window", 100)),
            Needs { n_ctx: 8192, n_ubatch: 128, full_windows: false, ..needs },
            (8192 + 256) * (16 + 16) * 2,
        ),
        (
            "a state for each sequence",
            model("mamba", 2, |b| {
                b.u32("mamba.ssm.conv_kernel", 4).u32("mamba.ssm.inner_size", 64).u32("mamba.ssm.state_size", 16)
            }),
            Needs { n_seq: 3, ..needs },
            2 * 3 * 4 * (3 * 64 + 16 * 64),
        ),
    ] {
        assert_eq!(summary.estimate(&needs).kv, Some(expected), "{what}");
    }
    assert_eq!(model("deepseek4", 2, |b| b).estimate(&needs).kv, None);
}

/// Against the compute buffers that llama.cpp reports on a processor, MiB.
#[test]
fn compute_is_between_the_bounds() {
    let smol = (49_152, 576, 9, 192, 1536);
    let ishmael = (2048, 256, 8, 128, 704);
    for ((vocabulary, embedding, heads, kv, feed_forward), n_ctx, flash_attention, measured) in [
        (smol, 256, true, 50.95),
        (smol, 256, false, 52.01),
        (smol, 4096, true, 106.77),
        (smol, 4096, false, 110.39),
        (smol, 8192, true, 109.64),
        (smol, 8192, false, 167.52),
        (smol, 32_768, true, 133.64),
        (smol, 32_768, false, 647.52),
        (ishmael, 512, true, 7.52),
        (ishmael, 512, false, 13.02),
        (ishmael, 4096, true, 10.64),
        (ishmael, 4096, false, 76.02),
    ] {
        let mut summary = summary(&Builder::tiny_llama());
        summary.vocabulary = Some(vocabulary);
        summary.embedding_length = Some(embedding);
        summary.head_count = Some(heads);
        summary.shape.layers = vec![LayerCache::Attention { k: kv, v: kv, window: None }];
        summary.shape.query = embedding;
        summary.shape.feed_forward_length = feed_forward;
        let estimate = summary.estimate(&Needs { n_ctx, flash_attention, n_outputs: 512, ..Needs::default() });
        let (low, high) = (estimate.compute_low as f64 / 1_048_576.0, estimate.compute_high as f64 / 1_048_576.0);
        assert!(low <= measured && measured <= high, "{low} <= {measured} <= {high} at {n_ctx}");
        assert!(high <= 1.1 * measured + 2.0, "{high} says nothing about {measured}");
    }
}
