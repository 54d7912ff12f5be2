//! The conversation that a model is given: messages, and the tools that it may call.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A conversation, rendered with the model's chat template, or as plain text if it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<Tool>,
    /// Whether the model calls a tool.
    pub tool_choice: ToolChoice,
    /// Whether it may call several in one answer. Default true.
    pub parallel_tool_calls: bool,
    /// Whether the model reasons first, if its template has a switch for it; `None` leaves it to the template.
    pub reasoning: Option<bool>,
    /// Further variables for the template: a JSON object as text.
    pub template_options: Option<String>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: true,
            reasoning: None,
            template_options: None,
        }
    }
}

impl Chat {
    /// Whether tools are offered, or a message is a tool call or a tool's result.
    pub fn has_tools(&self) -> bool {
        let may_call = match self.tool_choice {
            ToolChoice::None => false,
            ToolChoice::Auto => !self.tools.is_empty(),
            ToolChoice::Required | ToolChoice::Named(_) => true,
        };
        let calls = |message: &Message| message.role == Role::Tool || !message.tool_calls.is_empty();
        may_call || self.messages.iter().any(calls)
    }
}

impl From<Vec<Message>> for Chat {
    fn from(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

impl FromIterator<Message> for Chat {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        Self::from(messages.into_iter().collect::<Vec<_>>())
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// The text, without any reasoning.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// The reasoning of an earlier assistant message; empty to leave it out of the prompt.
    #[serde(default)]
    pub reasoning: String,
    /// The tools that an assistant called.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// The tool call that this message answers.
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// The speaker's name: the tool that answers, or one of several users.
    #[serde(default)]
    pub name: Option<String>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text(String),
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the roles of every chat template")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// The tool's name.
    pub name: String,
    /// A description for the model.
    #[serde(default)]
    pub description: String,
    /// A JSON schema of its arguments, as text.
    pub parameters: String,
}

/// Whether a model calls a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool call.
    None,
    /// At least one tool call.
    Required,
    /// A call of this tool.
    Named(String),
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON text as the model wrote it, possibly incomplete or invalid.
    pub arguments: String,
}

/// The part of a tool call that arrived since the last such event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Index of the call in the answer, from 0.
    pub index: u32,
    /// The call's id, with its first delta only.
    pub id: Option<String>,
    /// The tool's name, with the call's first delta only.
    pub name: Option<String>,
    /// More of the arguments.
    pub arguments: String,
}

impl Message {
    /// A message of one text part.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![Part::Text(text.into())],
            reasoning: String::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        }
    }

    /// The text parts, one per line.
    pub fn text(&self) -> Cow<'_, str> {
        match self.parts.as_slice() {
            [] => Cow::Borrowed(""),
            [Part::Text(text)] => Cow::Borrowed(text),
            parts => {
                let texts: Vec<&str> = parts.iter().map(|Part::Text(text)| text.as_str()).collect();
                Cow::Owned(texts.join("\n"))
            }
        }
    }

    /// Whether the next message can be merged into this one as a paragraph: same speaker, and neither involves a tool call.
    pub fn takes(&self, next: &Self) -> bool {
        let is_text = |message: &Self| message.role != Role::Tool && message.tool_calls.is_empty();
        self.role == next.role && self.name == next.name && is_text(self) && is_text(next)
    }

    /// Add a paragraph.
    pub fn push_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(last)) => {
                last.push_str("\n\n");
                last.push_str(text);
            }
            None => self.parts.push(Part::Text(text.to_owned())),
        }
    }
}

/// Append deltas to the tool calls of an answer. Calls beyond `max_calls`, and arguments beyond `max_bytes` each, are dropped.
pub fn add_deltas(calls: &mut Vec<ToolCall>, deltas: Vec<ToolCallDelta>, (max_calls, max_bytes): (usize, usize)) {
    for delta in deltas {
        let index = delta.index as usize;
        if index == calls.len() && index < max_calls {
            calls.push(ToolCall::default());
        }
        let Some(call) = calls.get_mut(index) else { continue };
        if let Some(id) = delta.id {
            call.id = id;
        }
        if let Some(name) = delta.name {
            call.name = name;
        }
        if call.arguments.len() + delta.arguments.len() <= max_bytes {
            call.arguments.push_str(&delta.arguments);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_become_calls() {
        let delta = |index, id: &str, name: &str, arguments: &str| ToolCallDelta {
            index,
            id: (!id.is_empty()).then(|| id.to_owned()),
            name: (!name.is_empty()).then(|| name.to_owned()),
            arguments: arguments.to_owned(),
        };
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        for (name, deltas, expected) in [
            ("one", vec![delta(0, "a", "f", "{"), delta(0, "", "", "}")], vec![call("a", "f", "{}")]),
            (
                "two",
                vec![delta(0, "a", "f", "1"), delta(1, "b", "g", "2")],
                vec![call("a", "f", "1"), call("b", "g", "2")],
            ),
            (
                "too many",
                vec![delta(0, "a", "f", ""), delta(1, "", "", ""), delta(2, "c", "h", "")],
                vec![call("a", "f", ""), call("", "", "")],
            ),
            ("a gap", vec![delta(7, "a", "f", "")], vec![]),
            ("too long", vec![delta(0, "a", "f", "12345678"), delta(0, "", "", "9")], vec![call("a", "f", "12345678")]),
        ] {
            let mut calls = Vec::new();
            add_deltas(&mut calls, deltas, (2, 8));
            assert_eq!(calls, expected, "{name}");
        }
    }

    #[test]
    fn parts_are_told_as_one_text() {
        let text = |text: &str| Part::Text(text.to_owned());
        for (parts, expected) in [(vec![], ""), (vec![text("a")], "a"), (vec![text("a"), text("b")], "a\nb")] {
            assert_eq!(Message { parts, ..Message::new(Role::User, "") }.text(), expected);
        }
        let mut message = Message::new(Role::User, "a");
        message.push_text("b");
        assert_eq!(message.text(), "a\n\nb");
    }
}
