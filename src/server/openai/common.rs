//! What several of `OpenAI`'s endpoints have in common.

use serde_json::{Map, Value, json};

use crate::server::energy::UsageEnergy;
use crate::server::error::{ApiError, Result};
use crate::server::handle::Ending;
use crate::server::stream::Whole;
use domain::session::End;
use wire::Finish;

/// What an answer's `system_fingerprint` says: what made it.
pub(super) const FINGERPRINT: &str = concat!("taffrail-", env!("CARGO_PKG_VERSION"));

/// What keeps a silent stream alive.
pub(super) const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// How much a model can be asked to reason.
pub(super) const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];

/// Whether the model reasons, and what its template is told.
pub(super) fn reasoning(
    field: &str,
    effort: Option<&str>,
    options: Option<Map<String, Value>>,
) -> Result<(Option<bool>, Option<String>)> {
    let mut options = options.unwrap_or_default();
    let mut reasoning = options.get("enable_thinking").and_then(Value::as_bool);
    if let Some(effort) = effort {
        if !EFFORTS.contains(&effort) {
            return Err(ApiError::field(field, format!("must be one of {}", EFFORTS.join(", "))));
        }
        reasoning = Some(effort != "none");
        if effort != "none" {
            options.entry("reasoning_effort").or_insert_with(|| json!(effort));
        }
    }
    Ok((reasoning, (!options.is_empty()).then(|| Value::Object(options).to_string())))
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The word for how an answer ended.
pub(super) fn finish_reason(ending: &Ending, has_calls: bool) -> &'static str {
    match ending.end {
        End::Finished(Finish::Length | Finish::ContextFull) => "length",
        _ if has_calls => "tool_calls",
        _ => "stop",
    }
}

/// What answers took together: prompt tokens are those of one of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    pub(super) prompt: u32,
    pub(super) cached: u32,
    pub(super) generated: u32,
    pub(super) reasoning: u32,
    energy: UsageEnergy,
}

impl Usage {
    pub(super) fn started(&mut self, started: &wire::Started) {
        self.prompt = self.prompt.max(started.n_prompt);
        self.cached = self.cached.max(started.n_cached);
    }

    pub(super) fn ended(&mut self, ending: &Ending) {
        let counters = &ending.figures.counters;
        self.energy.ended(ending.metered.as_ref());
        self.generated = self.generated.saturating_add(counters.n_generated);
        self.reasoning = self.reasoning.saturating_add(counters.n_reasoning);
    }

    pub(super) fn of(answers: &[Whole]) -> Self {
        let mut usage = Self::default();
        for answer in answers {
            answer.started.iter().for_each(|started| usage.started(started));
            answer.ending.iter().for_each(|ending| usage.ended(ending));
        }
        usage
    }

    /// Whether a stream tells it: where the client has asked for usage, or for what only usage has.
    pub(super) fn is_told(&self, include_usage: bool) -> bool {
        include_usage || self.energy.is_asked()
    }

    pub(super) fn json(&self) -> Value {
        let mut usage = json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.generated,
            "total_tokens": u64::from(self.prompt) + u64::from(self.generated),
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        });
        self.energy.tell(&mut usage);
        usage
    }
}

/// An event of a stream without a name.
pub(super) fn sse(value: &Value, out: &mut String) {
    out.push_str("data: ");
    out.push_str(&value.to_string());
    out.push_str("\n\n");
}
