//! What a line of an answer says, as the various APIs have it.

use serde_json::Value;

use super::client::said_by;
use domain::model::remote::EngineKind;
use wire::{Channel, Finish, ToolCallDelta};

/// The most that one text of a line adds, in bytes: the domain bounds the whole answer.
const MAX_TEXT: usize = 1 << 20;

/// What a line adds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Delta {
    /// Text, in order.
    pub(super) pieces: Vec<(Channel, String)>,
    /// Calls of tools.
    pub(super) tool_calls: Vec<ToolCallDelta>,
    /// Why it ended.
    pub(super) finish: Option<Finish>,
    /// The text that ended it.
    pub(super) stop_text: Option<String>,
    /// Figures.
    pub(super) usage: Usage,
    /// What the engine says is wrong.
    pub(super) error: Option<String>,
    /// Nothing follows.
    pub(super) is_last: bool,
}

/// Figures by the engine's own account; what it does not tell is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub(super) n_prompt: Option<u32>,
    /// Of these, cached ones.
    pub(super) n_cached: Option<u32>,
    /// Tokens of the answer.
    pub(super) n_generated: Option<u32>,
    /// Of these, tokens of reasoning.
    pub(super) n_reasoning: Option<u32>,
    /// Microseconds in which the prompt was read.
    pub(super) prompt_us: Option<u64>,
    /// Microseconds in which the answer was written.
    pub(super) generation_us: Option<u64>,
    /// Microseconds that the engine spent on the way to the first token.
    pub(super) ttft_us: Option<u64>,
}

impl Usage {
    /// Take what is newer.
    pub(super) fn take(&mut self, newer: Self) {
        let Self { n_prompt, n_cached, n_generated, n_reasoning, prompt_us, generation_us, ttft_us } = newer;
        self.n_prompt = n_prompt.or(self.n_prompt);
        self.n_cached = n_cached.or(self.n_cached);
        self.n_generated = n_generated.or(self.n_generated);
        self.n_reasoning = n_reasoning.or(self.n_reasoning);
        self.prompt_us = prompt_us.or(self.prompt_us);
        self.generation_us = generation_us.or(self.generation_us);
        self.ttft_us = ttft_us.or(self.ttft_us);
    }
}

/// Read a line of an answer by an engine of this kind; `None` where it says nothing.
pub(super) fn read(kind: EngineKind, line: &str) -> Option<Delta> {
    let line = line.trim();
    let text = match kind {
        EngineKind::Ollama => line,
        // Names of events stand in their data as well.
        _ => line.strip_prefix("data:").map(str::trim).or_else(|| line.strip_prefix("error:"))?,
    };
    if text == "[DONE]" {
        return Some(Delta { is_last: true, ..Delta::default() });
    }
    if text.is_empty() {
        return None;
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Some(Delta { error: Some("a line of its answer is not JSON".to_owned()), ..Delta::default() });
    };
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return Some(Delta { error: Some(said_by(text.as_bytes())), ..Delta::default() });
    }
    Some(match kind {
        EngineKind::Ollama => ollama(&value),
        EngineKind::Anthropic => anthropic(&value),
        _ => openai(&value),
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str().filter(|text| !text.is_empty())?;
    Some(text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default().to_owned())
}

fn tokens(value: &Value, at: &str) -> Option<u32> {
    value.pointer(at).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok())
}

/// A time in units of so many microseconds; what is negative or no number is unknown.
fn micros(value: &Value, at: &str, unit: f64) -> Option<u64> {
    let time = value.pointer(at)?.as_f64().filter(|time| time.is_finite() && *time >= 0.0 && *time < 1e15)?;
    Some((time * unit) as u64)
}

fn finish(word: &str) -> Finish {
    match word {
        "length" | "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        _ => Finish::Stop,
    }
}

