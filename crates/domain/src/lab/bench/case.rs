//! One speed that is measured, and why a repetition of it does not count.

use serde::{Deserialize, Serialize};

/// One speed that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TestCase {
    /// Tokens of the prompt; 0 where generation is measured.
    pub n_prompt: u32,
    /// Tokens to generate; 0 where the prompt is measured.
    pub n_generate: u32,
    /// Tokens in the context before.
    pub depth: u32,
    /// Sequences.
    pub parallel: u32,
    /// Tokens per call.
    pub batch: u32,
}

impl TestCase {
    /// `pp` for reading a prompt, `tg` for generating.
    pub fn what(&self) -> &'static str {
        if self.n_prompt > 0 { "pp" } else { "tg" }
    }

    /// What is measured, as llama-bench writes it: `pp512`, `tg128 @ d4096`, with `× 4` for sequences.
    pub fn label(&self) -> String {
        let depth = if self.depth > 0 { format!(" @ d{}", self.depth) } else { String::new() };
        let parallel = if self.parallel > 1 { format!(" × {}", self.parallel) } else { String::new() };
        format!("{}{}{depth}{parallel}", self.what(), self.n_prompt.max(self.n_generate))
    }

    /// All that tells it from another cell.
    pub fn key(&self) -> String {
        format!("{} b{}", self.label(), self.batch)
    }

    /// Tokens that count in one repetition.
    pub fn n_tokens(&self) -> u64 {
        u64::from(self.n_prompt.max(self.n_generate)) * u64::from(self.parallel)
    }

    /// Context that one sequence needs, in tokens.
    pub fn n_context(&self) -> u32 {
        self.depth.saturating_add(self.n_prompt).saturating_add(self.n_generate)
    }
}

/// Why a repetition does not count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disturbance {
    /// Heat held the clock down.
    Throttled,
    /// Other processes took so many cores.
    Busy(f64),
}

impl std::fmt::Display for Disturbance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Throttled => f.pad("throttled by heat"),
            Self::Busy(cores) => f.pad(&format!("other programs took {cores:.1} cores")),
        }
    }
}
