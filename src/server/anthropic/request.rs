//! What Anthropic's clients send, as the program is asked it.

use serde::Deserialize;
use serde_json::Value;

use crate::server::body::within;
use crate::server::error::{ApiError, Result};
use crate::server::limits;
use domain::ask::Generation;
use wire::{Chat, Message, Part, Prompt, Role, Sampling, Tool, ToolCall, ToolChoice};

/// A conversation to be continued.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = MessagesRequest)]
pub(super) struct Request {
    /// The model's name, as `/v1/models` lists it.
    pub(super) model: String,
    /// The conversation.
    #[schema(min_items = 1)]
    messages: Vec<InMessage>,
    /// The most tokens, reasoning included.
    #[schema(minimum = 1)]
    max_tokens: Option<u32>,
    /// The system prompt.
    system: Option<Content>,
    /// Send the answer as it comes.
    pub(super) stream: Option<bool>,
    /// Texts that end the answer.
    stop_sequences: Option<Vec<String>>,
    /// 0 is greedy.
    #[schema(minimum = 0.0, maximum = 1.0)]
    temperature: Option<f32>,
    /// Keep the likeliest tokens that together reach this.
    #[schema(minimum = 0.0, maximum = 1.0)]
    top_p: Option<f32>,
    /// Keep so many of the likeliest tokens.
    #[schema(minimum = 0)]
    top_k: Option<u32>,
    /// The tools that the model may call.
    tools: Option<Vec<InTool>>,
    tool_choice: Option<InToolChoice>,
    /// Whether the model reasons first.
    thinking: Option<Thinking>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct InMessage {
    /// `user` or `assistant`.
    role: InRole,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum InRole {
    User,
    Assistant,
    System,
}

/// What is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of blocks, each with its `type`")]
#[schema(as = AnthropicContent)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

/// A block of what is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Block {
    /// `text`, `thinking`, `redacted_thinking`, `tool_use` or `tool_result`.
    r#type: String,
    text: Option<String>,
    thinking: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    tool_use_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = AnthropicTool)]
struct InTool {
    /// `custom`, or nothing; what runs elsewhere is not there.
    r#type: Option<String>,
    name: String,
    description: Option<String>,
    /// A JSON schema of its arguments.
    #[schema(value_type = Option<Object>)]
    input_schema: Option<Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = AnthropicToolChoice)]
struct InToolChoice {
    /// `auto`, `any`, `tool` or `none`.
    r#type: String,
    /// Which, for `tool`.
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Thinking {
    /// `enabled`, `adaptive` or `disabled`.
    r#type: String,
}

impl Request {
    /// What it asks for; a request to count has no limit of tokens.
    pub(super) fn read(self, is_counted_only: bool) -> Result<Generation> {
        let max_tokens = within("max_tokens", self.max_tokens, 1, u32::MAX)?;
        if max_tokens.is_none() && !is_counted_only {
            return Err(ApiError::field("max_tokens", "is missing"));
        }
        if self.messages.is_empty() || self.messages.len() > limits::MESSAGES {
            return Err(ApiError::field("messages", format!("must have 1 to {} messages", limits::MESSAGES)));
        }
        let mut messages = Vec::new();
        if let Some(system) = self.system {
            messages.extend(system.read("system", InRole::System)?);
        }
        for (place, message) in self.messages.into_iter().enumerate() {
            messages.extend(message.content.read(&format!("messages[{place}].content"), message.role)?);
        }
        let (tool_choice, parallel_tool_calls) = tool_choice(self.tool_choice)?;
        let chat = Chat {
            messages,
            tools: tools(self.tools.unwrap_or_default())?,
            tool_choice,
            parallel_tool_calls,
            reasoning: self.thinking.as_ref().map(thinking).transpose()?,
            ..Chat::default()
        };
        Ok(Generation {
            sampling: Sampling {
                temperature: within("temperature", self.temperature, 0.0, 1.0)?,
                top_p: within("top_p", self.top_p, 0.0, 1.0)?,
                top_k: within("top_k", self.top_k, 0, 1_000_000)?,
                ..Sampling::default()
            },
            max_tokens,
            stop: limits::stop("stop_sequences", self.stop_sequences.unwrap_or_default())?,
            ..Generation::new(Prompt::Chat(chat))
        })
    }
}

fn thinking(thinking: &Thinking) -> Result<bool> {
    match thinking.r#type.as_str() {
        "enabled" | "adaptive" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(ApiError::field("thinking.type", "must be one of enabled, adaptive, disabled")),
    }
}

