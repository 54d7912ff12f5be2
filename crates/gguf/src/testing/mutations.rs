//! A good file with one thing broken, over and over.

use std::ops::Range;

use crate::value::ValueType;

/// A broken file.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// What was changed, such as `llama.block_count = 0`.
    pub name: String,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// Break each field of a well-formed little-endian file with the default alignment, one at a time: a few hundred
/// files, made as they are asked for.
///
/// # Panics
///
/// Where the original is no such file.
pub fn mutations(original: &[u8]) -> impl Iterator<Item = Mutation> {
    let layout = Layout::of(original);
    let mut edits = Vec::new();
    foreign(&mut edits);
    preamble(&layout, &mut edits);
    cuts(&layout, original.len(), &mut edits);
    keys(&layout, &mut edits);
    added_keys(&layout, &mut edits);
    other_texts(&layout, &mut edits);
    other_architectures(original, &layout, &mut edits);
    tensors(&layout, &mut edits);
    edits.into_iter().map(move |(name, edit)| Mutation { name, bytes: edit.apply(original, layout.header_end) })
}

type Edits = Vec<(String, Edit)>;

/// One change to a file.
enum Edit {
    /// Another file altogether.
    Whole(Vec<u8>),
    /// The first bytes alone.
    Cut(usize),
    /// Other bytes in the same place.
    Patch(usize, Vec<u8>),
    /// Replace part of the header by these bytes and change the key count by this much; the data is realigned.
    Splice(Range<usize>, Vec<u8>, i64),
}

impl Edit {
    fn apply(self, original: &[u8], header_end: usize) -> Vec<u8> {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Cut(length) => original[..length].to_vec(),
            Self::Patch(at, patch) => {
                let mut bytes = original.to_vec();
                bytes[at..at + patch.len()].copy_from_slice(&patch);
                bytes
            }
            Self::Splice(range, with, keys) => {
                let mut bytes = original[..header_end].to_vec();
                bytes.splice(range, with);
                let n_keys = number(&bytes, 16).checked_add_signed(keys).expect("keys to take away");
                bytes[16..24].copy_from_slice(&n_keys.to_le_bytes());
                bytes.resize(bytes.len().next_multiple_of(32), 0);
                bytes.extend(&original[header_end.next_multiple_of(32)..]);
                bytes
            }
        }
    }
}

/// Where the fields of a file stand.
struct Layout {
    keys: Vec<KeyAt>,
    tensors: Vec<TensorAt>,
    /// Where the tensor table ends.
    header_end: usize,
}

struct KeyAt {
    name: String,
    start: usize,
    type_at: usize,
    value_type: ValueType,
    value: Range<usize>,
}

