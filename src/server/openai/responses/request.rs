//! What is asked of `/v1/responses`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::error::{ApiError, Result};
use crate::server::limits;
use crate::server::openai::common::reasoning;
use crate::server::openai::fields::Samplers;
use domain::ask::Generation;
use domain::request::form::Form;
use wire::{Chat, Message, Part, Prompt, Role, Tool, ToolCall, ToolChoice};

/// A conversation to be continued.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ResponsesRequest)]
pub(in crate::server::openai) struct Request {
    /// The model's name, as `/v1/models` lists it.
    pub(super) model: String,
    /// What the user says, or the items of the conversation.
    input: Input,
    /// The system prompt.
    instructions: Option<String>,
    /// Send the events as they come.
    pub(super) stream: Option<bool>,
    /// The most tokens, reasoning included.
    #[schema(minimum = 1)]
    max_output_tokens: Option<u32>,
    /// 0 is greedy.
    #[schema(minimum = 0.0, maximum = 2.0)]
    temperature: Option<f32>,
    /// Keep the likeliest tokens that together reach this.
    #[schema(minimum = 0.0, maximum = 1.0)]
    top_p: Option<f32>,
    /// The functions that the model may call.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Value>>,
    /// Whether one is called: `auto`, `none`, `required`, or which.
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// Whether several may be called in one answer.
    parallel_tool_calls: Option<bool>,
    /// What the text must look like.
    text: Option<TextOptions>,
    reasoning: Option<Reasoning>,
    /// Not supported: nothing is kept of earlier responses.
    previous_response_id: Option<String>,
    /// Told back in the response.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// Not supported: answers are not written in the background.
    background: Option<bool>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of items")]
#[schema(as = ResponsesInput)]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// An item of the conversation.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ResponsesItem)]
struct Item {
    /// `message` where nothing is said, `function_call`, `function_call_output` or `reasoning`.
    r#type: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of parts")]
#[schema(as = ResponsesContent)]
enum Content {
    Text(String),
    Parts(Vec<InPart>),
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ResponsesPart)]
struct InPart {
    /// `input_text`, `output_text`, `reasoning_text` or `refusal`.
    r#type: String,
    text: Option<String>,
    refusal: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct TextOptions {
    format: Option<TextFormat>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct TextFormat {
    /// `text`, `json_object` or `json_schema`.
    r#type: String,
    /// For the last one.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
    name: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Reasoning {
    /// How much the model reasons, where it can be told.
    effort: Option<String>,
}

/// A function that may be called.
#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
}

impl Request {
    /// What the response repeats of its request.
    pub(super) fn echo(&self) -> Value {
        let format = self.text.as_ref().and_then(|text| text.format.as_ref());
        let format = format.map_or_else(
            || json!({"type": "text"}),
            |format| match &format.schema {
                Some(schema) => json!({"type": format.r#type, "name": format.name, "schema": schema}),
                None => json!({"type": format.r#type}),
            },
        );
        json!({
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata.clone().unwrap_or_else(|| json!({})),
            "parallel_tool_calls": self.parallel_tool_calls.unwrap_or(true),
            "previous_response_id": null,
            "reasoning": {
                "effort": self.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_deref()),
                "summary": null,
            },
            "store": false,
            "temperature": self.temperature,
            "text": {"format": format},
            "tool_choice": self.tool_choice.clone().unwrap_or_else(|| json!("auto")),
            "tools": self.tools.clone().unwrap_or_default(),
            "top_p": self.top_p,
            "truncation": "disabled",
        })
    }

    pub(super) fn read(self) -> Result<Generation> {
        if self.previous_response_id.is_some_and(|id| !id.is_empty()) {
            let message = "is not supported: earlier responses are not stored; send the whole conversation as `input`";
            return Err(ApiError::field("previous_response_id", message));
        }
        if self.background == Some(true) {
            return Err(ApiError::field(
                "background",
                "is not supported: responses are not generated in the background",
            ));
        }
        let system = self.instructions.filter(|text| !text.is_empty());
        let mut messages: Vec<Message> = system.map(|text| Message::new(Role::System, text)).into_iter().collect();
        match self.input {
            Input::Text(text) => messages.push(Message::new(Role::User, text)),
            Input::Items(items) if items.is_empty() || items.len() > limits::MESSAGES => {
                return Err(ApiError::field("input", format!("must have 1 to {} items", limits::MESSAGES)));
            }
            Input::Items(items) => {
                for (place, item) in items.into_iter().enumerate() {
                    item.read(&format!("input[{place}]"), &mut messages)?;
                }
            }
        }
        let effort = self.reasoning.and_then(|reasoning| reasoning.effort);
        let (reasoning, template_options) = reasoning("reasoning.effort", effort.as_deref(), None)?;
        let chat = Chat {
            messages,
            tools: tools(self.tools.unwrap_or_default())?,
            tool_choice: tool_choice(self.tool_choice)?,
            parallel_tool_calls: self.parallel_tool_calls.unwrap_or(true),
            reasoning,
            template_options,
        };
        if matches!(chat.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) && chat.tools.is_empty() {
            return Err(ApiError::field("tool_choice", "needs `tools`"));
        }
        let samplers = Samplers { temperature: self.temperature, top_p: self.top_p, ..Samplers::default() };
        if self.max_output_tokens == Some(0) {
            return Err(ApiError::field("max_output_tokens", "must be at least 1"));
        }
        Ok(Generation {
            sampling: samplers.read()?,
            max_tokens: self.max_output_tokens,
            form: format(self.text.and_then(|text| text.format))?,
            ..Generation::new(Prompt::Chat(chat))
        })
    }
}

fn format(format: Option<TextFormat>) -> Result<Option<Form>> {
    let Some(format) = format else { return Ok(None) };
    match (format.r#type.as_str(), format.schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => limits::json_object("text.format").map(Some),
        ("json_schema", Some(schema)) => limits::schema("text.format.schema", &schema).map(Some),
        ("json_schema", None) => Err(ApiError::field("text.format.schema", "is missing")),
        _ => Err(ApiError::field("text.format.type", "must be one of text, json_object, json_schema")),
    }
}

/// The functions among the tools: what a server would run, such as a search, is not there, and clients offer it unasked.
fn tools(tools: Vec<Value>) -> Result<Vec<Tool>> {
    if tools.len() > limits::TOOLS {
        return Err(ApiError::field("tools", format!("must be at most {} tools", limits::TOOLS)));
    }
    let functions = tools.into_iter().enumerate().filter(|(_, tool)| tool["type"] == "function");
    let read = |(place, tool): (usize, Value)| {
        let field = format!("tools[{place}]");
        let function: Function = serde_path_to_error::deserialize(tool).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner().to_string();
            let name = inner.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            let name = name.map_or(path, str::to_owned);
            ApiError::field(format!("{field}.{name}"), format!("is wrong: {inner}"))
        })?;
        limits::tool(&field, "parameters", function.name, function.description, function.parameters)
    };
    functions.map(read).collect()
}

fn tool_choice(choice: Option<Value>) -> Result<ToolChoice> {
    let wrong = || ApiError::field("tool_choice", "must be one of auto, none, required, or name a function");
    match choice {
        None | Some(Value::Null) => Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(wrong()),
        },
        Some(choice) => choice["name"].as_str().map(|name| ToolChoice::Named(name.to_owned())).ok_or_else(wrong),
    }
}

impl Item {
    /// Add the item to the messages. What an assistant thought, said and called stands in items of their own here.
    fn read(self, field: &str, messages: &mut Vec<Message>) -> Result<()> {
        let missing = |name: &str| ApiError::field(format!("{field}.{name}"), "is missing");
        match self.r#type.as_deref().unwrap_or("message") {
            "message" => {
                let role = match self.role.as_deref() {
                    Some("system" | "developer") => Role::System,
                    Some("user") => Role::User,
                    Some("assistant") => Role::Assistant,
                    _ => {
                        let message = "must be one of system, developer, user, assistant";
                        return Err(ApiError::field(format!("{field}.role"), message));
                    }
                };
                let content = self.content.ok_or_else(|| missing("content"))?;
                let parts = content.read(&format!("{field}.content"))?;
                match messages.last_mut() {
                    // It goes on after its reasoning.
                    Some(last) if role == Role::Assistant && is_reasoning(last) => last.parts = parts,
                    _ => messages.push(Message { parts, ..Message::new(role, "") }),
                }
            }
            "reasoning" => {
                let text = match self.content {
                    Some(content) => text(content.read(&format!("{field}.content"))?),
                    None => String::new(),
                };
                if !text.is_empty() {
                    messages.push(Message { parts: Vec::new(), reasoning: text, ..Message::new(Role::Assistant, "") });
                }
            }
            "function_call" => {
                let call = ToolCall {
                    id: self.call_id.unwrap_or_default(),
                    name: self.name.ok_or_else(|| missing("name"))?,
                    arguments: self.arguments.unwrap_or_else(|| "{}".to_owned()),
                };
                match messages.last_mut() {
                    Some(last) if last.role == Role::Assistant => last.tool_calls.push(call),
                    _ => messages.push(Message {
                        parts: Vec::new(),
                        tool_calls: vec![call],
                        ..Message::new(Role::Assistant, "")
                    }),
                }
            }
            "function_call_output" => {
                let output = self.output.ok_or_else(|| missing("output"))?;
                let parts = output.read(&format!("{field}.output"))?;
                messages.push(Message { parts, tool_call_id: self.call_id, ..Message::new(Role::Tool, "") });
            }
            _ => {
                let message = "must be one of message, function_call, function_call_output, reasoning";
                return Err(ApiError::field(format!("{field}.type"), message));
            }
        }
        Ok(())
    }
}

fn is_reasoning(message: &Message) -> bool {
    message.role == Role::Assistant && message.parts.is_empty() && message.tool_calls.is_empty()
}

fn text(parts: Vec<Part>) -> String {
    Message { parts, ..Message::new(Role::Assistant, "") }.text().into_owned()
}

impl Content {
    fn read(self, field: &str) -> Result<Vec<Part>> {
        let parts = match self {
            Self::Text(text) => return Ok(vec![Part::Text(text)]),
            Self::Parts(parts) => parts,
        };
        let read = |(number, part): (usize, InPart)| {
            let missing = |name: &str| ApiError::field(format!("{field}[{number}].{name}"), "is missing");
            match part.r#type.as_str() {
                "input_text" | "output_text" | "reasoning_text" | "text" => {
                    part.text.map(Part::Text).ok_or_else(|| missing("text"))
                }
                "refusal" => part.refusal.map(Part::Text).ok_or_else(|| missing("refusal")),
                _ => {
                    let message = "must be a text: no model here reads images or files, and none is ever fetched";
                    Err(ApiError::field(format!("{field}[{number}].type"), message))
                }
            }
        };
        parts.into_iter().enumerate().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: &Value) -> Result<Generation> {
        crate::server::body::parse::<Request>(request.to_string().as_bytes())?.read()
    }

