//! Refuses well-formed headers that llama.cpp would abort at, or that no model has.
//!
//! llama.cpp checks much by itself and says so in an error; what it checks with an assertion kills the process. Each
//! rule below stands for one such assertion (its place is named) or for a value that no model can have. Rules about
//! names and shapes of tensors hold for the [`PLAIN`] architectures alone, so that exotic ones aren't refused by
//! mistake.

use crate::{
    describe::{arch_number, kind, part},
    error::Error,
    header::{Header, Tensor},
    shape::MAX_LAYERS,
    summary::Kind,
    types::TensorType,
    value::{Value, ValueType},
};

/// Decoders of the common build: each layer has the usual tensors under the usual names.
const PLAIN: &[&str] = &[
    "llama",
    "qwen2",
    "qwen3",
    "qwen2moe",
    "qwen3moe",
    "mistral3",
    "gemma",
    "gemma2",
    "gemma3",
    "phi3",
    "internlm2",
    "smollm3",
    "granite",
    "olmo2",
    "starcoder2",
    "stablelm",
    "seed_oss",
];
/// ggml's `TENSOR_ALIGNMENT`, bytes.
const TENSOR_ALIGNMENT: u64 = 32;
/// `LLAMA_MAX_EXPERTS`.
const MAX_EXPERTS: u64 = 1024;
/// Rows of a matrix that no model comes near.
const MAX_EMBEDDING: u64 = 1 << 20;

pub(crate) fn check(header: &Header) -> Result<(), Error> {
    split(header)?;
    if kind(header) != Kind::Model {
        return Ok(());
    }
    // `(uintptr_t)ptr % TENSOR_ALIGNMENT == 0` for the mapped file (`ggml-backend.cpp`).
    if !header.tensors.is_empty() && !header.data_offset.is_multiple_of(TENSOR_ALIGNMENT) {
        let problem = format!("tensor data starts at byte {}, no multiple of {TENSOR_ALIGNMENT}", header.data_offset);
        return Err(Error::implausible(problem));
    }
    if part(&header.metadata).is_some_and(|part| part.number > 1) {
        // Only the first part has the model's keys.
        return Ok(());
    }
    let Some(architecture) = header.architecture().filter(|name| !name.is_empty()) else {
        return Err(Error::implausible("general.architecture is missing"));
    };
    let check = Check { header, architecture, is_plain: PLAIN.contains(&architecture) };
    check.sizes()?;
    check.experts()?;
    check.heads()?;
    check.rope()?;
    check.epsilons()?;
    check.vocabulary()?;
    check.tensors()
}

/// Later parts are read with an accessor that asserts the type (`llama-model-loader.cpp`).
fn split(header: &Header) -> Result<(), Error> {
    let metadata = &header.metadata;
    for key in ["split.no", "split.count"] {
        if metadata.get(key).is_some_and(|value| value.value_type() != ValueType::U16) {
            return Err(Error::implausible(format!("{key} is not a 16-bit number")));
        }
    }
    let (number, count) = (metadata.u64("split.no"), metadata.u64("split.count"));
    match (number, count) {
        (Some(number), Some(count)) if number >= count.max(1) => {
            Err(Error::implausible(format!("split.no {number} is not below split.count {count}")))
        }
        (None, Some(count)) if count > 1 => Err(Error::implausible("split.no is missing")),
        _ => Ok(()),
    }
}

struct Check<'a> {
    header: &'a Header,
    architecture: &'a str,
    is_plain: bool,
}

