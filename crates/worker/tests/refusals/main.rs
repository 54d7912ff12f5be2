//! Each finding that is called fatal, in a real worker: it dies. And each remark: it loads, or says why not.
#![cfg(feature = "llama")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use gguf::testing::Builder;
use gguf::{Header, TensorType, Value};
use wire::{CacheType, Event, FlashAttention, Load, Request};

/// What a worker makes of a file.
#[derive(Debug, PartialEq)]
enum End {
    Loaded,
    Refused(String),
    Died,
}

fn load(path: &Path) -> End {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail-worker"));
    command.env("OMP_WAIT_POLICY", "passive").env("GGML_NO_BACKTRACE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let load = Load {
        path: path.to_owned(),
        n_ctx: 128,
        n_batch: 64,
        n_ubatch: 64,
        n_threads: 1,
        n_gpu_layers: None,
        devices: None,
        cache_type_k: CacheType::F16,
        cache_type_v: CacheType::F16,
        flash_attention: FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel: 1,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    };
    wire::write(child.stdin.as_mut().unwrap(), &Request::Load(load)).unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let end = loop {
        match wire::read(&mut output) {
            Ok(Some(Event::Loaded(_))) => break End::Loaded,
            Ok(Some(Event::Failed(failure))) => break End::Refused(failure.message),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break End::Died,
        }
    };
    let _ = child.kill();
    child.wait().unwrap();
    end
}

/// In a folder of its own, so that parts lie beside each other.
fn end_of(builders: &[(&str, Builder)]) -> (gguf::Findings, End) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = builders.iter().map(|(name, _)| folder.path().join(name)).collect();
    let mut findings = gguf::Findings::default();
    for (path, (_, builder)) in paths.iter().zip(builders) {
        std::fs::write(path, builder.build()).unwrap();
        let found = Header::open(path).unwrap().findings();
        findings.fatal = findings.fatal.or(found.fatal);
        findings.fatal_on_cpu = findings.fatal_on_cpu.or(found.fatal_on_cpu);
        findings.remarks.extend(found.remarks);
    }
    (findings, load(&paths[0]))
}

#[test]
fn what_is_called_fatal_kills() {
    let tiny = Builder::tiny_llama;
    let tokens =
        |twice: u64| tiny().strings("tokenizer.ggml.tokens", (0..64).map(|token| format!("<{}>", token % twice)));
    for builder in [
        tiny().u32("llama.block_count", 0),
        tiny().u32("llama.block_count", 513),
        tiny().u32("llama.nextn_predict_layers", 3),
        tiny().u32("llama.expert_count", 1025).u32("llama.expert_used_count", 2),
        tiny().u32("llama.expert_count", 8),
        tiny().u32("llama.expert_used_count", 2),
        tiny().u32("llama.expert_group_count", 2),
        tiny().string("llama.rope.scaling.type", "warp"),
        tiny().f32("llama.attention.layer_norm_rms_epsilon", -1e-5),
        tiny().f32("llama.attention.layer_norm_rms_epsilon", f32::NAN),
        tokens(63),
        tiny().strings("tokenizer.ggml.tokens", (0..64).map(|token| format!("{}\0{token}", token.max(1)))),
        tiny().strings(
            "tokenizer.ggml.tokens",
            (0..64).map(|t| {
                if t == 9 {
                    String::new()
                } else if t == 3 {
                    "[EMPTY_9]".into()
                } else {
                    format!("<{t}>")
                }
            }),
        ),
    ] {
        let (findings, end) = end_of(&[("m.gguf", builder)]);
        assert!(findings.fatal.is_some(), "{findings:?}");
        assert_eq!(end, End::Died, "{findings:?}");
    }
    let parts = tiny().split(2);
    let second = parts[1].clone().value("split.no", Value::U32(1));
    let (findings, end) = end_of(&[("m-00001-of-00002.gguf", parts[0].clone()), ("m-00002-of-00002.gguf", second)]);
    assert!(findings.fatal.is_some() && end == End::Died, "{findings:?} {end:?}");
}

