//! Chunks of an answer, as `/v1/chat/completions` and `/v1/completions` have them.

use serde_json::{Value, json};

use super::common::{FINGERPRINT, Usage, now, sse};
use crate::server::incoming::Name;
use crate::server::stream::Whole;

/// What all chunks of an answer have in common, and its usage so far.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    id: String,
    /// What the chunks call themselves.
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    model: String,
    include_usage: bool,
    pub(super) usage: Usage,
}

impl Chunks {
    /// Of the answer of this name: its id begins with these letters. The usage comes at the end where it is wanted.
    pub(super) fn new(name: Name, (prefix, object): (&str, &'static str), include_usage: bool) -> Self {
        let Name { id, model } = name;
        Self { id: format!("{prefix}{id}"), object, created: now(), model, include_usage, usage: Usage::default() }
    }

    fn of(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": self.object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        })
    }

    /// A chunk that has something of one choice.
    pub(super) fn write(&self, choice: &Value, out: &mut String) {
        let mut chunk = self.of(&json!([choice]));
        // Where the usage comes at the end, all chunks before say that theirs is not there.
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        sse(&chunk, out);
    }

    /// What comes last.
    pub(super) fn finish(&self, out: &mut String) {
        if self.usage.is_told(self.include_usage) {
            let mut chunk = self.of(&json!([]));
            chunk["usage"] = self.usage.json();
            sse(&chunk, out);
        }
        out.push_str("data: [DONE]\n\n");
    }

    /// The answers as one document that calls itself so.
    pub(super) fn document(&self, object: &str, answers: &[Whole], choice: impl Fn(usize, &Whole) -> Value) -> Value {
        let choices: Vec<Value> = answers.iter().enumerate().map(|(index, answer)| choice(index, answer)).collect();
        let mut document = self.of(&json!(choices));
        document["object"] = json!(object);
        document["usage"] = Usage::of(answers).json();
        document
    }
}
