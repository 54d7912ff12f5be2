//! `OpenAI`'s API.

mod chat;
mod completions;
mod embeddings;
mod fields;
mod models;
mod responses;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::energy::UsageEnergy;
use super::error::{ApiError, Result};
use super::handle::Ending;
use super::stream::Whole;
use domain::session::End;
use wire::Finish;

/// What an answer's `system_fingerprint` says: what made it.
const FINGERPRINT: &str = concat!("taffrail-", env!("CARGO_PKG_VERSION"));

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(chat::create))
        .routes(routes!(completions::create))
        .routes(routes!(responses::create))
        .routes(routes!(embeddings::create))
        .routes(routes!(models::list))
        .routes(routes!(models::get))
}

/// The conversation of a request to have one continued; the model need not be named.
pub(super) fn chat(mut body: Map<String, Value>) -> Result<wire::Chat> {
    body.entry("model").or_insert_with(|| Value::String(String::new()));
    chat::read(body)
}

/// What keeps a silent stream alive.
const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// How much a model can be asked to reason.
const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];

/// Whether the model reasons, and what its template is told.
fn reasoning(
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
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The word for how an answer ended.
fn finish_reason(ending: &Ending, has_calls: bool) -> &'static str {
    match ending.end {
        End::Finished(Finish::Length | Finish::ContextFull) => "length",
        _ if has_calls => "tool_calls",
        _ => "stop",
    }
}

/// What answers took together: prompt tokens are those of one of them.
#[derive(Debug, Clone, Default)]
struct Usage {
    prompt: u32,
    cached: u32,
    generated: u32,
    reasoning: u32,
    energy: UsageEnergy,
}

impl Usage {
    fn started(&mut self, started: &wire::Started) {
        self.prompt = self.prompt.max(started.n_prompt);
        self.cached = self.cached.max(started.n_cached);
    }

    fn ended(&mut self, ending: &Ending) {
        let counters = &ending.figures.counters;
        self.energy.ended(ending.metered.as_ref());
        self.generated = self.generated.saturating_add(counters.n_generated);
        self.reasoning = self.reasoning.saturating_add(counters.n_reasoning);
    }

    fn of(answers: &[Whole]) -> Self {
        let mut usage = Self::default();
        for answer in answers {
            answer.started.iter().for_each(|started| usage.started(started));
            answer.ending.iter().for_each(|ending| usage.ended(ending));
        }
        usage
    }

    /// Whether a stream tells it: where the client has asked for usage, or for what only usage has.
    fn is_told(&self, include_usage: bool) -> bool {
        include_usage || self.energy.is_asked()
    }

    fn json(&self) -> Value {
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
fn sse(value: &Value, out: &mut String) {
    out.push_str("data: ");
    out.push_str(&value.to_string());
    out.push_str("\n\n");
}