struct TensorAt {
    name: String,
    start: usize,
    n_dims_at: usize,
    dims: Vec<u64>,
    type_at: usize,
    offset_at: usize,
    offset: u64,
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn short_number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Where the value at `at` ends.
fn value_end(bytes: &[u8], value_type: ValueType, at: usize) -> usize {
    match value_type {
        ValueType::String => at + 8 + number(bytes, at) as usize,
        ValueType::Array => {
            let element = ValueType::from_id(short_number(bytes, at)).expect("a known type");
            let count = number(bytes, at + 4) as usize;
            match element.size() {
                Some(size) => at + 12 + size as usize * count,
                None => (0..count).fold(at + 12, |at, _| value_end(bytes, element, at)),
            }
        }
        scalar => at + scalar.size().expect("a scalar") as usize,
    }
}

impl Layout {
    fn of(bytes: &[u8]) -> Self {
        let text = |at: usize| {
            let end = value_end(bytes, ValueType::String, at);
            (String::from_utf8(bytes[at + 8..end].to_vec()).expect("UTF-8"), end)
        };
        let mut at = 24;
        let keys = (0..number(bytes, 16)).map(|_| {
            let start = at;
            let (name, type_at) = text(at);
            let value_type = ValueType::from_id(short_number(bytes, type_at)).expect("a known type");
            at = value_end(bytes, value_type, type_at + 4);
            KeyAt { name, start, type_at, value_type, value: type_at + 4..at }
        });
        let keys = keys.collect();
        let tensors = (0..number(bytes, 8)).map(|_| {
            let start = at;
            let (name, n_dims_at) = text(at);
            let n_dims = short_number(bytes, n_dims_at) as usize;
            let dims = (0..n_dims).map(|dim| number(bytes, n_dims_at + 4 + 8 * dim)).collect();
            let type_at = n_dims_at + 4 + 8 * n_dims;
            let offset_at = type_at + 4;
            at = offset_at + 8;
            TensorAt { name, start, n_dims_at, dims, type_at, offset_at, offset: number(bytes, offset_at) }
        });
        let tensors = tensors.collect();
        Self { keys, tensors, header_end: at }
    }
}

/// Files that are something else.
fn foreign(edits: &mut Edits) {
    let html = "<html><head><title>404 Not Found</title></head></html>";
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4cac19\nsize 1198688\n";
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("one byte", b"G".to_vec()),
        ("magic alone", b"GGUF".to_vec()),
        ("html", html.as_bytes().to_vec()),
        ("json", br#"{"error":"Entry not found"}"#.to_vec()),
        ("git-lfs pointer", pointer.as_bytes().to_vec()),
        ("old magic", b"ggjt\x03\0\0\0".repeat(8)),
        ("safetensors", [&8_u64.to_le_bytes()[..], b"{\"a\":{}}"].concat()),
        ("zip", b"PK\x03\x04".repeat(16)),
        ("zeros", vec![0; 4096]),
        ("ones", vec![0xff; 4096]),
        ("magic and zeros", [b"GGUF".as_slice(), &[0; 4092]].concat()),
        ("magic and ones", [b"GGUF".as_slice(), &[0xff; 4092]].concat()),
        ("escape sequences", b"\x1b]0;owned\x07\x1b[2J".repeat(8)),
    ] {
        edits.push((format!("is {name}"), Edit::Whole(bytes)));
    }
}

fn preamble(layout: &Layout, edits: &mut Edits) {
    for at in 0..4 {
        edits.push((format!("magic byte {at}"), Edit::Patch(at, vec![b'?'])));
    }
    for version in [0, 1, 2, 4, 5, 0x0200_0000, 0x0300_0000, 0x0400_0000, i32::MAX as u32, u32::MAX] {
        edits.push((format!("version = {version:#x}"), Edit::Patch(4, version.to_le_bytes().to_vec())));
    }
    for (what, at, count) in
        [("tensor count", 8, layout.tensors.len() as u64), ("key count", 16, layout.keys.len() as u64)]
    {
        for value in
            [0, 1, count - 1, count + 1, 2 * count, 65_537, 1 << 20, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX]
        {
            edits.push((format!("{what} = {value}"), Edit::Patch(at, value.to_le_bytes().to_vec())));
        }
    }
}

/// Cut at each border and inside each thing.
fn cuts(layout: &Layout, length: usize, edits: &mut Edits) {
    let data = layout.header_end.next_multiple_of(32);
    let borders = layout
        .keys
        .iter()
        .flat_map(|key| [key.start, key.type_at + 2, key.value.end - 1])
        .chain(layout.tensors.iter().flat_map(|tensor| [tensor.start, tensor.type_at + 2]))
        .chain(layout.tensors.iter().map(|tensor| data + tensor.offset as usize + 1))
        .chain([5, 8, 12, 20, layout.header_end, data, length - 1]);
    edits.extend(borders.map(|at| (format!("cut at {at}"), Edit::Cut(at))));
}

fn keys(layout: &Layout, edits: &mut Edits) {
    for key in &layout.keys {
        let name = &key.name;
        for length in [0, 1, name.len() as u64 - 1, name.len() as u64 + 1, 65_536, u64::MAX] {
            edits.push((format!("{name}: name of {length}"), Edit::Patch(key.start, length.to_le_bytes().to_vec())));
        }
        edits.push((format!("{name}: other name"), Edit::Patch(key.start + 8, b"X".to_vec())));
        edits.push((format!("{name}: name of no UTF-8"), Edit::Patch(key.start + 8, vec![0xff])));
        edits.push((format!("{name}: escape in the name"), Edit::Patch(key.start + 8, vec![0x1b])));
        edits.push((format!("{name}: left out"), Edit::Splice(key.start..key.value.end, Vec::new(), -1)));
        for id in [0, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, u32::MAX] {
            if id != key.value_type.id() {
                edits.push((format!("{name}: type = {id}"), Edit::Patch(key.type_at, id.to_le_bytes().to_vec())));
            }
        }
        values(key, edits);
    }
    if let Some(first) = layout.keys.first() {
        let twice = b"\x01\0\0\0\0\0\0\0k\x07\0\0\0\x01".repeat(2);
        edits.push(("a key twice".to_owned(), Edit::Splice(first.start..first.start, twice, 2)));
        for alignment in [0_u32, 1, 3, 8, 16, 32, 64, 4096, 1 << 21, u32::MAX] {
            let mut key = 17_u64.to_le_bytes().to_vec();
            key.extend(b"general.alignment\x04\0\0\0");
            key.extend(alignment.to_le_bytes());
            let edit = Edit::Splice(first.start..first.start, key, 1);
            edits.push((format!("general.alignment = {alignment}"), edit));
        }
    }
}

/// A key as the file has it.
fn encoded(name: &str, value_type: ValueType, value: &[u8]) -> Vec<u8> {
    let mut bytes = (name.len() as u64).to_le_bytes().to_vec();
    bytes.extend(name.as_bytes());
    bytes.extend(value_type.id().to_le_bytes());
    bytes.extend(value);
    bytes
}

fn encoded_text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Keys that the original lacks and that llama.cpp heeds, with values that it may stumble over.
fn added_keys(layout: &Layout, edits: &mut Edits) {
    let end = layout.keys.last().map_or(24, |key| key.value.end);
    let mut add = |name: &str, value_type: ValueType, shown: &dyn std::fmt::Display, value: &[u8]| {
        // In the place of a key that is there already, or as a new one.
        let (range, more) = match layout.keys.iter().find(|key| key.name == name) {
            Some(key) => (key.start..key.value.end, 0),
            None => (end..end, 1),
        };
        edits.push((format!("{name} = {shown}"), Edit::Splice(range, encoded(name, value_type, value), more)));
    };
    for name in [
        "llama.attention.key_length",
        "llama.attention.value_length",
        "llama.attention.key_length_mla",
        "llama.attention.sliding_window",
        "llama.attention.shared_kv_layers",
        "llama.embedding_length_out",
        "llama.expert_count",
        "llama.expert_used_count",
        "llama.expert_group_count",
        "llama.nextn_predict_layers",
        "llama.pooling_type",
        "llama.rope.scaling.original_context_length",
        "llama.rope.dimension_count_swa",
        "split.tensors.count",
        "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.token_type_count",
    ] {
        for value in [0_u32, 1, 2, 4, 32, 1025, i32::MAX as u32, u32::MAX] {
            add(name, ValueType::U32, &value, &value.to_le_bytes());
        }
    }
    for name in [
        "llama.rope.scaling.factor",
        "llama.rope.scaling.attn_factor",
        "llama.rope.scaling.yarn_log_multiplier",
        "llama.attention.layer_norm_epsilon",
        "llama.attention.max_alibi_bias",
        "llama.attention.clamp_kqv",
        "llama.logit_scale",
    ] {
        for value in [0_f32, -1.0, 1e-30, 1e30, f32::NAN, f32::INFINITY] {
            add(name, ValueType::F32, &format!("{value:e}"), &value.to_le_bytes());
        }
    }
    for name in ["llama.attention.causal", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"] {
        for value in [0, 1] {
            add(name, ValueType::Bool, &value, &[value]);
        }
    }
    for value in [0_u16, 1, 2, u16::MAX] {
        add("split.no", ValueType::U16, &value, &value.to_le_bytes());
        add("split.count", ValueType::U16, &value, &value.to_le_bytes());
    }
    for value in ["none", "linear", "yarn", "longrope", "", "warp"] {
        add("llama.rope.scaling.type", ValueType::String, &value, &encoded_text(value));
    }
    for value in ["model", "adapter", "mmproj", "imatrix", ""] {
        add("general.type", ValueType::String, &value, &encoded_text(value));
    }
    for (name, element) in [
        ("llama.attention.head_count", ValueType::U32),
        ("llama.attention.head_count_kv", ValueType::U32),
        ("llama.feed_forward_length", ValueType::U32),
        ("llama.block_count", ValueType::U32),
        ("llama.rope.dimension_sections", ValueType::I32),
        ("tokenizer.ggml.scores", ValueType::F32),
        ("llama.attention.sliding_window_pattern", ValueType::Bool),
    ] {
        for count in [0_u64, 1, 3, 4, 5, 600, 2048] {
            let size = element.size().unwrap_or(0) as usize;
            let mut value = element.id().to_le_bytes().to_vec();
            value.extend(count.to_le_bytes());
            value.extend([4, 0, 0, 0][..size].repeat(count as usize));
            add(name, ValueType::Array, &format!("an array of {count}"), &value);
        }
    }
}

/// Other texts that llama.cpp decides by.
fn other_texts(layout: &Layout, edits: &mut Edits) {
    for (name, texts) in [
        ("general.architecture", &["", "llama4", "qwen2", "clip", "mamba", "t5", "bert", "unheard-of", "\x1b[2J"][..]),
        ("tokenizer.ggml.model", &["", "none", "no_vocab", "llama", "bert", "t5", "rwkv", "plamo2", "gemma4", "gpt3"]),
        (
            "tokenizer.ggml.pre",
            &["", "default", "llama-bpe", "qwen2", "deepseek-r1-qwen", "gpt-4o", "tekken", "unheard-of"],
        ),
        (
            "tokenizer.chat_template",
            &["", "{{", "{% for x in range(10**12) %}{% endfor %}", "{{ raise_exception('no') }}"],
        ),
    ] {
        let Some(key) = layout.keys.iter().find(|key| key.name == name) else { continue };
        for text in texts {
            edits.push((format!("{name} = {text:?}"), Edit::Splice(key.value.clone(), encoded_text(text), 0)));
        }
    }
}

/// The same tensors under another architecture's name.
fn other_architectures(original: &[u8], layout: &Layout, edits: &mut Edits) {
    for architecture in [
        "arcee",
        "bert",
        "bloom",
        "command-r",
        "deci",
        "deepseek",
        "deepseek2",
        "exaone",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3",
        "gpt2",
        "granite",
        "internlm2",
        "jamba",
        "lfm2",
        "llama4",
        "mamba",
        "minicpm",
        "mistral3",
        "olmo2",
        "orion",
        "phi3",
        "qwen2",
        "qwen3",
        "qwen3moe",
        "qwen3next",
        "rwkv7",
        "smollm3",
        "stablelm",
        "starcoder2",
        "t5",
    ] {
        let mut keys = Vec::new();
        for key in &layout.keys {
            let value = &original[key.value.clone()];
            match key.name.strip_prefix("llama.") {
                Some(rest) => keys.extend(encoded(&format!("{architecture}.{rest}"), key.value_type, value)),
                None if key.name == "general.architecture" => {
                    keys.extend(encoded(&key.name, key.value_type, &encoded_text(architecture)));
                }
                None => keys.extend(&original[key.start..key.value.end]),
            }
        }
        let end = layout.keys.last().map_or(24, |key| key.value.end);
        edits.push((format!("as {architecture}"), Edit::Splice(24..end, keys, 0)));
    }
}

fn values(key: &KeyAt, edits: &mut Edits) {
    let (name, at) = (&key.name, key.value.start);
    let mut put = |what: String, at: usize, bytes: &[u8]| edits.push((what, Edit::Patch(at, bytes.to_vec())));
    match key.value_type {
        ValueType::U32 => {
            for value in [0, 1, 2, 3, 5, 1000, 65_536, 1_000_000, i32::MAX as u32, 1 << 31, u32::MAX] {
                put(format!("{name} = {value}"), at, &value.to_le_bytes());
            }
        }
        ValueType::F32 => {
            for value in [0.0, -0.0, -1.0, 1e30, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                put(format!("{name} = {value:e}"), at, &value.to_le_bytes());
            }
        }
        ValueType::Bool => {
            for value in [0, 2, 0xff] {
                put(format!("{name} = {value}"), at, &[value]);
            }
        }
        ValueType::String => {
            let length = (key.value.len() - 8) as u64;
            for value in [0, length - 1, length + 1, 1 << 24, (1 << 24) + 1, 1 << 40, u64::MAX] {
                put(format!("{name}: length = {value}"), at, &value.to_le_bytes());
            }
            put(format!("{name}: other text"), at + 8, b"X");
            put(format!("{name}: NUL in the text"), at + 8, &[0]);
            put(format!("{name}: no UTF-8"), at + 8, &[0xff]);
        }
        ValueType::Array => {
            for id in [0, 4, 5, 6, 8, 9, 10, 13] {
                put(format!("{name}: element type = {id}"), at, &u32::to_le_bytes(id));
            }
            for count in [0, 1, 1 << 20, 1 << 32, u64::MAX / 8 + 2, u64::MAX] {
                put(format!("{name}: count = {count}"), at + 4, &count.to_le_bytes());
            }
            put(format!("{name}: first element"), at + 12, &u64::MAX.to_le_bytes());
        }
        _ => {}
    }
}

fn tensors(layout: &Layout, edits: &mut Edits) {
    // One of each role: the blocks are alike.
    for (index, tensor) in layout.tensors.iter().enumerate() {
        if tensor.name.starts_with("blk.") && !tensor.name.starts_with("blk.0.") {
            continue;
        }
        let name = &tensor.name;
        let mut put = |what: String, at: usize, bytes: &[u8]| {
            edits.push((format!("{name}: {what}"), Edit::Patch(at, bytes.to_vec())));
        };
        for length in [0, name.len() as u64 - 1, name.len() as u64 + 1, 64, u64::MAX] {
            put(format!("name of {length}"), tensor.start, &length.to_le_bytes());
        }
        put("other name".to_owned(), tensor.start + 8, b"X");
        put("name of no UTF-8".to_owned(), tensor.start + 8, &[0xff]);
        if let Some(number) = name.strip_prefix("blk.0").map(|_| tensor.start + 8 + 4) {
            put("of another block".to_owned(), number, b"1");
            put("of a block too many".to_owned(), number, b"9");
        }
        for n_dims in [0_u32, 1, 3, 4, 5, u32::MAX] {
            put(format!("{n_dims} dimensions"), tensor.n_dims_at, &n_dims.to_le_bytes());
        }
        for (dim, &size) in tensor.dims.iter().enumerate() {
            for value in [0, 1, size / 2, size + 1, size + 32, size * 2, 1 << 31, 1 << 62, 1 << 63, u64::MAX] {
                put(format!("dimension {dim} = {value}"), tensor.n_dims_at + 4 + 8 * dim, &value.to_le_bytes());
            }
        }
        for id in (0..44).chain([99, i32::MAX as u32, u32::MAX]) {
            put(format!("type = {id}"), tensor.type_at, &id.to_le_bytes());
        }
        let neighbour = layout.tensors.get(index + 1).map_or(0, |next| next.offset);
        for offset in [0, neighbour, tensor.offset + 1, tensor.offset + 32, 1 << 40, 1 << 63, u64::MAX] {
            if offset != tensor.offset {
                put(format!("offset = {offset}"), tensor.offset_at, &offset.to_le_bytes());
            }
        }
    }
}
