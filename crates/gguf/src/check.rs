//! Reasons not to run a well-formed file.
//!
//! llama.cpp reports many problems as errors, but some only by an assertion, which kills the process. A finding is
//! fatal only if that is proved: each rule names the assertion, and `crates/worker/tests/refusals` loads a file that
//! breaks it. Everything else is a remark, and llama.cpp decides.

use crate::{
    facts::{TENSOR_ALIGNMENT, arch_number, is_aligned, kind, part},
    header::{Header, Tensor},
    shape::MAX_LAYERS,
    source::Endian,
    summary::Kind,
    text::clean,
    types::TensorType,
    value::{Value, ValueType},
};

/// Architectures that use RMS norm with the file's epsilon, each tested with a wrong one.
const ROOT_MEAN_SQUARE: &[&str] = &[
    "llama",
    "qwen2",
    "qwen3",
    "qwen3moe",
    "gemma",
    "gemma2",
    "gemma3",
    "mistral3",
    "olmo2",
    "granite",
    "internlm2",
    "smollm3",
    "seed_oss",
    "deepseek2",
    "gpt-oss",
];
/// Architectures whose [`SUMMANDS`] and norms were tried in other types than F32.
const PLAIN_NORMS: &[&str] = &[
    "llama",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3",
    "smollm3",
    "mistral3",
    "granite",
    "internlm2",
    "exaone",
    "minicpm",
    "ernie4_5",
    "refact",
];
/// Weights that are multiplied with what a norm gives, which is F32.
const NORMS: &[&str] = &[
    "output_norm.weight",
    "attn_norm.weight",
    "ffn_norm.weight",
    "attn_q_norm.weight",
    "attn_k_norm.weight",
    "post_attention_norm.weight",
    "post_ffw_norm.weight",
];
/// Weights that are added to a product, which is F32.
const SUMMANDS: &[&str] = &["attn_q.bias", "attn_k.bias", "attn_v.bias"];
/// Architectures where these are optional, and were tried.
const WITH_SUMMANDS: &[&str] = &["llama", "qwen2"];
/// `LLAMA_MAX_EXPERTS`.
const MAX_EXPERTS: u64 = 1024;
/// Remarks that are kept.
const MAX_REMARKS: usize = 8;
/// The longest finding, in characters.
const TEXT_CHARS: usize = 200;

/// What speaks against running a file. Every text is one clause, harmless and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// What llama.cpp is known to abort at: the first such thing.
    pub fatal: Option<String>,
    /// What it is known to abort at where a processor does the work. A GPU may take it.
    pub fatal_on_cpu: Option<String>,
    /// Oddities that llama.cpp may accept, or reject with an error.
    pub remarks: Vec<String>,
}

impl Findings {
    fn fatal(&mut self, text: impl AsRef<str>) {
        if self.fatal.is_none() {
            self.fatal = Some(clean(text.as_ref(), TEXT_CHARS));
        }
    }

    fn fatal_on_cpu(&mut self, text: impl AsRef<str>) {
        if self.fatal_on_cpu.is_none() {
            self.fatal_on_cpu = Some(clean(text.as_ref(), TEXT_CHARS));
        }
    }

    fn remark(&mut self, text: impl AsRef<str>) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(clean(text.as_ref(), TEXT_CHARS));
        }
    }
}

impl Header {
    /// What speaks against running it.
    pub fn findings(&self) -> Findings {
        findings(self)
    }
}

fn findings(header: &Header) -> Findings {
    let mut found = Findings::default();
    split(header, &mut found);
    if kind(header) != Kind::Model {
        return found;
    }
    if header.endian != Endian::native() {
        found.remark("its bytes are in the other order: llama.cpp refuses it on this processor");
    }
    if !is_aligned(header) {
        found.remark(format!("its tensors are not aligned to {TENSOR_ALIGNMENT} bytes: it is read rather than mapped"));
    }
    if part(&header.metadata).is_some_and(|part| part.number > 1) {
        // Only the first part has the model's keys.
        return found;
    }
    match header.architecture().filter(|name| !name.is_empty()) {
        None => found.remark("general.architecture is missing: llama.cpp refuses it"),
        Some(architecture) => {
            let mut check = Check { header, architecture, found: &mut found };
            check.sizes();
            check.experts();
            check.rope();
            check.epsilons();
            check.vocabulary();
            check.tensors();
        }
    }
    found
}