    #[test]
    fn items_become_messages() {
        let request = json!({
            "model": "m",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "How warm?"},
                {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "Look."}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
                {"type": "function_call", "call_id": "c1", "name": "heat", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "20"},
            ],
            "tools": [{"type": "function", "name": "heat", "parameters": {"type": "object"}}, {"type": "web_search"}],
            "tool_choice": {"type": "function", "name": "heat"},
            "reasoning": {"effort": "none"},
            "text": {"format": {"type": "json_object"}},
        });
        let generation = read(&request).unwrap();
        assert!(generation.form.is_some());
        let Prompt::Chat(chat) = generation.prompt else { panic!("no conversation") };
        let call = ToolCall { id: "c1".to_owned(), name: "heat".to_owned(), arguments: "{}".to_owned() };
        assert_eq!(
            chat.messages,
            [
                Message::new(Role::System, "Be brief."),
                Message::new(Role::User, "How warm?"),
                Message {
                    reasoning: "Look.".to_owned(),
                    tool_calls: vec![call],
                    ..Message::new(Role::Assistant, "I look.")
                },
                Message { tool_call_id: Some("c1".to_owned()), ..Message::new(Role::Tool, "20") },
            ]
        );
        assert_eq!((chat.tools.len(), chat.reasoning), (1, Some(false)));
        assert_eq!(chat.tool_choice, ToolChoice::Named("heat".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |name: &str, value: Value| {
            let mut request = json!({"model": "m", "input": "x"});
            request[name] = value;
            request
        };
        for (request, field) in [
            (json!({"model": "m"}), "input"),
            (with("input", json!(3)), "input"),
            (with("input", json!([])), "input"),
            (with("input", json!([{"role": "user"}])), "input[0].content"),
            (with("input", json!([{"role": "x", "content": "y"}])), "input[0].role"),
            (with("input", json!([{"type": "item_reference"}])), "input[0].type"),
            (
                with("input", json!([{"role": "user", "content": [{"type": "input_image"}]}])),
                "input[0].content[0].type",
            ),
            (with("input", json!([{"type": "function_call"}])), "input[0].name"),
            (with("previous_response_id", json!("resp_1")), "previous_response_id"),
            (with("background", json!(true)), "background"),
            (with("max_output_tokens", json!(0)), "max_output_tokens"),
            (with("tools", json!([{"type": "function"}])), "tools[0].name"),
            (with("tool_choice", json!("required")), "tool_choice"),
            (with("text", json!({"format": {"type": "json_schema"}})), "text.format.schema"),
            (with("reasoning", json!({"effort": "most"})), "reasoning.effort"),
            (with("temperature", json!(3)), "temperature"),
        ] {
            let error = read(&request).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{request}: {}", error.message);
        }
        assert!(read(&with("store", json!(true))).is_ok());
    }
}
