//! A model that another program runs, behind an address.

use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Grade};
use crate::model::Store;
use crate::units::Joules;

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

/// Where a model is that another program runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Remote {
    /// The engine's name: that of its section in config.toml, or of the discovery.
    pub engine: String,
    /// Its address, without any credentials.
    pub url: String,
    /// What it is. Never [`EngineKind::Auto`] once it has answered.
    pub kind: EngineKind,
    /// The model's name as the engine has it.
    pub model: String,
    /// The context that the engine gives it, in tokens, where it tells.
    pub context: Option<u32>,
    /// Whether the engine has it in memory, where it tells.
    pub is_loaded: Option<bool>,
    /// What its tokens cost.
    pub price: Price,
    /// What the engine's machine draws while it answers, in watts, where the user has metered it.
    pub watts: Option<f64>,
}

/// Why the energy of an answer from elsewhere is not known.
pub const NO_WATTS: &str = "it runs elsewhere, and no sensor of this machine sees it";

impl Remote {
    /// The id of a model in the library. A name that a store of files has too is told apart.
    pub fn id(engine: &str, model: &str) -> String {
        if Store::from_name(engine).is_some() {
            format!("remote.{engine}:{model}")
        } else {
            format!("{engine}:{model}")
        }
    }

    /// What an answer took that lasted so many seconds: an estimate from the watts that the user gave, else unknown.
    pub fn energy(&self, seconds: f64) -> Figure<Joules> {
        match self.watts {
            Some(watts) => Figure::Known {
                value: Joules(watts * seconds),
                grade: Grade::Estimated,
                source: format!("`watts` of [remote.{}] over the answer's time", self.engine),
            },
            None => Figure::Unknown {
                reason: NO_WATTS.to_owned(),
                remedy: Some(format!("set `watts` in [remote.{}] if you have metered it", self.engine)),
            },
        }
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

    #[test]
    fn an_engine_called_like_a_store_is_told_apart() {
        assert_eq!(Remote::id("lab", "qwen3:8b"), "lab:qwen3:8b");
        assert_eq!(Remote::id("ollama", "qwen3:8b"), "remote.ollama:qwen3:8b");
    }

    #[test]
    fn energy_is_estimated_from_the_users_watts_or_unknown() {
        let mut remote = Remote { engine: "lab".to_owned(), ..Remote::default() };
        assert_eq!(remote.energy(2.0).value(), None);
        remote.watts = Some(300.0);
        let energy = remote.energy(2.0);
        assert_eq!((energy.value(), energy.grade()), (Some(&Joules(600.0)), Some(Grade::Estimated)));
    }
}