impl Check<'_> {
    fn number(&self, key: &str) -> Option<u64> {
        arch_number(self.header, key)
    }

    fn float(&self, key: &str) -> Option<f64> {
        self.header.metadata.f64(&format!("{}.{key}", self.architecture))
    }

    /// `{arch}.{key}`, which must be there and within bounds.
    fn required(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Error> {
        match self.header.metadata.get(&format!("{}.{key}", self.architecture)) {
            None => Err(Error::implausible(format!("{}.{key} is missing", self.architecture))),
            Some(&Value::U32(number)) if range.contains(&number.into()) => Ok(number.into()),
            Some(&Value::U32(number)) => Err(implausible(key, number)),
            Some(_) => Err(Error::implausible(format!("{key} is not a 32-bit number"))),
        }
    }

    /// `n_layer_all > 0 && n_layer_all <= LLAMA_MAX_LAYERS` (`llama-model.cpp`, as the next ones).
    fn sizes(&self) -> Result<(), Error> {
        let blocks = self.required("block_count", 1..=MAX_LAYERS)?;
        self.required("context_length", 1..=i32::MAX as u64)?;
        self.required("embedding_length", 1..=MAX_EMBEDDING)?;
        match self.number("nextn_predict_layers") {
            Some(nextn) if nextn > blocks => Err(implausible("nextn_predict_layers", nextn)),
            _ => Ok(()),
        }
    }

    fn experts(&self) -> Result<(), Error> {
        let number = |key: &str| self.number(key).unwrap_or(0);
        let (count, used) = (number("expert_count"), number("expert_used_count"));
        // llama.cpp takes a single expert for none here.
        if self.architecture.starts_with("hunyuan") && count <= 1 {
            return Ok(());
        }
        if count > MAX_EXPERTS {
            return Err(implausible("expert_count", count));
        }
        if used > count || (count > 0 && used == 0) {
            return Err(Error::implausible(format!("expert_used_count {used} of {count} is not plausible")));
        }
        let (groups, groups_used) = (number("expert_group_count"), number("expert_group_used_count"));
        let is_grouped_right = match groups {
            0 => true,
            1 => count > 1,
            _ => groups < count && count.is_multiple_of(groups) && groups_used > 0 && groups_used < groups,
        };
        if is_grouped_right { Ok(()) } else { Err(implausible("expert_group_count", groups)) }
    }

    fn heads(&self) -> Result<(), Error> {
        if !self.is_plain {
            return Ok(());
        }
        let embedding = self.number("embedding_length").unwrap_or(0);
        let list = |key: &str| self.header.metadata.u64s(&format!("{}.attention.{key}", self.architecture));
        let heads = list("head_count").unwrap_or_default();
        let first = heads.first().copied().unwrap_or(0);
        if first == 0 || heads.iter().any(|&heads| heads > embedding) {
            return Err(implausible("head_count", heads.iter().copied().max().unwrap_or(0)));
        }
        if self.number("attention.key_length").is_none() && !embedding.is_multiple_of(first) {
            return Err(Error::implausible(format!("embedding_length {embedding} can't be shared by {first} heads")));
        }
        for (layer, heads_kv) in list("head_count_kv").unwrap_or_default().into_iter().enumerate() {
            let heads = heads.get(layer).copied().unwrap_or(first);
            if heads_kv == 0 || heads_kv > heads || !heads.is_multiple_of(heads_kv) {
                return Err(Error::implausible(format!("head_count_kv {heads_kv} for {heads} heads is not plausible")));
            }
        }
        // `n_embd_head == hparams.n_embd_head_k()`, an assertion of most graphs (`models/*.cpp`).
        let head = embedding / first;
        let (key, value) = (self.number("attention.key_length"), self.number("attention.value_length"));
        let (key, value) = (key.unwrap_or(head), value.unwrap_or(head));
        if key != value || key == 0 {
            return Err(Error::implausible(format!("key_length {key} and value_length {value} are not plausible")));
        }
        Ok(())
    }

    fn rope(&self) -> Result<(), Error> {
        let key = format!("{}.rope.scaling.type", self.architecture);
        match self.header.metadata.get(&key) {
            None => {}
            // `rope_scaling_type_train != LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED`.
            Some(Value::String(name)) if matches!(name.as_str(), "none" | "linear" | "yarn" | "longrope") => {}
            Some(Value::String(name)) => {
                return Err(Error::implausible(format!("rope.scaling.type {name} is not known")));
            }
            Some(_) => return Err(Error::implausible("rope.scaling.type is not a text")),
        }
        for key in ["rope.freq_base", "rope.freq_base_swa", "rope.scaling.factor", "rope.scale_linear"] {
            if let Some(value) = self.float(key).filter(|value| !value.is_finite() || *value < 0.0) {
                return Err(implausible(key, format!("{:?}", value as f32)));
            }
        }
        // A rotation wider than the head reads past its end (`ggml_compute_forward_rope`).
        let head = self.number("attention.key_length").or_else(|| {
            let heads = self.header.metadata.u64s(&format!("{}.attention.head_count", self.architecture))?;
            self.number("embedding_length")?.checked_div(*heads.first()?)
        });
        let Some(rotated) = self.number("rope.dimension_count") else { return Ok(()) };
        let too_wide = head.is_some_and(|head| rotated > head);
        let is_odd = self.is_plain && !rotated.is_multiple_of(2);
        // The graph of llama rotates whole heads: `n_embd_head == n_rot`.
        let is_partial = self.architecture == "llama" && head.is_some_and(|head| rotated != head);
        if too_wide || is_odd || is_partial { Err(implausible("rope.dimension_count", rotated)) } else { Ok(()) }
    }

    /// `eps >= 0.0f` (`ggml-cpu/ops.cpp`).
    fn epsilons(&self) -> Result<(), Error> {
        for key in ["layer_norm_rms_epsilon", "layer_norm_epsilon", "group_norm_epsilon"] {
            if let Some(value) = self.float(&format!("attention.{key}")).filter(|value| !(0.0..=1.0).contains(value)) {
                return Err(implausible(key, format!("{:?}", value as f32)));
            }
        }
        Ok(())
    }

    fn vocabulary(&self) -> Result<(), Error> {
        // `id_to_token.size() == token_to_id.size()` (`llama-vocab.cpp`).
        if let Some(token) = self.header.tokens.repeated {
            return Err(Error::implausible(format!("token {token} of the vocabulary appears twice")));
        }
        let metadata = &self.header.metadata;
        // Vocabularies of this kind assert that they have a line break, which no other kind's tokens spell that way.
        if metadata.str("tokenizer.ggml.model") == Some("rwkv") && !self.architecture.contains("rwkv") {
            return Err(Error::implausible(format!("tokenizer rwkv is not plausible for {}", self.architecture)));
        }
        // SentencePiece takes unknown characters apart into bytes, and throws past llama.cpp's handlers without them.
        if metadata.str("tokenizer.ggml.model") == Some("llama") && !self.header.tokens.has_bytes {
            return Err(Error::implausible("tokenizer llama has no tokens for bytes"));
        }
        let Some(tokens) = metadata.array("tokenizer.ggml.tokens").filter(|_| self.is_plain) else { return Ok(()) };
        let rows = self.header.tensor("token_embd.weight").and_then(|tensor| tensor.dims.get(1).copied());
        match rows {
            Some(rows) if rows != tokens.count => {
                Err(Error::implausible(format!("vocabulary of {} tokens has {rows} embeddings", tokens.count)))
            }
            _ => Ok(()),
        }
    }

    fn tensors(&self) -> Result<(), Error> {
        let blocks = self.number("block_count").unwrap_or(0);
        let embedding = self.number("embedding_length").unwrap_or(0);
        let mut highest = None;
        for (number, tensor) in (1..).zip(&self.header.tensors) {
            let (block, role) = role(&tensor.name);
            if let Some(block) = block {
                if block >= blocks {
                    let problem = format!("is of block {block}, but block_count is {blocks}");
                    return Err(Error::tensor(number, &tensor.name, problem));
                }
                highest = highest.max(Some(block));
            }
            if let Err(problem) = self.tensor(tensor, role, embedding) {
                return Err(Error::tensor(number, &tensor.name, problem));
            }
        }
        let found = highest.map_or(0, |highest| highest + 1);
        let is_whole = part(&self.header.metadata).is_none();
        let expected = blocks - self.number("nextn_predict_layers").unwrap_or(0);
        if self.is_plain && is_whole && found < expected {
            return Err(Error::implausible(format!(
                "block_count is {blocks}, but there are tensors of {found} blocks"
            )));
        }
        Ok(())
    }

    fn tensor(&self, tensor: &Tensor, role: &str, embedding: u64) -> Result<(), String> {
        // Products with these types have no implementation, and abort.
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
        if is_matrix && !tensor.tensor_type.is_for_weights() {
            return Err(format!("has the type {}, which no weights have", tensor.tensor_type.name()));
        }
        if !self.is_plain {
            return Ok(());
        }
        // Sums and products with another type than F32 abort (`ggml-cpu/binary-ops.cpp`).
        let is_vector = role.ends_with("norm.weight") || role.rsplit_once('.').is_some_and(|(_, end)| end == "bias");
        if is_vector && tensor.tensor_type != TensorType::F32 {
            return Err(format!("has the type {}, not F32", tensor.tensor_type.name()));
        }
        let first = tensor.dims.first().copied().unwrap_or(1);
        let starts_with_embedding = matches!(
            role,
            "token_embd.weight"
                | "output.weight"
                | "output_norm.weight"
                | "attn_norm.weight"
                | "ffn_norm.weight"
                | "attn_q.weight"
                | "attn_k.weight"
                | "attn_v.weight"
                | "attn_qkv.weight"
                | "ffn_up.weight"
                | "ffn_gate.weight"
        );
        if starts_with_embedding && first != embedding {
            return Err(format!("has rows of {first}, but embedding_length is {embedding}"));
        }
        Ok(())
    }
}

fn implausible(key: &str, value: impl std::fmt::Display) -> Error {
    Error::implausible(format!("{key} {value} is not plausible"))
}

/// A tensor's block and the rest of its name.
fn role(name: &str) -> (Option<u64>, &str) {
    name.strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(block, role)| Some((Some(block.parse().ok()?), role)))
        .unwrap_or((None, name))
}
