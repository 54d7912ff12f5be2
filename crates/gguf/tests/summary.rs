//! What headers of many kinds say about their models.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "summary/broken.rs"]
mod broken;
#[path = "summary/figures.rs"]
mod figures;

use gguf::{
    CacheKind, Endian, Error, Header, Kind, LayerCache, Needs, SplitPart, Summary, TensorType, Value, ValueType,
    testing::Builder,
};
use proptest::prelude::*;

fn read(builder: &Builder) -> Header {
    Header::read(builder.build().as_slice()).unwrap()
}

fn summary(builder: &Builder) -> Summary {
    read(builder).summary()
}

fn refusal(builder: &Builder) -> String {
    Header::read(builder.build().as_slice()).unwrap_err().to_string()
}

fn fatal(builder: &Builder) -> Option<String> {
    read(builder).findings().fatal
}

fn remarks(builder: &Builder) -> Vec<String> {
    let findings = read(builder).findings();
    assert_eq!(findings.fatal, None);
    findings.remarks
}

#[test]
fn starter() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../starter/ishmael-1m-Q8_0.gguf");
    let header = Header::open(path.as_ref()).unwrap();
    assert_eq!(
        (header.version, header.endian, header.data_offset, header.tensors.len()),
        (3, Endian::Little, 62_560, 38)
    );
    let mut summary = header.summary();
    assert_eq!(summary.estimate(&Needs { n_ctx: 512, ..Needs::default() }).kv, Some(1 << 20), "as llama.cpp reports");
    summary.shape.layers.truncate(1);
    insta::assert_debug_snapshot!(summary);
}

#[cfg(target_os = "linux")]
#[test]
fn only_regular_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.gguf");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let socket = folder.path().join("socket.gguf");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, expected) in [
        (fifo.as_path(), "not a regular file but a FIFO"),
        (&socket, "not a regular file but a socket"),
        (folder.path(), "not a regular file but a directory"),
        ("/dev/zero".as_ref(), "not a regular file but a device"),
        (&folder.path().join("absent.gguf"), "can't be read: No such file or directory (os error 2)"),
    ] {
        assert_eq!(Header::open(path).unwrap_err().to_string(), expected);
    }
}

#[test]
fn kinds() {
    let tiny = Builder::tiny_llama;
    let tensor = |builder: Builder| builder.tensor("v.weight", &[32], TensorType::F32);
    for (what, builder, expected) in [
        ("model", tiny(), Kind::Model),
        ("model by type", tiny().string("general.type", "model"), Kind::Model),
        ("adapter by type", tensor(Builder::new("llama").string("general.type", "adapter")), Kind::Adapter),
        ("old adapter", tensor(Builder::new("llama").string("adapter.type", "lora")), Kind::Adapter),
        ("projector by type", tensor(Builder::new("clip").string("general.type", "mmproj")), Kind::Projector),
        ("old projector", tensor(Builder::new("clip")), Kind::Projector),
        ("projector by key", tensor(Builder::empty().bool("clip.has_vision_encoder", true)), Kind::Projector),
        ("imatrix by type", tensor(Builder::empty().string("general.type", "imatrix")), Kind::Imatrix),
        ("imatrix by key", tensor(Builder::empty().strings("imatrix.datasets", ["wiki"])), Kind::Imatrix),
        ("vocabulary", Builder::new("llama").string("tokenizer.ggml.model", "gpt2"), Kind::Other),
        ("no words", tiny().string("tokenizer.ggml.model", "none"), Kind::Other),
        ("image model", tensor(Builder::new("flux")), Kind::Other),
        ("no keys", tensor(Builder::empty()), Kind::Other),
        ("later part", tensor(Builder::empty().u16("split.no", 1).u16("split.count", 2)), Kind::Model),
    ] {
        assert_eq!(summary(&builder).kind, expected, "{what}");
    }
}