#[test]
fn what_is_odd_loads_or_is_refused_in_words() {
    let tiny = Builder::tiny_llama;
    assert_eq!(end_of(&[("m.gguf", tiny())]), (gguf::Findings::default(), End::Loaded));
    let mut wrong = Vec::new();
    for (number, (builder, loads)) in (0..).zip([
        (tiny().without("general.architecture"), false),
        (tiny().without("llama.block_count"), false),
        (tiny().without("llama.context_length"), false),
        (tiny().u64("llama.block_count", 2), false),
        (tiny().u64("llama.context_length", 128), false),
        (tiny().u32("llama.attention.head_count", 0), false),
        (tiny().u32("llama.attention.head_count", 3), false),
        (tiny().u32("llama.attention.head_count_kv", 3), false),
        (tiny().u32("llama.attention.head_count_kv", 0), false),
        (tiny().u32("llama.attention.key_length", 9), false),
        (tiny().u32("llama.rope.dimension_count", 6), false),
        (tiny().u32("llama.rope.dimension_count", 1000), false),
        (tiny().u32("llama.rope.scaling.type", 1), false),
        (tiny().f32("llama.rope.scaling.factor", f32::INFINITY), true),
        (tiny().f32("llama.rope.freq_base", -1.0), true),
        (tiny().f32("llama.attention.layer_norm_epsilon", -1.0), true),
        (tiny().f32("llama.attention.layer_norm_rms_epsilon", 2.0), true),
        (tiny().strings("tokenizer.ggml.tokens", (0..63).map(|token| format!("<{token}>"))), false),
        (tiny().tensor("blk.7.x", &[1], TensorType::F32), false),
        (tiny().tensor("output.weight", &[64, 32], TensorType::F32), false),
        (tiny().big_endian(), false),
        (tiny().u16("split.no", 0).u32("split.count", 2), false),
        (tiny().u16("split.no", 0).u16("split.count", 2), false),
        (tiny().u16("split.no", 0).u16("split.count", 1), true),
        // No elements, and no name.
        (tiny().tensor("", &[32], TensorType::F32), false),
        (tiny().alignment(1 << 16), true),
        (tiny().alignment(64), true),
        (
            tiny().strings(
                "tokenizer.ggml.tokens",
                (0..64).map(|t| if t < 8 { String::new() } else { format!("<{t}>") }),
            ),
            true,
        ),
    ]) {
        let (findings, end) = end_of(&[("m.gguf", builder)]);
        if findings.fatal.is_some() || end == End::Died || (end == End::Loaded) != loads {
            wrong.push(format!("{number}: {findings:?} {end:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A whole file under a part's name, and parts under names that say nothing.
    assert_eq!(end_of(&[("x-00001-of-00013.gguf", tiny())]).1, End::Loaded);
    let parts = tiny().split(2);
    let (_, end) = end_of(&[("a.gguf", parts[0].clone()), ("b.gguf", parts[1].clone())]);
    assert!(matches!(end, End::Refused(_)), "{end:?}");
}

/// Norms and biases of other types than F32, on a processor.
#[test]
fn what_is_called_fatal_on_a_processor_kills_there() {
    let norms = ["output_norm.weight", "blk.1.attn_norm.weight", "blk.0.ffn_norm.weight"];
    let mut cases = Vec::new();
    for kind in [TensorType::F16, TensorType::BF16, TensorType::Q8_0, TensorType::I8] {
        cases.extend(norms.map(|role| ("llama", role, kind)));
        cases.push(("llama", "blk.1.attn_q.bias", kind));
    }
    for architecture in
        ["qwen2", "gemma", "smollm3", "mistral3", "granite", "internlm2", "exaone", "minicpm", "ernie4_5", "refact"]
    {
        cases.extend(norms.map(|role| (architecture, role, TensorType::F16)));
    }
    cases.push(("qwen2", "blk.1.attn_v.bias", TensorType::F16));
    for (architecture, roles) in [
        ("qwen3", &["attn_q_norm", "attn_k_norm"][..]),
        ("gemma2", &["post_attention_norm", "post_ffw_norm"]),
        ("gemma3", &["attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"]),
    ] {
        cases.extend(norms.map(|role| (architecture, role, TensorType::F16)));
        for role in roles {
            cases.push((architecture, format!("blk.0.{role}.weight").leak(), TensorType::F16));
        }
    }
    let mut wrong = Vec::new();
    for (architecture, role, kind) in cases {
        let plain = of_architecture(architecture);
        let (findings, end) = end_of(&[("m.gguf", plain.clone().retype(role, kind))]);
        if findings.fatal_on_cpu.is_none() || findings.fatal.is_some() || end != End::Died {
            wrong.push(format!("{architecture} {role} {}: {findings:?} {end:?}", kind.name()));
        }
        let (findings, end) = end_of(&[("m.gguf", plain)]);
        if findings.fatal_on_cpu.is_some() || end != End::Loaded {
            wrong.push(format!("{architecture}: {findings:?} {end:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The tiny model as another architecture, with the norms and biases that this one has.
fn of_architecture(architecture: &str) -> Builder {
    let mut builder = Builder::tiny_llama().renamed("llama", architecture);
    if ["granite", "internlm2"].contains(&architecture) {
        builder = builder.f32(&format!("{architecture}.logit_scale"), 1.0).tensor(
            "output.weight",
            &[32, 64],
            TensorType::F32,
        );
    }
    for block in 0..2 {
        let mut add = |role: &str, n: u64| {
            builder = builder.clone().tensor(&format!("blk.{block}.{role}"), &[n], TensorType::F32);
        };
        if ["llama", "qwen2"].contains(&architecture) {
            add("attn_q.bias", 32);
            add("attn_k.bias", 16);
            add("attn_v.bias", 16);
        }
        if ["qwen3", "gemma3"].contains(&architecture) {
            add("attn_q_norm.weight", 8);
            add("attn_k_norm.weight", 8);
        }
        if ["gemma2", "gemma3"].contains(&architecture) {
            add("post_attention_norm.weight", 32);
            add("post_ffw_norm.weight", 32);
        }
    }
    builder
}
