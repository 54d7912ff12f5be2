//! The programs that serve models elsewhere: how each is asked, and what its tokens cost.

use serde::{Deserialize, Serialize};

/// The programs that serve models, by how they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Found out by what it answers.
    #[default]
    Auto,
    /// llama.cpp's server.
    LlamaServer,
    /// Ollama.
    Ollama,
    /// vLLM.
    Vllm,
    /// `SGLang`.
    Sglang,
    /// LM Studio.
    LmStudio,
    /// Whatever speaks the API of OpenAI.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic.
    Anthropic,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Auto,
        Self::LlamaServer,
        Self::Ollama,
        Self::Vllm,
        Self::Sglang,
        Self::LmStudio,
        Self::OpenAi,
        Self::Anthropic,
    ];

    /// Its name in config.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::LlamaServer => "llama-server",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LmStudio => "lm-studio",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// What tokens cost, per million of them, in the currency of `energy.currency`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Price {
    /// Of tokens that are read.
    pub input: Option<f64>,
    /// Of tokens that are written.
    pub output: Option<f64>,
}

impl Price {
    /// What an answer costs; `None` where the price of some of its tokens is not known. Prompt tokens that the engine had
    /// cached cost as much as others here: what an operator takes off for them is not known.
    pub fn cost(self, n_prompt: u64, n_generated: u64) -> Option<f64> {
        let part = |price: Option<f64>, tokens: u64| match (price, tokens) {
            (None, 0) => Some(0.0),
            (price, tokens) => price.map(|price| price * tokens as f64 / 1e6),
        };
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        Some(part(self.input, n_prompt)? + part(self.output, n_generated)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_costs() {
        for (input, output, expected) in [
            (None, None, None),
            (Some(2.0), None, None),
            (Some(2.0), Some(10.0), Some(0.0007)),
            (Some(0.0), Some(0.0), Some(0.0)),
        ] {
            let cost = Price { input, output }.cost(100, 50);
            assert_eq!(cost.map(|cost| (cost * 1e9).round()), expected.map(|cost: f64| (cost * 1e9).round()));
        }
        assert_eq!(Price { input: Some(2.0), output: None }.cost(1_000_000, 0), Some(2.0));
    }
}
