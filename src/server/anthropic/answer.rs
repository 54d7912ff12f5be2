//! What Anthropic's clients are sent.

use serde_json::{Value, json};

use crate::server::energy::UsageEnergy;
use crate::server::error::ApiError;
use crate::server::handle::{AnswerEvent, Ending};
use crate::server::incoming::Name;
use crate::server::shape::Shape;
use crate::server::stream::{Translate, Whole};
use domain::session::End;
use wire::{Channel, Finish, Started, ToolCall, ToolCallDelta};

/// How an answer ended: the reason, and the text that ended it.
fn stop_reason(ending: &Ending, has_calls: bool) -> (&'static str, Option<&str>) {
    match ending.end {
        End::Finished(Finish::Length) => ("max_tokens", None),
        End::Finished(Finish::ContextFull) => ("model_context_window_exceeded", None),
        End::Finished(Finish::StopText(_)) if ending.stop.is_some() => ("stop_sequence", ending.stop.as_deref()),
        _ if has_calls => ("tool_use", None),
        _ => ("end_turn", None),
    }
}

/// Input tokens are those that were not in the context already.
fn usage(started: Option<&Started>, ending: &Ending) -> Value {
    let (prompt, cached) = started.map_or((0, 0), |started| (started.n_prompt, started.n_cached));
    let mut usage = json!({
        "input_tokens": prompt.saturating_sub(cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": ending.figures.counters.n_generated,
    });
    UsageEnergy::of(ending.metered.as_ref()).tell(&mut usage);
    usage
}

fn tool_use(call: &ToolCall) -> Value {
    // A model may write what is no JSON; the client is told all the same.
    let input = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
    json!({
        "type": "tool_use",
        "id": call.id,
        "name": call.name,
        "input": input.unwrap_or_else(|| if call.arguments.trim().is_empty() { json!({}) } else { json!({"_raw": call.arguments}) }),
    })
}

/// Which block is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Thinking,
    Text,
    /// The call of this place in the answer.
    Call(u32),
}

/// An answer as events.
pub(super) struct Events {
    name: Name,
    started: Option<Started>,
    open: Option<Open>,
    /// Blocks that were begun.
    n_blocks: usize,
    has_calls: bool,
}

impl Events {
    pub(super) fn new(name: Name) -> Self {
        Self { name, started: None, open: None, n_blocks: 0, has_calls: false }
    }

    fn id(&self) -> String {
        format!("msg_{}", self.name.id)
    }

    fn start(&mut self, started: Started, out: &mut String) {
        let message = json!({
            "id": self.id(),
            "type": "message",
            "role": "assistant",
            "model": self.name.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage(Some(&started), &Ending::default()),
        });
        self.started = Some(started);
        event("message_start", json!({"message": message}), out);
    }

    /// Go on with this block: the one before is closed where it is another.
    fn open(&mut self, wanted: Open, block: impl FnOnce() -> Value, out: &mut String) {
        if self.open == Some(wanted) {
            return;
        }
        self.close(out);
        let block = block();
        event("content_block_start", json!({"index": self.n_blocks, "content_block": block}), out);
        self.open = Some(wanted);
        self.n_blocks += 1;
    }

    fn close(&mut self, out: &mut String) {
        let Some(open) = self.open.take() else { return };
        if open == Open::Thinking {
            // Clients give it back as they got it.
            self.delta(&json!({"type": "signature_delta", "signature": ""}), out);
        }
        event("content_block_stop", json!({"index": self.index()}), out);
    }

    fn delta(&self, delta: &Value, out: &mut String) {
        event("content_block_delta", json!({"index": self.index(), "delta": delta}), out);
    }

    fn index(&self) -> usize {
        self.n_blocks.saturating_sub(1)
    }

    fn call(&mut self, delta: ToolCallDelta, out: &mut String) {
        self.has_calls = true;
        let ToolCallDelta { index, id, name, arguments } = delta;
        let block =
            || json!({"type": "tool_use", "id": id.unwrap_or_default(), "name": name.unwrap_or_default(), "input": {}});
        self.open(Open::Call(index), block, out);
        if !arguments.is_empty() {
            self.delta(&json!({"type": "input_json_delta", "partial_json": arguments}), out);
        }
    }
}

impl Translate for Events {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn keep_alive(&mut self, out: &mut String) {
        // Nothing may come before the message's start but a comment.
        if self.started.is_some() { event("ping", json!({}), out) } else { out.push_str(": keep-alive\n\n") }
    }

    fn begin(&mut self, _: &mut String) {}

    fn event(&mut self, _: usize, news: AnswerEvent, out: &mut String) {
        match news {
            AnswerEvent::Started(started) => self.start(started, out),
            AnswerEvent::Text { pieces, tool_calls, .. } => {
                for piece in pieces {
                    match piece.channel {
                        Channel::Reasoning => {
                            let block = || json!({"type": "thinking", "thinking": "", "signature": ""});
                            self.open(Open::Thinking, block, out);
                            self.delta(&json!({"type": "thinking_delta", "thinking": piece.text}), out);
                        }
                        Channel::Answer => {
                            self.open(Open::Text, || json!({"type": "text", "text": ""}), out);
                            self.delta(&json!({"type": "text_delta", "text": piece.text}), out);
                        }
                    }
                }
                for delta in tool_calls {
                    self.call(delta, out);
                }
            }
            AnswerEvent::Ended(ending) => {
                self.close(out);
                let (reason, stop) = stop_reason(&ending, self.has_calls);
                let delta = json!({"stop_reason": reason, "stop_sequence": stop});
                let usage = usage(self.started.as_ref(), &ending);
                event("message_delta", json!({"delta": delta, "usage": usage}), out);
            }
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        out.push_str("event: error\ndata: ");
        out.push_str(&Shape::Anthropic.body(error).to_string());
        out.push_str("\n\n");
    }

    fn finish(&mut self, out: &mut String) {
        event("message_stop", json!({}), out);
    }

    fn document(&mut self, answers: &[Whole]) -> Value {
        let Some(answer) = answers.first() else { return Value::Null };
        let mut content = Vec::new();
        if !answer.reasoning.is_empty() {
            content.push(json!({"type": "thinking", "thinking": answer.reasoning, "signature": ""}));
        }
        if !answer.text.is_empty() {
            content.push(json!({"type": "text", "text": answer.text}));
        }
        content.extend(answer.tool_calls.iter().map(tool_use));
        let ending = answer.ending.clone().unwrap_or_default();
        let (reason, stop) = stop_reason(&ending, !answer.tool_calls.is_empty());
        json!({
            "id": self.id(),
            "type": "message",
            "role": "assistant",
            "model": self.name.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": stop,
            "usage": usage(answer.started.as_ref(), &ending),
        })
    }
}

/// An event with its name, which its data has too.
fn event(name: &str, mut data: Value, out: &mut String) {
    data["type"] = json!(name);
    out.push_str("event: ");
    out.push_str(name);
    out.push_str("\ndata: ");
    out.push_str(&data.to_string());
    out.push_str("\n\n");
}
