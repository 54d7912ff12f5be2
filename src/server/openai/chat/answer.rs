//! What `/v1/chat/completions` answers.

use serde_json::{Value, json};

use crate::server::error::ApiError;
use crate::server::handle::AnswerEvent;
use crate::server::incoming::Name;
use crate::server::openai::chunks::Chunks;
use crate::server::openai::common::{KEEP_ALIVE, finish_reason, sse};
use crate::server::openai::fields::Logprobs;
use crate::server::shape::Shape;
use crate::server::stream::{Translate, Whole};
use wire::{Channel, Token, ToolCall, ToolCallDelta};

fn call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

/// What a delta of a call becomes: the first has its id, type and name, later ones more of the arguments.
fn call_delta(delta: ToolCallDelta) -> Value {
    let mut function = json!({"arguments": delta.arguments});
    let mut call = json!({"index": delta.index});
    if let Some(name) = delta.name {
        function["name"] = json!(name);
        call["id"] = json!(delta.id.unwrap_or_default());
        call["type"] = json!("function");
    }
    call["function"] = function;
    call
}

/// An answer as chunks.
pub(in crate::server::openai) struct Answer {
    chunks: Chunks,
    /// Tell how likely tokens were, with so many of the likeliest each.
    n_logprobs: Option<usize>,
    /// Whether each choice has called a tool.
    has_calls: Vec<bool>,
}

impl Answer {
    /// Of so many choices.
    pub(super) fn new(name: Name, n: u32, n_logprobs: Option<usize>, include_usage: bool) -> Self {
        let chunks = Chunks::new(name, ("chatcmpl-", "chat.completion.chunk"), include_usage);
        Self { chunks, n_logprobs, has_calls: vec![false; n as usize] }
    }

    fn choice(&self, index: usize, answer: &Whole) -> Value {
        let has_calls = !answer.tool_calls.is_empty();
        let content = (!(has_calls && answer.text.is_empty())).then_some(&answer.text);
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if !answer.reasoning.is_empty() {
            message["reasoning_content"] = json!(answer.reasoning);
        }
        if has_calls {
            message["tool_calls"] = answer.tool_calls.iter().map(call).collect();
        }
        json!({
            "index": index,
            "message": message,
            "logprobs": self.logprobs(&answer.tokens),
            "finish_reason": answer.ending.as_ref().map(|ending| finish_reason(ending, has_calls)),
        })
    }

    fn logprobs(&self, tokens: &[Token]) -> Option<Value> {
        Some(json!({"content": Logprobs::chat(tokens, self.n_logprobs?), "refusal": null}))
    }

    fn delta(&self, choice: usize, delta: &Value, logprobs: Option<&Value>, finish: Option<&str>, out: &mut String) {
        let choice = json!({"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": finish});
        self.chunks.write(&choice, out);
    }
}

impl Translate for Answer {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn keep_alive(&mut self, out: &mut String) {
        out.push_str(KEEP_ALIVE);
    }

    fn begin(&mut self, out: &mut String) {
        for choice in 0..self.has_calls.len() {
            self.delta(choice, &json!({"role": "assistant", "content": null}), None, None, out);
        }
    }

    fn event(&mut self, choice: usize, event: AnswerEvent, out: &mut String) {
        match event {
            AnswerEvent::Started(started) => self.chunks.usage.started(&started),
            AnswerEvent::Text { pieces, tool_calls, tokens, .. } => {
                let mut logprobs = self.logprobs(&tokens).filter(|_| !tokens.is_empty());
                for piece in pieces {
                    let field = match piece.channel {
                        Channel::Answer => "content",
                        Channel::Reasoning => "reasoning_content",
                    };
                    self.delta(choice, &json!({field: piece.text}), logprobs.take().as_ref(), None, out);
                }
                for delta in tool_calls {
                    self.has_calls[choice] = true;
                    let delta = json!({"tool_calls": [call_delta(delta)]});
                    self.delta(choice, &delta, logprobs.take().as_ref(), None, out);
                }
                // Tokens that have given no text yet, such as the begin of a character.
                if logprobs.is_some() {
                    self.delta(choice, &json!({"content": ""}), logprobs.as_ref(), None, out);
                }
            }
            AnswerEvent::Ended(ending) => {
                self.chunks.usage.ended(&ending);
                let finish = finish_reason(&ending, self.has_calls[choice]);
                self.delta(choice, &json!({}), None, Some(finish), out);
            }
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        sse(&Shape::OpenAi.body(error), out);
    }

    fn finish(&mut self, out: &mut String) {
        self.chunks.finish(out);
    }

    fn document(&mut self, answers: &[Whole]) -> Value {
        self.chunks.document("chat.completion", answers, |index, answer| self.choice(index, answer))
    }
}
