//! A chat in `OpenAI`'s form, which templates and llama.cpp read. Schemas and arguments stay as they were sent: a model may
//! mind the order of their keys.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use wire::{Chat, Part, Role};

/// A message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    role: &'static str,
    content: Content,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Text>),
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "text")]
struct Text {
    text: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "function")]
struct Call {
    id: String,
    function: Called,
}

#[derive(Debug, Clone, Serialize)]
struct Called {
    name: String,
    /// JSON as text.
    arguments: String,
}

/// A tool.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "function")]
pub(crate) struct Tool {
    function: Function,
}

#[derive(Debug, Clone, Serialize)]
struct Function {
    name: String,
    description: String,
    parameters: Box<RawValue>,
}

impl Tool {
    pub(crate) fn name(&self) -> &str {
        &self.function.name
    }

    /// The schema of its arguments.
    pub(crate) fn schema(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.function.parameters.get()).ok()
    }
}

/// The conversation's messages.
pub(crate) fn messages(chat: &Chat) -> Vec<Message> {
    chat.messages.iter().map(message).collect()
}

fn message(message: &wire::Message) -> Message {
    let content = match message.parts.as_slice() {
        [] => Content::Text(String::new()),
        [Part::Text(text)] => Content::Text(text.clone()),
        parts => Content::Parts(parts.iter().map(|Part::Text(text)| Text { text: text.clone() }).collect()),
    };
    let call = |call: &wire::ToolCall| Call {
        id: call.id.clone(),
        function: Called { name: call.name.clone(), arguments: arguments(&call.arguments).into_owned() },
    };
    Message {
        role: match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        },
        content,
        reasoning_content: message.reasoning.clone(),
        tool_calls: message.tool_calls.iter().map(call).collect(),
        tool_call_id: message.tool_call_id.clone(),
        name: message.name.clone(),
    }
}

/// The arguments of a call as JSON. A call that was cut off has no whole ones: what there is stands as a text.
pub(crate) fn arguments(text: &str) -> Cow<'_, str> {
    if text.trim().is_empty() {
        Cow::Borrowed("{}")
    } else if serde_json::from_str::<&RawValue>(text).is_ok() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(serde_json::Value::from(text).to_string())
    }
}

/// Tools; the name of one whose parameters are no JSON where there is one.
pub(crate) fn tools<'a>(tools: impl IntoIterator<Item = &'a wire::Tool>) -> Result<Vec<Tool>, &'a str> {
    let tool = |tool: &'a wire::Tool| {
        let none = tool.parameters.trim().is_empty();
        let text = if none { r#"{"type": "object", "properties": {}}"# } else { tool.parameters.as_str() };
        let parameters = serde_json::from_str(text).map_err(|_| tool.name.as_str())?;
        Ok(Tool { function: Function { name: tool.name.clone(), description: tool.description.clone(), parameters } })
    };
    tools.into_iter().map(tool).collect()
}
