//! What Ollama's clients are sent: lines of JSON.

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::server::energy::UsageEnergy;
use crate::server::error::ApiError;
use crate::server::handle::{AnswerEvent, Ending};
use crate::server::shape::Shape;
use crate::server::stream::{Translate, Whole};
use domain::session::End;
use wire::{Channel, Finish, Started, ToolCall};

/// Where the text of an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// In `message.content`, as `/api/chat` has it.
    Message,
    /// In `response`, as `/api/generate` has it.
    Response,
}

/// Now, as Ollama writes it.
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}

/// An answer as lines.
pub(super) struct Lines {
    model: String,
    field: Field,
    asked: Instant,
    started: Option<(Instant, Started)>,
    /// The calls so far: a line has whole ones.
    calls: Vec<ToolCall>,
}

impl Lines {
    pub(super) fn new(model: String, field: Field) -> Self {
        Self { model, field, asked: Instant::now(), started: None, calls: Vec::new() }
    }

    fn line(&self, text: &str, reasoning: &str, calls: &[ToolCall]) -> Value {
        let mut line = json!({"model": self.model, "created_at": now(), "done": false});
        match self.field {
            Field::Message => {
                let mut message = json!({"role": "assistant", "content": text});
                if !reasoning.is_empty() {
                    message["thinking"] = json!(reasoning);
                }
                if !calls.is_empty() {
                    message["tool_calls"] = calls.iter().enumerate().map(call).collect();
                }
                line["message"] = message;
            }
            Field::Response => {
                line["response"] = json!(text);
                if !reasoning.is_empty() {
                    line["thinking"] = json!(reasoning);
                }
            }
        }
        line
    }

    /// Put the end's figures into a line.
    fn end(&self, line: &mut Value, ending: &Ending) {
        let counters = &ending.figures.counters;
        let started = self.started.as_ref().map(|(at, _)| *at);
        let n_prompt = self.started.as_ref().map_or(0, |(_, started)| started.n_prompt);
        // Until the model took the request: it was loaded, or answered others.
        let waited = started.map_or(0, |started| started.saturating_duration_since(self.asked).as_nanos() as u64);
        line["done"] = json!(true);
        line["done_reason"] = json!(match ending.end {
            End::Finished(Finish::Length | Finish::ContextFull) => "length",
            _ => "stop",
        });
        line["total_duration"] = json!(self.asked.elapsed().as_nanos() as u64);
        line["load_duration"] = json!(waited);
        line["prompt_eval_count"] = json!(n_prompt);
        line["prompt_eval_duration"] = json!(counters.prompt_us.saturating_mul(1000));
        line["eval_count"] = json!(counters.n_generated);
        line["eval_duration"] = json!(counters.generation_us.saturating_mul(1000));
        // The API has no usage; whoever wants the energy finds it where the others have it.
        let mut usage = json!({});
        UsageEnergy::of(ending.metered.as_ref()).tell(&mut usage);
        if usage.as_object().is_some_and(|usage| !usage.is_empty()) {
            line["usage"] = usage;
        }
    }

    /// What is said where the model was loaded or unloaded, and nothing answered.
    pub(super) fn loaded(&self, word: &str) -> Value {
        let mut line = self.line("", "", &[]);
        line["done"] = json!(true);
        line["done_reason"] = json!(word);
        line
    }
}

fn call((index, call): (usize, &ToolCall)) -> Value {
    // An object, as the API has it; a model may write what is none.
    let arguments = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
    let arguments = arguments
        .unwrap_or_else(|| if call.arguments.trim().is_empty() { json!({}) } else { json!({"_raw": call.arguments}) });
    json!({"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments}})
}

impl Translate for Lines {
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    // A line without text means nothing to a client, and the API has no comments.
    fn keep_alive(&mut self, out: &mut String) {
        write(&self.line("", "", &[]), out);
    }

    fn begin(&mut self, _: &mut String) {}

    fn event(&mut self, _: usize, event: AnswerEvent, out: &mut String) {
        match event {
            AnswerEvent::Started(started) => self.started = Some((Instant::now(), started)),
            AnswerEvent::Text { pieces, tool_calls, .. } => {
                for piece in pieces {
                    let line = match piece.channel {
                        Channel::Answer => self.line(&piece.text, "", &[]),
                        Channel::Reasoning => self.line("", &piece.text, &[]),
                    };
                    write(&line, out);
                }
                crate::server::stream::add_calls(&mut self.calls, tool_calls);
            }
            AnswerEvent::Ended(ending) => {
                if !self.calls.is_empty() {
                    write(&self.line("", "", &self.calls), out);
                }
                let mut line = self.line("", "", &[]);
                self.end(&mut line, &ending);
                write(&line, out);
            }
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        write(&Shape::Ollama.body(error), out);
    }

    fn finish(&mut self, _: &mut String) {}

    fn document(&mut self, answers: &[Whole]) -> Value {
        let Some(answer) = answers.first() else { return Value::Null };
        // How long it waited shows in the end's figures, as far as it is known then.
        self.started = answer.started.clone().map(|started| (answer.started_at.unwrap_or_else(Instant::now), started));
        let mut line = self.line(&answer.text, &answer.reasoning, &answer.tool_calls);
        self.end(&mut line, &answer.ending.clone().unwrap_or_default());
        line
    }
}

fn write(line: &Value, out: &mut String) {
    out.push_str(&line.to_string());
    out.push('\n');
}