#[test]
fn parts() {
    let later = Builder::empty().u16("split.no", 2).u16("split.count", 3).tensor("blk.9.x", &[32], TensorType::F32);
    assert_eq!(summary(&later).part, Some(SplitPart { number: 3, count: 3 }));
    assert_eq!(summary(&Builder::tiny_llama().u16("split.no", 0).u16("split.count", 1)).part, None);
    for (builder, expected) in [
        (later.clone().u16("split.no", 3), "split.no 3 is not below split.count 3"),
        (later.clone().without("split.no"), "split.no is missing: llama.cpp refuses it"),
        (later.clone().u32("split.count", 3), "split.count is not a 16-bit number: llama.cpp refuses it"),
        (later.clone().u32("split.no", 0), "split.no is not a 16-bit number: llama.cpp refuses it"),
    ] {
        assert_eq!(remarks(&builder), [expected]);
    }
    assert_eq!(fatal(&later.u32("split.no", 1)).as_deref(), Some("split.no is not a 16-bit number"));
}

#[test]
fn quantisation_is_the_files_own_word_where_the_blocks_bear_it_out() {
    let of = |file_type: u32, matrices: &[TensorType]| {
        // An exotic architecture, so that the usual tensors aren't asked for.
        let mut builder = Builder::new("exotic")
            .u32("exotic.block_count", 8)
            .u32("exotic.context_length", 8)
            .u32("exotic.embedding_length", 256)
            .u32("general.file_type", file_type)
            .tensor("token_embd.weight", &[256, 512], TensorType::Q8_0)
            .tensor("output_norm.weight", &[256], TensorType::F32);
        for (block, &tensor_type) in matrices.iter().enumerate() {
            builder = builder.tensor(&format!("blk.{block}.ffn_up.weight"), &[256, 16], tensor_type);
        }
        summary(&builder).quant
    };
    let (q4, q6) = (TensorType::Q4_K, TensorType::Q6_K);
    for (file_type, matrices, expected) in [
        (15, &[q4, q4, q6][..], "Q4_K_M"),
        (14, &[q4], "Q4_K_S"),
        (15, &[q4, q6, q6], "Q4_K_M"),
        (7, &[q4], "Q4_K"),
        (15 | 1024, &[q4], "Q4_K_M"),
        (999, &[q4], "Q4_K"),
        (1, &[TensorType::BF16], "BF16"),
        (0, &[TensorType(77)], "type 77"),
        (7, &[], "Q8_0"),
    ] {
        assert_eq!(of(file_type, matrices).as_deref(), Some(expected), "{file_type} {matrices:?}");
    }
    assert_eq!(summary(&Builder::new("llama").string("tokenizer.ggml.model", "gpt2")).quant, None);
}

#[test]
fn unknown_types_are_kept() {
    let header = read(
        &Builder::new("exotic")
            .u32("exotic.block_count", 1)
            .u32("exotic.context_length", 8)
            .u32("exotic.embedding_length", 32)
            .tensor_data("a", &[32, 3], TensorType(77), vec![1; 100])
            .tensor("b", &[32], TensorType::F32),
    );
    let summary = header.summary();
    assert_eq!((summary.parameters, summary.tensor_bytes, summary.bits_per_weight), (128, 128, None));
    let types: Vec<_> = summary.types.iter().map(|share| (share.name.as_str(), share.bytes)).collect();
    assert_eq!(types, [("F32", Some(128)), ("type 77", None)]);
}

#[test]
fn texts() {
    let summary = summary(
        &Builder::tiny_llama()
            .string("general.name", "  Evil\x1b[2J\u{202e} Model\n")
            .string("general.license", "")
            .string("general.license.name", "my-license")
            .string("general.quantized_by", &"x".repeat(500))
            .string("tokenizer.chat_template", "{% if tools %}{% endif %}<think>")
            .u32("general.base_model.count", 3)
            .string("general.base_model.0.repo_url", "https://huggingface.co/org/base")
            .string("general.base_model.0.name", "Base")
            .string("general.base_model.1.organization", "Org")
            .string("general.base_model.1.name", "Other")
            .string("general.base_model.2.repo_url", "https://example.org/model")
            .strings("general.datasets", ["wiki", "code"])
            .f32("general.sampling.temp", 0.6)
            .i32("general.sampling.top_k", 20)
            .f32("general.sampling.top_p", f32::NAN)
            .f32("general.sampling.penalty_repeat", -1.0),
    );
    assert_eq!(summary.name.as_deref(), Some("Evil[2J Model"));
    assert_eq!(summary.license.as_deref(), Some("my-license"));
    assert_eq!(summary.quantized_by.unwrap().chars().count(), 128);
    assert!(summary.has_chat_template && summary.thinks && summary.tools);
    assert_eq!(summary.base_models, ["org/base", "Org/Other", "https://example.org/model"]);
    assert_eq!(summary.datasets, ["wiki", "code"]);
    assert_eq!(summary.sampling.temperature, Some(0.6));
    assert_eq!(summary.sampling.top_k, Some(20));
    assert_eq!((summary.sampling.top_p, summary.sampling.repeat_penalty), (None, None));
}