/// Later parts are read with an accessor that asserts the type (`llama-model-loader.cpp`).
fn split(header: &Header, found: &mut Findings) {
    let metadata = &header.metadata;
    let (number, count) = (metadata.u64("split.no"), metadata.u64("split.count"));
    if metadata.get("split.no").is_some_and(|value| value.value_type() != ValueType::U16) {
        if number.is_some_and(|number| number > 0) {
            found.fatal("split.no is not a 16-bit number");
        } else {
            found.remark("split.no is not a 16-bit number: llama.cpp refuses it");
        }
    }
    if metadata.get("split.count").is_some_and(|value| value.value_type() != ValueType::U16) {
        found.remark("split.count is not a 16-bit number: llama.cpp refuses it");
    }
    match (number, count) {
        (Some(number), Some(count)) if number >= count.max(1) => {
            found.remark(format!("split.no {number} is not below split.count {count}"));
        }
        (None, Some(count)) if count > 1 => found.remark("split.no is missing: llama.cpp refuses it"),
        _ => {}
    }
}

struct Check<'a> {
    header: &'a Header,
    architecture: &'a str,
    found: &'a mut Findings,
}

impl Check<'_> {
    fn number(&self, key: &str) -> Option<u64> {
        arch_number(self.header, key)
    }

    fn float(&self, key: &str) -> Option<f64> {
        self.header.metadata.f64(&format!("{}.{key}", self.architecture))
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.header.metadata.get(&format!("{}.{key}", self.architecture))
    }

    /// `{arch}.{key}` as llama.cpp reads it, which refuses every other type.
    fn required(&mut self, key: &str) -> Option<u64> {
        match self.value(key) {
            None => self.found.remark(format!("{}.{key} is missing: llama.cpp refuses it", self.architecture)),
            Some(&Value::U32(number)) => return Some(number.into()),
            Some(_) => self.found.remark(format!("{key} is not a 32-bit number: llama.cpp refuses it")),
        }
        None
    }

    /// `n_layer_all > 0 && n_layer_all <= LLAMA_MAX_LAYERS` (`llama-model.cpp`, as the next ones).
    fn sizes(&mut self) {
        let context = self.required("context_length");
        let embedding = self.required("embedding_length");
        if context == Some(0) {
            self.found.remark("context_length is 0");
        }
        if embedding == Some(0) {
            self.found.remark("embedding_length is 0");
        }
        let Some(blocks) = self.required("block_count") else { return };
        if !(1..=MAX_LAYERS).contains(&blocks) {
            self.found.fatal(format!("block_count is {blocks}, 1 to {MAX_LAYERS} are possible"));
        }
        if let Some(&Value::U32(nextn)) = self.value("nextn_predict_layers")
            && u64::from(nextn) > blocks
        {
            self.found.fatal(format!("nextn_predict_layers is {nextn}, of {blocks} blocks"));
        }
    }

    fn experts(&mut self) {
        let number = |check: &Self, key: &str| check.number(key).unwrap_or(0);
        let (count, used) = (number(self, "expert_count"), number(self, "expert_used_count"));
        // llama.cpp takes a single expert for none here.
        if self.architecture.starts_with("hunyuan") && count <= 1 {
            return;
        }
        if count > MAX_EXPERTS {
            return self.found.fatal(format!("expert_count is {count}, at most {MAX_EXPERTS} are possible"));
        }
        if used > count || (count > 0 && used == 0) {
            return self.found.fatal(format!("expert_used_count is {used} of {count}"));
        }
        let (groups, groups_used) = (number(self, "expert_group_count"), number(self, "expert_group_used_count"));
        let is_grouped_right = match groups {
            0 => true,
            1 => count > 1,
            _ => groups < count && count.is_multiple_of(groups) && groups_used > 0 && groups_used < groups,
        };
        if !is_grouped_right {
            self.found.fatal(format!("expert_group_count is {groups} for {count} experts, {groups_used} of them used"));
        }
    }

    fn rope(&mut self) {
        match self.value("rope.scaling.type") {
            None => {}
            // `rope_scaling_type_train != LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED`.
            Some(Value::String(name)) if matches!(name.as_str(), "none" | "linear" | "yarn" | "longrope") => {}
            Some(Value::String(name)) => {
                let text = format!("rope.scaling.type {name} is not known");
                self.found.fatal(text);
            }
            Some(_) => self.found.remark("rope.scaling.type is not a text: llama.cpp refuses it"),
        }
        for key in ["rope.freq_base", "rope.freq_base_swa", "rope.scaling.factor", "rope.scale_linear"] {
            if let Some(value) = self.float(key).filter(|value| !value.is_finite() || *value < 0.0) {
                self.found.remark(format!("{key} is {:?}", value as f32));
            }
        }
    }

    /// `eps >= 0.0f` (`ggml-cpu/ops.cpp`, and the same on GPUs), of which NaN is none.
    fn epsilons(&mut self) {
        let key = "layer_norm_rms_epsilon";
        match self.float(&format!("attention.{key}")) {
            Some(value) if value.is_nan() || value < 0.0 => {
                let text = format!("{key} is {:?}", value as f32);
                if ROOT_MEAN_SQUARE.contains(&self.architecture) {
                    self.found.fatal(text);
                } else {
                    self.found.remark(text);
                }
            }
            Some(value) if value > 1.0 => self.found.remark(format!("{key} is {:?}", value as f32)),
            _ => {}
        }
    }

    fn vocabulary(&mut self) {
        // `id_to_token.size() == token_to_id.size()` (`llama-vocab.cpp`).
        if let Some(token) = self.header.tokens.repeated {
            self.found.fatal(format!("token {token} of the vocabulary appears twice"));
        }
        let metadata = &self.header.metadata;
        let model = metadata.str("tokenizer.ggml.model");
        // SentencePiece splits unknown characters into bytes; without byte tokens it throws an exception that
        // llama.cpp does not catch.
        if model == Some("llama") && !self.header.tokens.has_bytes {
            self.found.remark("its vocabulary has no tokens for bytes: text that it lacks ends the worker");
        }
        let tokens = metadata.array("tokenizer.ggml.tokens").map(|tokens| tokens.count);
        let rows = self.header.tensor("token_embd.weight").and_then(|tensor| tensor.dims.get(1).copied());
        if let (Some(tokens), Some(rows)) = (tokens, rows)
            && tokens != rows
        {
            self.found.remark(format!("its vocabulary has {tokens} tokens, its embedding {rows} rows"));
        }
    }

    fn tensors(&mut self) {
        let Some(blocks) = self.number("block_count") else { return };
        let mut highest = None;
        for (number, tensor) in (1..).zip(&self.header.tensors) {
            let (block, role) = role(&tensor.name);
            highest = highest.max(block);
            if let Some(problem) = odd_type(tensor, role) {
                self.found.remark(format!("tensor {number} ({}) {problem}", tensor.name));
            }
            if tensor.tensor_type != TensorType::F32 && block.is_none_or(|block| block < blocks) {
                self.narrow(number, tensor, role);
            }
        }
        let found = highest.map_or(0, |highest| highest + 1);
        let is_whole = part(&self.header.metadata).is_none();
        if is_whole && found > blocks {
            self.found.remark(format!("block_count is {blocks}, but there are tensors of {found} blocks"));
        }
    }
}

