//! `/api/chat`.

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Field, Lines};
use super::common::{Common, HasCommon};
use super::options::{Options, format, think};
use crate::server::error::{ApiError, Result};
use crate::server::incoming::{Generate, Incoming, Job};
use crate::server::limits;
use domain::ask::{Api, Generation};
use wire::{Chat, Message, Prompt, Role, Tool, ToolCall};

/// A conversation to be continued. Without messages the model is loaded, or unloaded where it is kept for no time.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaChatRequest)]
pub(super) struct Request {
    /// The model's name, as `/api/tags` lists it.
    model: String,
    /// The conversation.
    messages: Option<Vec<InMessage>>,
    /// The tools that the model may call.
    tools: Option<Vec<InTool>>,
    /// `json`, or a JSON schema.
    #[schema(value_type = Option<Object>)]
    format: Option<Value>,
    options: Option<Options>,
    /// Send the answer as it comes; so it is where nothing is said.
    stream: Option<bool>,
    /// How long the model stays loaded.
    #[schema(value_type = Option<Object>)]
    keep_alive: Option<Value>,
    /// Whether, or how much, the model reasons.
    #[schema(value_type = Option<Object>)]
    think: Option<Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaMessage)]
struct InMessage {
    role: InRole,
    content: Option<String>,
    thinking: Option<String>,
    images: Option<Vec<String>>,
    tool_calls: Option<Vec<InToolCall>>,
    tool_name: Option<String>,
    tool_call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OllamaRole)]
enum InRole {
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaToolCall)]
struct InToolCall {
    id: Option<String>,
    function: InFunctionCall,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaFunctionCall)]
struct InFunctionCall {
    name: String,
    /// An object.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaTool)]
struct InTool {
    function: InFunction,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaFunction)]
struct InFunction {
    name: String,
    description: Option<String>,
    /// A JSON schema of its arguments.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
}

/// Answer a conversation.
#[utoipa::path(
    post,
    path = "/api/chat",
    tag = "ollama",
    request_body = Request,
    responses(
        (status = 200, description = "The answer, or a stream of JSON lines"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn chat(incoming: Incoming<Request>) -> Result<Response> {
    let is_empty = incoming.request.messages.as_ref().is_none_or(Vec::is_empty);
    incoming.answer_or_load(is_empty, Field::Message).await
}

impl HasCommon for Request {
    fn common(&self) -> Common<'_> {
        Common { model: &self.model, options: self.options.as_ref(), keep_alive: self.keep_alive.as_ref() }
    }
}

impl Generate for Request {
    const API: Api = Api::Ollama;
    type Answer = Lines;

    fn model(&self) -> &str {
        &self.model
    }

    fn job(mut self) -> Result<Job<Lines>> {
        let generation = self.read()?;
        self.common().job(generation, self.stream, Field::Message)
    }
}

impl Request {
    fn read(&mut self) -> Result<Generation> {
        let messages = self.messages.take().unwrap_or_default();
        if messages.len() > limits::MESSAGES {
            return Err(ApiError::field("messages", format!("must have at most {} messages", limits::MESSAGES)));
        }
        let tools = self.tools.take().unwrap_or_default();
        if tools.len() > limits::TOOLS {
            return Err(ApiError::field("tools", format!("must be at most {} tools", limits::TOOLS)));
        }
        let tool = |(place, tool): (usize, InTool)| {
            let InFunction { name, description, parameters } = tool.function;
            limits::tool(&format!("tools[{place}].function"), "parameters", name, description, parameters)
        };
        let (reasoning, template_options) = think(self.think.as_ref())?;
        let messages = messages.into_iter().enumerate().map(|(place, message)| message.read(place));
        let chat = Chat {
            messages: messages.collect::<Result<Vec<Message>>>()?,
            tools: tools.into_iter().enumerate().map(tool).collect::<Result<Vec<Tool>>>()?,
            reasoning,
            template_options,
            ..Chat::default()
        };
        Ok(Generation { form: format(self.format.as_ref())?, ..Generation::new(Prompt::Chat(chat)) })
    }
}

impl InMessage {
    fn read(self, place: usize) -> Result<Message> {
        if self.images.is_some_and(|images| !images.is_empty()) {
            return Err(ApiError::field(
                format!("messages[{place}].images"),
                "can't be read: no model here reads images",
            ));
        }
        let role = match self.role {
            InRole::System => Role::System,
            InRole::User => Role::User,
            InRole::Assistant => Role::Assistant,
            InRole::Tool => Role::Tool,
        };
        let call = |call: InToolCall| ToolCall {
            id: call.id.unwrap_or_default(),
            name: call.function.name,
            arguments: call.function.arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
        Ok(Message {
            reasoning: self.thinking.unwrap_or_default(),
            tool_calls: self.tool_calls.unwrap_or_default().into_iter().map(call).collect(),
            tool_call_id: self.tool_call_id,
            name: self.tool_name,
            ..Message::new(role, self.content.unwrap_or_default())
        })
    }
}