/// A model of an architecture with as many blocks, 4 heads of 8, and further keys.
fn model(architecture: &str, n_layers: u32, more: impl FnOnce(Builder) -> Builder) -> Summary {
    let key = |key: &str| format!("{architecture}.{key}");
    let mut builder = Builder::new(architecture)
        .u32(&key("block_count"), n_layers)
        .u32(&key("context_length"), 8192)
        .u32(&key("embedding_length"), 32)
        .u32(&key("attention.head_count"), 4)
        .u32(&key("attention.head_count_kv"), 2);
    for block in 0..n_layers {
        builder = builder.tensor(&format!("blk.{block}.attn_norm.weight"), &[32], TensorType::F32);
    }
    summary(&more(builder))
}

/// One letter a layer: F full, W windowed, R recurrent, B both, - nothing.
fn letters(summary: &Summary) -> String {
    summary
        .shape
        .layers
        .iter()
        .map(|layer| match layer {
            LayerCache::Attention { window: None, .. } => 'F',
            LayerCache::Attention { window: Some(_), .. } => 'W',
            LayerCache::Recurrent { .. } => 'R',
            LayerCache::Both { .. } => 'B',
            LayerCache::None => '-',
        })
        .collect()
}

#[test]
#[expect(clippy::large_stack_arrays, reason = "a table of cases")]
fn layers_by_architecture() {
    let window = |name: &'static str| move |b: Builder| b.u32(&format!("{name}.attention.sliding_window"), 64);
    let per_layer_kv = |name: &'static str, values: [u32; 4]| {
        move |b: Builder| b.u32s(&format!("{name}.attention.head_count_kv"), values)
    };
    let ssm = |name: &'static str| {
        move |b: Builder| {
            b.u32(&format!("{name}.ssm.conv_kernel"), 4)
                .u32(&format!("{name}.ssm.inner_size"), 64)
                .u32(&format!("{name}.ssm.state_size"), 16)
        }
    };
    for (summary, expected) in [
        (model("llama", 3, |b| b), "FFF"),
        // Of these, llama.cpp ignores the window.
        (model("llama", 3, window("llama")), "FFF"),
        (model("phi3", 3, window("phi3")), "FFF"),
        (model("gemma2", 4, |b| b), "WFWF"),
        (model("gemma3", 7, window("gemma3")), "WWWWWFW"),
        (model("gemma3", 7, |b| b), "FFFFFFF"),
        (model("gpt-oss", 4, window("gpt-oss")), "WFWF"),
        (model("cohere2", 5, window("cohere2")), "WWWFW"),
        (model("smallthinker", 5, window("smallthinker")), "FWWWF"),
        (model("llama4", 5, |b| b), "WWWFW"),
        (model("llama4", 5, |b| b.u32("llama4.attention.sliding_window", 0)), "FFFFF"),
        (model("exaone4", 4, window("exaone4")), "FFFF"),
        (model("gemma3n", 22, window("gemma3n")), "WWWWFWWWWFWWWWFWWWWF--"),
        (
            model("gemma4", 4, |b| {
                window("gemma4")(b)
                    .bools("gemma4.attention.sliding_window_pattern", [true, false, true, false])
                    .u32("gemma4.attention.shared_kv_layers", 1)
            }),
            "WFW-",
        ),
        (model("mamba", 2, ssm("mamba")), "RR"),
        (model("rwkv7", 2, |b| b.u32("rwkv7.wkv.head_size", 64)), "RR"),
        (model("jamba", 4, |b| per_layer_kv("jamba", [0, 0, 2, 0])(ssm("jamba")(b))), "RRFR"),
        (model("lfm2", 4, |b| per_layer_kv("lfm2", [0, 2, 0, 2])(b.u32("lfm2.shortconv.l_cache", 3))), "RFRF"),
        (model("qwen3next", 5, ssm("qwen3next")), "RRRFR"),
        (model("qwen35", 4, |b| b.u32("qwen35.full_attention_interval", 2)), "RFRF"),
        (
            model("nemotron_h", 4, |b| {
                per_layer_kv("nemotron_h", [0, 0, 2, 0])(b).u32s("nemotron_h.feed_forward_length", [0, 64, 0, 0])
            }),
            "R-FR",
        ),
        (model("falcon-h1", 2, ssm("falcon-h1")), "BB"),
        (model("deci", 4, per_layer_kv("deci", [2, 0, 2, 0])), "F-F-"),
        (model("glm4moe", 4, |b| b.u32("glm4moe.nextn_predict_layers", 1)), "FFF-"),
        (model("bert", 2, |b| b), "--"),
        (model("deepseek4", 2, |b| b), ""),
        // The array has the wrong length, so the file doesn't tell.
        (model("deci", 3, per_layer_kv("deci", [2, 0, 2, 0])), ""),
    ] {
        assert_eq!(letters(&summary), expected, "{:?} with {:?} blocks", summary.architecture, summary.block_count);
    }
}