fn openai(value: &Value) -> Delta {
    let mut delta = Delta::default();
    if let Some(choice) = value.pointer("/choices/0") {
        for (at, channel) in [
            ("/delta/reasoning_content", Channel::Reasoning),
            ("/delta/reasoning", Channel::Reasoning),
            ("/delta/content", Channel::Answer),
            ("/text", Channel::Answer),
        ] {
            // Some tell reasoning by both names.
            let is_told = at == "/delta/reasoning" && !delta.pieces.is_empty();
            delta.pieces.extend(text(choice.pointer(at)).filter(|_| !is_told).map(|text| (channel, text)));
        }
        let calls = choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten();
        let call = |(place, call): (usize, &Value)| ToolCallDelta {
            index: tokens(call, "/index").unwrap_or(place as u32),
            id: text(call.get("id")),
            name: text(call.pointer("/function/name")),
            arguments: text(call.pointer("/function/arguments")).unwrap_or_default(),
        };
        delta.tool_calls = calls.enumerate().map(call).collect();
        delta.finish = choice.get("finish_reason").and_then(Value::as_str).map(finish);
        delta.stop_text = text(choice.get("stop_reason"));
    }
    let usage = &mut delta.usage;
    usage.n_prompt = tokens(value, "/usage/prompt_tokens");
    usage.n_cached = tokens(value, "/usage/prompt_tokens_details/cached_tokens");
    usage.n_generated = tokens(value, "/usage/completion_tokens");
    usage.n_reasoning = tokens(value, "/usage/completion_tokens_details/reasoning_tokens");
    // llama-server.
    if value.get("timings").is_some() {
        usage.prompt_us = micros(value, "/timings/prompt_ms", 1e3);
        usage.generation_us = micros(value, "/timings/predicted_ms", 1e3);
        usage.ttft_us = usage.prompt_us;
        usage.n_cached = tokens(value, "/timings/cache_n").or(usage.n_cached);
        let read = tokens(value, "/timings/prompt_n").map(|read| read.saturating_add(usage.n_cached.unwrap_or(0)));
        usage.n_prompt = usage.n_prompt.or(read);
        usage.n_generated = usage.n_generated.or(tokens(value, "/timings/predicted_n"));
    }
    // LM Studio.
    if value.get("stats").is_some() {
        usage.ttft_us = ["/stats/time_to_first_token", "/stats/time_to_first_token_seconds"]
            .iter()
            .find_map(|at| micros(value, at, 1e6));
        usage.generation_us = micros(value, "/stats/generation_time", 1e6);
    }
    delta
}

fn ollama(value: &Value) -> Delta {
    let mut delta = Delta { is_last: value.get("done").is_some_and(|done| done == true), ..Delta::default() };
    for (at, channel) in [
        ("/message/thinking", Channel::Reasoning),
        ("/thinking", Channel::Reasoning),
        ("/message/content", Channel::Answer),
        ("/response", Channel::Answer),
    ] {
        delta.pieces.extend(text(value.pointer(at)).map(|text| (channel, text)));
    }
    let calls = value.pointer("/message/tool_calls").and_then(Value::as_array).into_iter().flatten();
    let call = |(place, call): (usize, &Value)| ToolCallDelta {
        index: tokens(call, "/function/index").unwrap_or(place as u32),
        id: text(call.get("id")).or_else(|| Some(format!("call_{place}"))),
        name: text(call.pointer("/function/name")),
        arguments: call.pointer("/function/arguments").map(ToString::to_string).unwrap_or_default(),
    };
    delta.tool_calls = calls.enumerate().map(call).collect();
    if delta.is_last {
        delta.finish = Some(finish(value.get("done_reason").and_then(Value::as_str).unwrap_or("stop")));
        let usage = &mut delta.usage;
        usage.n_prompt = tokens(value, "/prompt_eval_count");
        usage.n_generated = tokens(value, "/eval_count");
        usage.prompt_us = micros(value, "/prompt_eval_duration", 1e-3);
        usage.generation_us = micros(value, "/eval_duration", 1e-3);
        let load = micros(value, "/load_duration", 1e-3).unwrap_or(0);
        usage.ttft_us = usage.prompt_us.map(|prompt| prompt + load);
    }
    delta
}

fn anthropic(value: &Value) -> Delta {
    let mut delta = Delta::default();
    let index = tokens(value, "/index").unwrap_or(0);
    match value.get("type").and_then(Value::as_str).unwrap_or_default() {
        "message_start" => delta.usage = anthropic_usage(value.pointer("/message/usage")),
        "content_block_start" if value.pointer("/content_block/type").is_some_and(|kind| kind == "tool_use") => {
            delta.tool_calls.push(ToolCallDelta {
                index,
                id: text(value.pointer("/content_block/id")),
                name: text(value.pointer("/content_block/name")),
                arguments: String::new(),
            });
        }
        "content_block_delta" => {
            delta.pieces.extend(text(value.pointer("/delta/thinking")).map(|text| (Channel::Reasoning, text)));
            delta.pieces.extend(text(value.pointer("/delta/text")).map(|text| (Channel::Answer, text)));
            if let Some(arguments) = text(value.pointer("/delta/partial_json")) {
                delta.tool_calls.push(ToolCallDelta { index, id: None, name: None, arguments });
            }
        }
        "message_delta" => {
            delta.finish = value.pointer("/delta/stop_reason").and_then(Value::as_str).map(finish);
            delta.stop_text = text(value.pointer("/delta/stop_sequence"));
            delta.usage = anthropic_usage(value.get("usage"));
        }
        "message_stop" => delta.is_last = true,
        _ => {}
    }
    delta
}

/// Anthropic counts cached tokens beside the others.
fn anthropic_usage(usage: Option<&Value>) -> Usage {
    let Some(usage) = usage else { return Usage::default() };
    let cached = tokens(usage, "/cache_read_input_tokens");
    let written = tokens(usage, "/cache_creation_input_tokens").unwrap_or(0);
    let others = written.saturating_add(cached.unwrap_or(0));
    let n_prompt = tokens(usage, "/input_tokens").map(|own| own.saturating_add(others));
    Usage { n_prompt, n_cached: cached, n_generated: tokens(usage, "/output_tokens"), ..Usage::default() }
}
