//! A response as a stream of named events, each numbered.

use serde_json::{Value, json};

use super::answer::{Head, Status, text_part, usage};
use crate::server::error::ApiError;
use crate::server::handle::{AnswerEvent, Ending};
use crate::server::shape::Shape;
use crate::server::stream::{Translate, Whole};
use wire::{Channel, Started, ToolCall, ToolCallDelta};

/// The item that is being written.
enum Open {
    Reasoning(String),
    Message(String),
    Call(u32, ToolCall),
}

pub(in crate::server::openai) struct Events {
    head: Head,
    n_written: u64,
    started: Option<Started>,
    /// The items that are whole.
    output: Vec<Value>,
    open: Option<Open>,
}

impl Events {
    pub(super) fn new(head: Head) -> Self {
        Self { head, n_written: 0, started: None, output: Vec::new(), open: None }
    }

    fn write(&mut self, name: &str, mut data: Value, out: &mut String) {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.n_written);
        self.n_written += 1;
        out.push_str("event: ");
        out.push_str(name);
        out.push_str("\ndata: ");
        out.push_str(&data.to_string());
        out.push_str("\n\n");
    }

    /// The place of the item that is being written.
    fn place(&self) -> usize {
        self.output.len()
    }

    /// The name of the item that is being written, as events have it.
    fn of(&self, kind: &str, mut data: Value) -> Value {
        data["item_id"] = json!(self.head.item(kind, self.place()));
        data["output_index"] = json!(self.place());
        data
    }

    fn added(&mut self, item: &Value, out: &mut String) {
        let place = self.place();
        self.write("response.output_item.added", json!({"output_index": place, "item": item}), out);
    }

    fn reason(&mut self, text: &str, out: &mut String) {
        if !matches!(self.open, Some(Open::Reasoning(_))) {
            self.close(Status::Completed, out);
            let item = self.head.reasoning(self.place(), "", Status::InProgress);
            self.added(&item, out);
            let part = json!({"content_index": 0, "part": {"type": "reasoning_text", "text": ""}});
            let part = self.of("rs", part);
            self.write("response.content_part.added", part, out);
            self.open = Some(Open::Reasoning(String::new()));
        }
        let delta = self.of("rs", json!({"content_index": 0, "delta": text}));
        self.write("response.reasoning_text.delta", delta, out);
        if let Some(Open::Reasoning(all)) = &mut self.open {
            all.push_str(text);
        }
    }

    fn open_message(&mut self, out: &mut String) {
        if matches!(self.open, Some(Open::Message(_))) {
            return;
        }
        self.close(Status::Completed, out);
        let item = self.head.message(self.place(), None, Status::InProgress);
        self.added(&item, out);
        let part = self.of("msg", json!({"content_index": 0, "part": text_part("")}));
        self.write("response.content_part.added", part, out);
        self.open = Some(Open::Message(String::new()));
    }

    fn say(&mut self, text: &str, out: &mut String) {
        self.open_message(out);
        let delta = self.of("msg", json!({"content_index": 0, "delta": text, "logprobs": []}));
        self.write("response.output_text.delta", delta, out);
        if let Some(Open::Message(all)) = &mut self.open {
            all.push_str(text);
        }
    }

    fn call(&mut self, delta: ToolCallDelta, out: &mut String) {
        if !matches!(&self.open, Some(Open::Call(index, _)) if *index == delta.index) {
            self.close(Status::Completed, out);
            let call = ToolCall {
                id: delta.id.unwrap_or_default(),
                name: delta.name.unwrap_or_default(),
                arguments: String::new(),
            };
            let item = self.head.call(self.place(), &call, Status::InProgress);
            self.added(&item, out);
            self.open = Some(Open::Call(delta.index, call));
        }
        if delta.arguments.is_empty() {
            return;
        }
        let event = self.of("fc", json!({"delta": delta.arguments}));
        self.write("response.function_call_arguments.delta", event, out);
        if let Some(Open::Call(_, call)) = &mut self.open {
            call.arguments.push_str(&delta.arguments);
        }
    }

    /// The item that is being written is whole.
    fn close(&mut self, status: Status, out: &mut String) {
        let item = match self.open.take() {
            None => return,
            Some(Open::Reasoning(text)) => {
                let done = self.of("rs", json!({"content_index": 0, "text": text}));
                self.write("response.reasoning_text.done", done, out);
                let part = json!({"content_index": 0, "part": {"type": "reasoning_text", "text": text}});
                let part = self.of("rs", part);
                self.write("response.content_part.done", part, out);
                self.head.reasoning(self.place(), &text, status)
            }
            Some(Open::Message(text)) => {
                let done = self.of("msg", json!({"content_index": 0, "text": text, "logprobs": []}));
                self.write("response.output_text.done", done, out);
                let part = self.of("msg", json!({"content_index": 0, "part": text_part(&text)}));
                self.write("response.content_part.done", part, out);
                self.head.message(self.place(), Some(&text), status)
            }
            Some(Open::Call(_, call)) => {
                let done = self.of("fc", json!({"name": call.name, "arguments": call.arguments}));
                self.write("response.function_call_arguments.done", done, out);
                self.head.call(self.place(), &call, status)
            }
        };
        let place = self.place();
        self.write("response.output_item.done", json!({"output_index": place, "item": item}), out);
        self.output.push(item);
    }

    fn end(&mut self, ending: &Ending, out: &mut String) {
        let status = Status::of(ending);
        // A response always has an item.
        if self.open.is_none() && self.output.is_empty() {
            self.open_message(out);
        }
        self.close(status, out);
        let usage = usage(self.started.as_ref(), ending);
        let response = self.head.response(status, &self.output, &usage);
        let name = if status == Status::Incomplete { "response.incomplete" } else { "response.completed" };
        self.write(name, json!({"response": response}), out);
    }
}

impl Translate for Events {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn keep_alive(&mut self, out: &mut String) {
        out.push_str(crate::server::openai::common::KEEP_ALIVE);
    }

    fn begin(&mut self, out: &mut String) {
        for name in ["response.created", "response.in_progress"] {
            let response = self.head.response(Status::InProgress, &[], &Value::Null);
            self.write(name, json!({"response": response}), out);
        }
    }

    fn event(&mut self, _: usize, event: AnswerEvent, out: &mut String) {
        match event {
            AnswerEvent::Started(started) => self.started = Some(started),
            AnswerEvent::Text { pieces, tool_calls, .. } => {
                for piece in pieces {
                    match piece.channel {
                        Channel::Reasoning => self.reason(&piece.text, out),
                        Channel::Answer => self.say(&piece.text, out),
                    }
                }
                for delta in tool_calls {
                    self.call(delta, out);
                }
            }
            AnswerEvent::Ended(ending) => self.end(&ending, out),
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        let body = Shape::OpenAi.body(error);
        let usage = usage(self.started.as_ref(), &Ending::default());
        let mut response = self.head.response(Status::Failed, &self.output, &usage);
        response["error"] = json!({"code": "server_error", "message": error.message});
        let event = json!({"code": body["error"]["code"], "message": error.message, "param": error.field});
        self.write("error", event, out);
        self.write("response.failed", json!({"response": response}), out);
    }

    fn finish(&mut self, _: &mut String) {}

    fn document(&mut self, answers: &[Whole]) -> Value {
        answers.first().map_or(Value::Null, |answer| self.head.whole(answer))
    }
}