#[test]
fn attention_in_words() {
    let window = |name: &'static str| move |b: Builder| b.u32(&format!("{name}.attention.sliding_window"), 64);
    let latent = |b: Builder| {
        b.u32("deepseek2.attention.kv_lora_rank", 512)
            .u32("deepseek2.rope.dimension_count", 8)
            .u32("deepseek2.attention.key_length", 8)
            .u32("deepseek2.attention.value_length", 8)
    };
    let current = |b: Builder| {
        latent(b)
            .u32("deepseek2.attention.head_count_kv", 1)
            .u32("deepseek2.attention.key_length_mla", 12)
            .u32("deepseek2.attention.value_length_mla", 8)
    };
    let ssm = |b: Builder| b.u32("mamba.ssm.inner_size", 64).u32("mamba.ssm.state_size", 16);
    let jamba = |b: Builder| b.u32s("jamba.attention.head_count_kv", [0, 0, 2, 0]).u32("jamba.ssm.inner_size", 64);
    for (summary, expected) in [
        (model("llama", 3, |b| b), "GQA"),
        (model("llama", 3, |b| b.u32("llama.attention.head_count_kv", 4)), "MHA"),
        (model("llama", 3, |b| b.u32("llama.attention.head_count_kv", 1)), "MQA"),
        (model("gemma3", 7, window("gemma3")), "GQA, sliding window of 64 in 6 of 7 layers"),
        (model("deepseek2", 2, current), "MLA"),
        (model("deepseek2", 2, latent), "MLA, kept as whole keys and values"),
        (model("mamba", 2, ssm), "recurrent"),
        (model("jamba", 4, jamba), "hybrid: GQA in 1 layer, recurrent in 3"),
        (model("falcon-h1", 2, |b| b), "hybrid: GQA in 2 layers, recurrent in 2"),
    ] {
        assert_eq!(summary.mix().unwrap().to_string(), expected, "{:?}", summary.architecture);
    }
    assert_eq!(model("bert", 2, |b| b).mix(), None);
    assert_eq!(model("deepseek4", 2, |b| b).mix(), None);
    assert_eq!(model("deepseek2", 2, current).latent_overhead(), None);
    // 2 heads of 8 for keys and as many for values, where 512 + 8 elements would do.
    assert_eq!(model("deepseek2", 2, latent).latent_overhead(), Some(32.0 / 520.0));
}