fn tools(tools: Vec<InTool>) -> Result<Vec<Tool>> {
    if tools.len() > limits::TOOLS {
        return Err(ApiError::field("tools", format!("must be at most {} tools", limits::TOOLS)));
    }
    let read = |(place, tool): (usize, InTool)| {
        if tool.r#type.is_some_and(|kind| kind != "custom") {
            let message = "must be `custom`: tools that the server runs are not supported";
            return Err(ApiError::field(format!("tools[{place}].type"), message));
        }
        limits::tool(&format!("tools[{place}]"), "input_schema", tool.name, tool.description, tool.input_schema)
    };
    tools.into_iter().enumerate().map(read).collect()
}

/// Whether a tool is called, and whether several may be.
fn tool_choice(choice: Option<InToolChoice>) -> Result<(ToolChoice, bool)> {
    let Some(choice) = choice else { return Ok((ToolChoice::Auto, true)) };
    let is_parallel = choice.disable_parallel_tool_use != Some(true);
    let choice = match (choice.r#type.as_str(), choice.name) {
        ("auto", _) => ToolChoice::Auto,
        ("none", _) => ToolChoice::None,
        ("any", _) => ToolChoice::Required,
        ("tool", Some(name)) => ToolChoice::Named(name),
        ("tool", None) => return Err(ApiError::field("tool_choice.name", "is missing")),
        _ => return Err(ApiError::field("tool_choice.type", "must be one of auto, any, tool, none")),
    };
    Ok((choice, is_parallel))
}

impl Content {
    /// The messages that it stands for: the results of tools are messages of their own, before what the user says.
    fn read(self, field: &str, role: InRole) -> Result<Vec<Message>> {
        let role = match role {
            InRole::User => Role::User,
            InRole::Assistant => Role::Assistant,
            InRole::System => Role::System,
        };
        let blocks = match self {
            Self::Text(text) => return Ok(vec![Message::new(role, text)]),
            Self::Blocks(blocks) => blocks,
        };
        let mut own = Message { parts: Vec::new(), ..Message::new(role, "") };
        let mut results = Vec::new();
        for (number, block) in blocks.into_iter().enumerate() {
            let field = format!("{field}[{number}]");
            let missing = |name: &str| ApiError::field(format!("{field}.{name}"), "is missing");
            match block.r#type.as_str() {
                "text" => own.parts.push(Part::Text(block.text.ok_or_else(|| missing("text"))?)),
                "thinking" if role == Role::Assistant => own.reasoning.push_str(&block.thinking.unwrap_or_default()),
                "redacted_thinking" if role == Role::Assistant => {}
                "tool_use" if role == Role::Assistant => own.tool_calls.push(ToolCall {
                    id: block.id.ok_or_else(|| missing("id"))?,
                    name: block.name.ok_or_else(|| missing("name"))?,
                    arguments: block.input.map_or_else(|| "{}".to_owned(), |input| input.to_string()),
                }),
                "tool_result" if role == Role::User => results.push(Message {
                    tool_call_id: Some(block.tool_use_id.ok_or_else(|| missing("tool_use_id"))?),
                    ..Message::new(Role::Tool, result(&field, block.content)?)
                }),
                "image" | "document" => {
                    let message = "must be text: no model here reads images or documents, and none is ever fetched";
                    return Err(ApiError::field(format!("{field}.type"), message));
                }
                _ => return Err(ApiError::field(format!("{field}.type"), "is not a block that this role may have")),
            }
        }
        if !own.parts.is_empty() || !own.tool_calls.is_empty() || results.is_empty() {
            results.push(own);
        }
        Ok(results)
    }
}

