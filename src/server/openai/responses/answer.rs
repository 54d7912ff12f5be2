//! What `/v1/responses` answers.

use serde_json::{Value, json};

use crate::server::energy::UsageEnergy;
use crate::server::handle::Ending;
use crate::server::incoming::Name;
use crate::server::stream::Whole;
use domain::session::End;
use wire::{Finish, Started, ToolCall};

/// What names a response.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Its id is what the ids of the response and its items have in common.
    pub(super) name: Name,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// What is repeated of the request.
    pub(super) echo: Value,
}

/// Where a response is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// At a limit.
    Incomplete,
    Failed,
}

impl Status {
    pub(super) fn of(ending: &Ending) -> Self {
        match ending.end {
            End::Finished(Finish::Length | Finish::ContextFull) => Self::Incomplete,
            _ => Self::Completed,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

pub(super) fn usage(started: Option<&Started>, ending: &Ending) -> Value {
    let (prompt, cached) = started.map_or((0, 0), |started| (started.n_prompt, started.n_cached));
    let counters = &ending.figures.counters;
    let mut usage = json!({
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": counters.n_generated,
        "output_tokens_details": {"reasoning_tokens": counters.n_reasoning},
        "total_tokens": u64::from(prompt) + u64::from(counters.n_generated),
    });
    UsageEnergy::of(ending.metered.as_ref()).tell(&mut usage);
    usage
}

impl Head {
    /// The response with these items.
    pub(super) fn response(&self, status: Status, output: &[Value], usage: &Value) -> Value {
        let details = (status == Status::Incomplete).then(|| json!({"reason": "max_output_tokens"}));
        let mut response = json!({
            "id": format!("resp_{}", self.name.id),
            "object": "response",
            "created_at": self.created,
            "status": status.word(),
            "error": null,
            "incomplete_details": details,
            "model": self.name.model,
            "output": output,
            "usage": usage,
        });
        if let (Some(response), Some(echo)) = (response.as_object_mut(), self.echo.as_object()) {
            response.extend(echo.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        response
    }

    /// An answer as a whole.
    pub(super) fn whole(&self, answer: &Whole) -> Value {
        let ending = answer.ending.clone().unwrap_or_default();
        let status = Status::of(&ending);
        let mut output = Vec::new();
        if !answer.reasoning.is_empty() {
            output.push(self.reasoning(output.len(), &answer.reasoning, Status::Completed));
        }
        if !answer.text.is_empty() || answer.tool_calls.is_empty() {
            output.push(self.message(output.len(), Some(&answer.text), status));
        }
        for call in &answer.tool_calls {
            output.push(self.call(output.len(), call, status));
        }
        self.response(status, &output, &usage(answer.started.as_ref(), &ending))
    }

    /// The item of this place that says this; nothing yet where that is to come.
    pub(super) fn message(&self, place: usize, text: Option<&str>, status: Status) -> Value {
        let content: Vec<Value> = text.map(text_part).into_iter().collect();
        json!({
            "id": self.item("msg", place),
            "type": "message",
            "status": status.word(),
            "role": "assistant",
            "content": content,
        })
    }

    pub(super) fn reasoning(&self, place: usize, text: &str, status: Status) -> Value {
        let content = if text.is_empty() { json!([]) } else { json!([{"type": "reasoning_text", "text": text}]) };
        json!({
            "id": self.item("rs", place),
            "type": "reasoning",
            "status": status.word(),
            "summary": [],
            "content": content,
        })
    }

    pub(super) fn call(&self, place: usize, call: &ToolCall, status: Status) -> Value {
        json!({
            "id": self.item("fc", place),
            "type": "function_call",
            "status": status.word(),
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        })
    }

    /// The id of an item.
    pub(super) fn item(&self, kind: &str, place: usize) -> String {
        format!("{kind}_{}_{place}", self.name.id)
    }
}

/// A part that is text.
pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