impl Check<'_> {
    /// A product or sum of F32 and another type: `unsupported types` (`ggml-cpu/binary-ops.cpp`).
    fn narrow(&mut self, number: usize, tensor: &Tensor, role: &str) {
        let kind = tensor.tensor_type.name();
        let text =
            format!("tensor {number} ({}) is {kind}: on a processor llama.cpp takes F32 alone there", tensor.name);
        let is_norm = NORMS.contains(&role);
        let is_summand = SUMMANDS.contains(&role);
        if is_norm && PLAIN_NORMS.contains(&self.architecture)
            || is_summand && WITH_SUMMANDS.contains(&self.architecture)
        {
            self.found.fatal_on_cpu(text);
        } else if is_norm || is_summand {
            self.found.remark(text);
        }
    }
}

/// Products with these types have no implementation.
fn odd_type(tensor: &Tensor, role: &str) -> Option<String> {
    let is_matrix = matches!(
        role,
        "token_embd.weight"
            | "output.weight"
            | "attn_q.weight"
            | "attn_k.weight"
            | "attn_v.weight"
            | "attn_qkv.weight"
            | "attn_output.weight"
            | "ffn_up.weight"
            | "ffn_gate.weight"
            | "ffn_down.weight"
            | "ffn_up_exps.weight"
            | "ffn_gate_exps.weight"
            | "ffn_down_exps.weight"
    );
    let is_odd = is_matrix && !tensor.tensor_type.is_for_weights();
    is_odd.then(|| format!("has the type {}, which weights never have", tensor.tensor_type.name()))
}

/// A tensor's block and the rest of its name.
fn role(name: &str) -> (Option<u64>, &str) {
    name.strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(block, role)| Some((Some(block.parse().ok()?), role)))
        .unwrap_or((None, name))
}