/// What a tool gave, as text.
fn result(field: &str, content: Option<Value>) -> Result<String> {
    let wrong = || ApiError::field(format!("{field}.content"), "must be a string or a list of text blocks");
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(blocks)) => {
            let texts: Option<Vec<&str>> = blocks.iter().map(|block| block.get("text")?.as_str()).collect();
            texts.map(|texts| texts.join("\n")).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(request: &Value) -> Result<Generation> {
        crate::server::body::parse::<Request>(request.to_string().as_bytes())?.read(false)
    }

    fn chat(generation: Generation) -> Chat {
        match generation.prompt {
            Prompt::Chat(chat) => chat,
            Prompt::Raw(text) => panic!("no conversation: {text}"),
        }
    }

    #[test]
    fn a_conversation_with_tools_is_read() {
        let chat = chat(
            read(&json!({
                "model": "m",
                "max_tokens": 7,
                "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                "messages": [
                    {"role": "user", "content": "How warm is it?"},
                    {"role": "assistant", "content": [
                        {"type": "thinking", "thinking": "Look.", "signature": "x"},
                        {"type": "text", "text": "I look."},
                        {"type": "tool_use", "id": "t1", "name": "heat", "input": {"at": "here"}},
                    ]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "20"}]},
                        {"type": "text", "text": "And now?"},
                    ]},
                ],
                "tools": [{"name": "heat", "description": "How warm", "input_schema": {"type": "object"}}],
                "tool_choice": {"type": "tool", "name": "heat", "disable_parallel_tool_use": true},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "metadata": {"user_id": "someone"},
            }))
            .unwrap(),
        );
        let call = ToolCall { id: "t1".to_owned(), name: "heat".to_owned(), arguments: r#"{"at":"here"}"#.to_owned() };
        assert_eq!(
            chat.messages,
            [
                Message::new(Role::System, "Be brief."),
                Message::new(Role::User, "How warm is it?"),
                Message {
                    reasoning: "Look.".to_owned(),
                    tool_calls: vec![call],
                    ..Message::new(Role::Assistant, "I look.")
                },
                Message { tool_call_id: Some("t1".to_owned()), ..Message::new(Role::Tool, "20") },
                Message::new(Role::User, "And now?"),
            ]
        );
        assert_eq!((chat.tool_choice, chat.parallel_tool_calls), (ToolChoice::Named("heat".to_owned()), false));
        assert_eq!((chat.reasoning, chat.tools.len()), (Some(true), 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |name: &str, value: Value| {
            let mut request = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
            request[name] = value;
            request
        };
        for (request, field) in [
            (with("max_tokens", Value::Null), "max_tokens"),
            (with("max_tokens", json!(0)), "max_tokens"),
            (with("max_tokens", json!("7")), "max_tokens"),
            (with("messages", json!([])), "messages"),
            (with("messages", json!([{"role": "user"}])), "messages[0].content"),
            (with("messages", json!([{"role": "robot", "content": "x"}])), "messages[0].role"),
            (with("messages", json!([{"role": "user", "content": 3}])), "messages[0].content"),
            (
                with("messages", json!([{"role": "user", "content": [{"type": "image"}]}])),
                "messages[0].content[0].type",
            ),
            (with("messages", json!([{"role": "user", "content": [{"type": "text"}]}])), "messages[0].content[0].text"),
            (
                with("messages", json!([{"role": "user", "content": [{"type": "tool_use"}]}])),
                "messages[0].content[0].type",
            ),
            (with("temperature", json!(1.5)), "temperature"),
            (with("tools", json!([{"name": "x", "type": "bash_20250124"}])), "tools[0].type"),
            (with("tools", json!([{"description": "x"}])), "tools[0].name"),
            (with("tools", json!([{"name": "x", "input_schema": 3}])), "tools[0].input_schema"),
            (with("tool_choice", json!({"type": "tool"})), "tool_choice.name"),
            (with("tool_choice", json!({"type": "some"})), "tool_choice.type"),
            (with("thinking", json!({"type": "maybe"})), "thinking.type"),
            (with("stop_sequences", json!("x")), "stop_sequences"),
        ] {
            let error = read(&request).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{request}: {}", error.message);
        }
        assert!(read(&with("unheard_of", json!([1]))).is_ok());
    }
}