#[test]
fn where_it_comes_from() {
    let summary = summary(
        &Builder::tiny_llama()
            .string("general.source.repo_url", "https://huggingface.co/org/name/")
            .string("general.repo_url", "https://example.org/other")
            .string("general.license", "other")
            .string("general.license.name", "my\x1b licence")
            .string("general.license.link", "https://example.org/licence")
            .string("general.basename", "Name")
            .string("general.finetune", "Instruct")
            .strings("general.tags", (0..100).map(|tag| format!("tag{tag}\u{202e}")))
            .strings("general.languages", ["en", "", "de"])
            .string("tokenizer.ggml.pre", "llama-bpe")
            .string("tokenizer.chat_template", "{{ raise_exception('System role not supported') if 'system' }}"),
    );
    assert_eq!(summary.source.as_deref(), Some("org/name"));
    assert_eq!(summary.license_name.as_deref(), Some("my licence"));
    assert_eq!(summary.license_link.as_deref(), Some("https://example.org/licence"));
    assert_eq!((summary.basename.as_deref(), summary.finetune.as_deref()), (Some("Name"), Some("Instruct")));
    assert_eq!((summary.tags.len(), summary.tags[0].as_str()), (32, "tag0"));
    assert_eq!(summary.languages, ["en", "de"]);
    assert_eq!(summary.tokenizer_pre.as_deref(), Some("llama-bpe"));
    assert!(!summary.system, "a template that refuses it");
}

#[test]
fn hints() {
    for (bytes, expected) in [
        (&b""[..], Some("the download was not finished: download it again")),
        (b"<html>", Some("a server's error page was saved in its place: download it again")),
        (b"version https://git-lfs", Some("this may be a Git LFS pointer: fetch the file itself with `git lfs pull`")),
        (b"GGUF\x01\0\0\0", Some("convert the model again with a current llama.cpp")),
    ] {
        assert_eq!(Header::read(bytes).unwrap_err().hint(), expected);
    }
    assert!(matches!(Header::read(&b"GGUF\x03\0\0\0"[..]), Err(Error::Truncated(_))));
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        (-1e9_f32..1e9).prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        ".{0,40}".prop_map(Value::String),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        (-1e9_f64..1e9).prop_map(Value::F64),
    ];
    let strings = proptest::collection::vec(".{0,10}".prop_map(Value::String), 0..5);
    let numbers = proptest::collection::vec(any::<i16>().prop_map(Value::I16), 0..5);
    let array = |element| {
        move |items: Vec<Value>| Value::Array(gguf::Array { element, count: items.len() as u64, items: Some(items) })
    };
    prop_oneof![scalar, strings.prop_map(array(ValueType::String)), numbers.prop_map(array(ValueType::I16))]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        values in proptest::collection::btree_map("[a-z.]{1,20}", any_value(), 0..10),
        tensors in proptest::collection::btree_map("[a-z.]{1,60}", (1_u64..5, 1_u64..5), 0..6),
        is_big: bool,
        version in 2_u32..4,
        alignment in (3_u32..12).prop_map(|power| 1 << power),
    ) {
        let mut builder = Builder::empty().version(version).alignment(alignment);
        if is_big {
            builder = builder.big_endian();
        }
        for (key, value) in &values {
            builder = builder.value(key, value.clone());
        }
        for (name, (blocks, rows)) in &tensors {
            builder = builder.tensor(name, &[blocks * 32, *rows], TensorType::Q8_0);
        }
        let header = read(&builder);
        prop_assert_eq!(header.version, version);
        prop_assert_eq!(header.endian == Endian::Big, is_big);
        prop_assert_eq!(header.alignment, u64::from(alignment));
        prop_assert_eq!(header.metadata.len(), values.len() + 1);
        for (key, value) in &values {
            prop_assert_eq!(header.metadata.get(key), Some(value));
        }
        let read: Vec<_> = header.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.dims.clone())).collect();
        let written: Vec<_> =
            tensors.iter().map(|(name, (blocks, rows))| (name.clone(), vec![blocks * 32, *rows])).collect();
        prop_assert_eq!(read, written);
    }
}
