//! What `config.json` says of a model.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use domain::model::Format;

/// What a GGUF of no keys and no tensors says: nothing.
static EMPTY: LazyLock<Option<gguf::Summary>> = LazyLock::new(|| {
    let bytes = [&b"GGUF"[..], &3_u32.to_le_bytes(), &[0; 16]].concat();
    gguf::Header::read(&bytes[..]).ok().map(|header| header.summary())
});

/// The longest name of an architecture or method, characters.
const WORD_CHARS: usize = 40;

/// What a `config.json` says; what it does not say is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) format: Format,
    architecture: Option<String>,
    quant: Option<String>,
    context_length: Option<u64>,
    block_count: Option<u64>,
    embedding_length: Option<u64>,
    head_count: Option<u64>,
    head_count_kv: Option<u64>,
    vocabulary: Option<u64>,
    experts: Option<(u64, u64)>,
}

impl Config {
    /// Weights of a kind that nothing tells.
    pub(super) fn unknown() -> Self {
        Self { format: Format::Safetensors, ..Self::default() }
    }

    pub(super) fn parse(bytes: &[u8]) -> Self {
        let Ok(config) = serde_json::from_slice::<Value>(bytes) else { return Self::unknown() };
        // What sees or hears has its language model inside.
        let inner = config.get("text_config").unwrap_or(&Value::Null);
        let find = |names: &[&str]| names.iter().find_map(|name| config.get(name).or_else(|| inner.get(name)));
        let number = |names: &[&str]| find(names).and_then(Value::as_u64);
        let word = |names: &[&str]| find(names).and_then(Value::as_str).map(|word| gguf::clean(word, WORD_CHARS));
        let quantization = find(&["quantization_config"]);
        let bits = |object: &Value| object.get("bits").and_then(Value::as_u64);
        let method = quantization.and_then(|quantization| quantization.get("quant_method")).and_then(Value::as_str);
        let with_bits = |name: &str, object: Option<&Value>| match object.and_then(bits) {
            Some(bits) => format!("{name}-{bits}"),
            None => name.to_owned(),
        };
        let (format, quant) = match method {
            Some("gptq") => (Format::Gptq, Some(with_bits("GPTQ", quantization))),
            Some("awq") => (Format::Awq, Some(with_bits("AWQ", quantization))),
            Some("fp8" | "fbgemm_fp8") => (Format::Fp8, Some("FP8".to_owned())),
            Some(other) => (Format::Safetensors, Some(with_bits(&gguf::clean(other, WORD_CHARS), quantization))),
            None => match config.get("quantization").filter(|quantization| bits(quantization).is_some()) {
                Some(quantization) => (Format::Mlx, Some(with_bits("MLX", Some(quantization)))),
                None => (Format::Safetensors, float(word(&["torch_dtype", "dtype"]).as_deref())),
            },
        };
        let experts = number(&["num_local_experts", "num_experts", "n_routed_experts"]);
        Self {
            format,
            quant,
            architecture: config.get("model_type").and_then(Value::as_str).map(|word| gguf::clean(word, WORD_CHARS)),
            context_length: number(&["max_position_embeddings", "n_positions", "max_seq_len"]),
            block_count: number(&["num_hidden_layers", "n_layer"]),
            embedding_length: number(&["hidden_size", "n_embd"]),
            head_count: number(&["num_attention_heads", "n_head"]),
            head_count_kv: number(&["num_key_value_heads"]),
            vocabulary: number(&["vocab_size"]),
            experts: experts.zip(number(&["num_experts_per_tok"])),
        }
    }

    /// The same as a header would say it. Parameters stay 0, which is unknown: only the weights tell them.
    pub(super) fn summary(self) -> Option<gguf::Summary> {
        let empty = EMPTY.as_ref()?.clone();
        Some(gguf::Summary {
            kind: gguf::Kind::Model,
            architecture: self.architecture,
            quant: self.quant,
            context_length: self.context_length,
            block_count: self.block_count,
            embedding_length: self.embedding_length,
            head_count: self.head_count,
            head_count_kv: self.head_count_kv,
            vocabulary: self.vocabulary,
            experts: self.experts,
            ..empty
        })
    }
}

fn float(name: Option<&str>) -> Option<String> {
    Some(
        match name? {
            "bfloat16" => "BF16",
            "float16" => "F16",
            "float32" => "F32",
            _ => return None,
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (config, format, quant) in [
            (r#"{"model_type":"llama","torch_dtype":"bfloat16"}"#, Format::Safetensors, Some("BF16")),
            (r#"{"quantization_config":{"quant_method":"gptq","bits":4}}"#, Format::Gptq, Some("GPTQ-4")),
            (r#"{"quantization_config":{"quant_method":"awq","bits":4}}"#, Format::Awq, Some("AWQ-4")),
            (r#"{"quantization_config":{"quant_method":"fp8"}}"#, Format::Fp8, Some("FP8")),
            (r#"{"quantization_config":{"quant_method":"bitsandbytes"}}"#, Format::Safetensors, Some("bitsandbytes")),
            (r#"{"quantization":{"group_size":64,"bits":4}}"#, Format::Mlx, Some("MLX-4")),
            // MLX writes both ways at once.
            (
                r#"{"quantization":{"group_size":64,"bits":8},"quantization_config":{"group_size":64,"bits":8}}"#,
                Format::Mlx,
                Some("MLX-8"),
            ),
            ("{}", Format::Safetensors, None),
            ("[]", Format::Safetensors, None),
            ("no JSON", Format::Safetensors, None),
            (r#"{"torch_dtype":7,"quantization":{"bits":"four"}}"#, Format::Safetensors, None),
        ] {
            let found = Config::parse(config.as_bytes());
            assert_eq!((found.format, found.quant.as_deref()), (format, quant), "{config}");
        }
    }

    #[test]
    fn what_a_config_tells() {
        let config = r#"{"model_type":"gemma3","text_config":{"hidden_size":2560,"num_hidden_layers":34,
            "max_position_embeddings":131072,"num_attention_heads":8,"num_key_value_heads":4,"vocab_size":262208}}"#;
        let summary = Config::parse(config.as_bytes()).summary().unwrap();
        assert_eq!(summary.architecture.as_deref(), Some("gemma3"));
        assert_eq!(summary.context_length, Some(131_072));
        assert_eq!(summary.head_count_kv, Some(4));
        assert_eq!(summary.vocabulary, Some(262_208));
        assert_eq!(summary.parameters, 0);
    }
}
