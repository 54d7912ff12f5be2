//! Headers that are odd, broken or too long.

use super::*;

#[test]
fn what_llama_cpp_aborts_at() {
    let tiny = Builder::tiny_llama;
    for (builder, expected) in [
        (tiny().u32("llama.block_count", 513), "block_count is 513, 1 to 512 are possible"),
        (tiny().u32("llama.nextn_predict_layers", 3), "nextn_predict_layers is 3, of 2 blocks"),
        (tiny().u32("llama.expert_count", 1025), "expert_count is 1025, at most 1024 are possible"),
        (tiny().u32("llama.expert_count", 8), "expert_used_count is 0 of 8"),
        (tiny().u32("llama.expert_used_count", 2), "expert_used_count is 2 of 0"),
        (tiny().u32("llama.expert_group_count", 2), "expert_group_count is 2 for 0 experts, 0 of them used"),
        (tiny().string("llama.rope.scaling.type", "warp"), "rope.scaling.type warp is not known"),
        (tiny().f32("llama.attention.layer_norm_rms_epsilon", -1e-5), "layer_norm_rms_epsilon is -1e-5"),
        (
            tiny().strings("tokenizer.ggml.tokens", (0..64).map(|token| (token % 60).to_string())),
            "token 60 of the vocabulary appears twice",
        ),
        (
            tiny().strings("tokenizer.ggml.tokens", (0..64).map(|token| format!("{}\0{token}", token.max(1)))),
            "token 1 of the vocabulary appears twice",
        ),
    ] {
        assert_eq!(fatal(&builder).as_deref(), Some(expected));
    }
    assert_eq!(fatal(&tiny()), None);
}

#[test]
fn what_is_odd() {
    let tiny = Builder::tiny_llama;
    for (builder, expected) in [
        (tiny().without("general.architecture"), "general.architecture is missing: llama.cpp refuses it"),
        (tiny().without("llama.block_count"), "llama.block_count is missing: llama.cpp refuses it"),
        (tiny().u64("llama.block_count", 2), "block_count is not a 32-bit number: llama.cpp refuses it"),
        (tiny().f32("llama.rope.scaling.factor", f32::INFINITY), "rope.scaling.factor is inf"),
        (
            tiny().strings("tokenizer.ggml.tokens", (0..63).map(|token| token.to_string())),
            "its vocabulary has 63 tokens, its embedding 64 rows",
        ),
        (
            tiny().string("tokenizer.ggml.model", "llama"),
            "its vocabulary has no tokens for bytes: text that it lacks ends the worker",
        ),
        (
            tiny().tensor("output.weight", &[32, 64], TensorType::I32),
            "tensor 21 (output.weight) has the type I32, which weights never have",
        ),
        (tiny().big_endian(), "its bytes are in the other order: llama.cpp refuses it on this processor"),
        (tiny().tensor("blk.7.x", &[1], TensorType::F32), "block_count is 2, but there are tensors of 8 blocks"),
    ] {
        assert_eq!(remarks(&builder), [expected]);
    }
    assert_eq!(remarks(&tiny()), Vec::<String>::new());
}

#[test]
fn what_breaks_the_format() {
    let tiny = Builder::tiny_llama;
    for (builder, expected) in [
        (tiny().tensor("output_norm.weight", &[32], TensorType::F32), "tensor 21 appears twice: output_norm.weight"),
        (
            tiny().tensor("a\x1b[2J", &[32, 32, 1, 1, 1], TensorType::F32),
            "tensor 21 (a[2J) has 5 dimensions, at most 4 are possible",
        ),
    ] {
        assert_eq!(refusal(&builder), expected);
    }
    // Odd, but the format: no elements, no name, keys and names of other bytes.
    for builder in [
        tiny().tensor("empty", &[32, 0], TensorType::F32),
        tiny().tensor("", &[32], TensorType::F32),
        tiny().u32("general.alignment", 32),
        tiny().alignment(1),
        tiny().alignment(1 << 21),
    ] {
        read(&builder);
    }
}

#[test]
fn empty_tokens_are_no_repetition() {
    let tokens = (0..64).map(|token| if token < 8 { "\0".repeat(token % 3) } else { token.to_string() });
    read(&Builder::tiny_llama().strings("tokenizer.ggml.tokens", tokens));
}

#[test]
fn nested_arrays_are_skipped_to_a_depth() {
    let nest = |depth: usize| {
        (0..depth).fold(Value::U32(7), |inner, _| {
            let element = inner.value_type();
            Value::Array(gguf::Array { element, count: 1, items: Some(vec![inner]) })
        })
    };
    let with = |depth| Builder::tiny_llama().value("x", nest(depth)).u32("after", 1);
    for depth in 1..=4 {
        assert_eq!(read(&with(depth)).metadata.u64("after"), Some(1), "depth {depth}");
    }
    for depth in [5, 6, 1000] {
        assert!(refusal(&with(depth)).ends_with("is nested more than 4 deep"), "depth {depth}");
    }
}

#[test]
fn what_is_long_is_not_held() {
    let header = read(
        &Builder::tiny_llama()
            .u32s("numbers", 0..5000)
            .strings("strings", (0..300).map(|number| number.to_string()))
            .value("text", Value::LongString { bytes: 2 << 20 })
            .u32s("few", 0..3),
    );
    let metadata = &header.metadata;
    for (key, count) in [("numbers", 5000), ("strings", 300), ("tokenizer.ggml.tokens", 64)] {
        let array = metadata.array(key).unwrap();
        assert_eq!((array.count, &array.items), (count, &None), "{key}");
    }
    assert_eq!(metadata.get("text"), Some(&Value::LongString { bytes: 2 << 20 }));
    assert_eq!(metadata.u64s("few"), Some(vec![0, 1, 2]));
}
