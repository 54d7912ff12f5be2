//! What is asked of `/v1/chat/completions`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::server::body::within;
use crate::server::error::{ApiError, Result};
use crate::server::limits;
use crate::server::openai::common::reasoning;
use crate::server::openai::fields::{N_LIKELY, OneOrMany, ResponseFormat, Samplers, StreamOptions, logit_bias};
use domain::ask::Generation;
use wire::{Chat, Message, Part, Prompt, Role, Tool, ToolCall, ToolChoice};

/// A conversation to be continued.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ChatRequest)]
pub(in crate::server::openai) struct Request {
    /// The model's name, as `/v1/models` lists it.
    pub(super) model: String,
    /// The conversation.
    #[schema(min_items = 1)]
    messages: Vec<InMessage>,
    /// Send the answer as it comes.
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    /// The most tokens, reasoning included.
    #[schema(minimum = 0)]
    max_completion_tokens: Option<u32>,
    /// The older name of it.
    #[schema(minimum = 0)]
    max_tokens: Option<u32>,
    /// Answers to give.
    #[schema(minimum = 1, maximum = 16)]
    n: Option<u32>,
    /// Texts that end the answer.
    stop: Option<OneOrMany>,
    /// Tell how likely each token was.
    logprobs: Option<bool>,
    /// And so many of the likeliest in its place.
    #[schema(minimum = 0, maximum = 20)]
    top_logprobs: Option<u32>,
    response_format: Option<ResponseFormat>,
    /// A grammar in llama.cpp's GBNF that the answer must follow.
    grammar: Option<String>,
    /// The tools that the model may call.
    tools: Option<Vec<InTool>>,
    tool_choice: Option<InToolChoice>,
    /// Whether several tools may be called in one answer.
    parallel_tool_calls: Option<bool>,
    /// How much the model reasons, where it can be told: `none`, `minimal`, `low`, `medium`, `high` or `xhigh`.
    reasoning_effort: Option<String>,
    /// Further variables for the model's chat template, as llama-server and vLLM have it.
    #[schema(value_type = Option<Object>)]
    chat_template_kwargs: Option<Map<String, Value>>,
    /// 0 is greedy.
    #[schema(minimum = 0.0, maximum = 2.0)]
    temperature: Option<f32>,
    /// Keep the likeliest tokens that together reach this.
    #[schema(minimum = 0.0, maximum = 1.0)]
    top_p: Option<f32>,
    /// Keep so many of the likeliest tokens; 0 keeps all.
    #[schema(minimum = 0)]
    top_k: Option<u32>,
    /// Keep tokens at least so likely, as a share of the likeliest.
    #[schema(minimum = 0.0, maximum = 1.0)]
    min_p: Option<f32>,
    /// Keep tokens whose surprise is nearest to the expected one, until they reach this.
    #[schema(minimum = 0.0, maximum = 1.0)]
    typical_p: Option<f32>,
    /// Keep tokens within so many standard deviations of the greatest logit; 0 or -1 is off.
    #[schema(minimum = -1.0, maximum = 1000.0)]
    top_n_sigma: Option<f32>,
    /// How often the likeliest tokens are left out.
    #[schema(minimum = 0.0, maximum = 1.0)]
    xtc_probability: Option<f32>,
    /// How likely another token must be for that.
    #[schema(minimum = 0.0, maximum = 1.0)]
    xtc_threshold: Option<f32>,
    /// Weaken tokens that stand in the text by this factor.
    #[schema(minimum = 0.1, maximum = 10.0)]
    repeat_penalty: Option<f32>,
    /// How many of the last tokens the penalties look at, 64 where nothing is said; -1 is all.
    #[schema(minimum = -1)]
    repeat_last_n: Option<i32>,
    /// Weaken tokens by this for each time that they stand in the text.
    #[schema(minimum = -2.0, maximum = 2.0)]
    frequency_penalty: Option<f32>,
    /// Weaken tokens that stand in the text by this.
    #[schema(minimum = -2.0, maximum = 2.0)]
    presence_penalty: Option<f32>,
    /// Make tokens, by their numbers, more or less likely: -100 bans one, 100 forces it.
    logit_bias: Option<BTreeMap<String, f32>>,
    /// Mirostat in place of top-k, top-p and the like: 1 or 2; 0 is off.
    #[schema(minimum = 0, maximum = 2)]
    mirostat: Option<u32>,
    /// The surprise that Mirostat aims at, in bits.
    #[schema(minimum = 0.0, maximum = 100.0)]
    mirostat_tau: Option<f32>,
    /// How fast Mirostat learns.
    #[schema(minimum = 0.0, maximum = 1.0)]
    mirostat_eta: Option<f32>,
    /// The seed of the draw.
    seed: Option<i64>,
}

/// A message.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ChatMessage)]
struct InMessage {
    role: InRole,
    content: Option<Content>,
    name: Option<String>,
    /// What an assistant thought, as this server tells it.
    reasoning_content: Option<String>,
    /// The tools that an assistant called.
    tool_calls: Option<Vec<InToolCall>>,
    /// Which call a tool answers.
    tool_call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChatRole)]
enum InRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

/// What is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of parts")]
#[schema(as = ChatContent)]
enum Content {
    Text(String),
    Parts(Vec<InPart>),
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ChatPart)]
struct InPart {
    /// `text`, or `refusal`.
    r#type: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<ImageUrl>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ImageUrl {
    url: String,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ChatToolCall)]
struct InToolCall {
    id: Option<String>,
    function: InFunctionCall,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct InFunctionCall {
    name: String,
    /// JSON as text.
    arguments: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ChatTool)]
struct InTool {
    /// `function`.
    r#type: Option<String>,
    function: InFunction,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct InFunction {
    name: String,
    description: Option<String>,
    /// A JSON schema of its arguments.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
}

/// Whether a tool is called: `auto`, `none`, `required`, or which.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be auto, none, required, or an object that names a function")]
#[schema(as = ChatToolChoice)]
enum InToolChoice {
    Word(String),
    Named { function: NamedFunction },
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NamedFunction {
    name: String,
}

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) n: u32,
    /// `None` tells no probabilities.
    pub(super) n_logprobs: Option<usize>,
    pub(super) generation: Generation,
}

impl Request {
    pub(super) fn read(self) -> Result<Read> {
        let n = within("n", self.n, 1, limits::N)?.unwrap_or(1);
        if self.messages.is_empty() || self.messages.len() > limits::MESSAGES {
            return Err(ApiError::field("messages", format!("must have 1 to {} messages", limits::MESSAGES)));
        }
        let n_top = within("top_logprobs", self.top_logprobs, 0, N_LIKELY)?;
        let has_logprobs = self.logprobs.unwrap_or(false);
        if n_top.is_some_and(|n_top| n_top > 0) && !has_logprobs {
            return Err(ApiError::field("top_logprobs", "needs `logprobs` to be true"));
        }
        let samplers = Samplers {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            typical_p: self.typical_p,
            top_n_sigma: self.top_n_sigma,
            xtc_probability: self.xtc_probability,
            xtc_threshold: self.xtc_threshold,
            repeat_penalty: self.repeat_penalty,
            repeat_last_n: self.repeat_last_n,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            mirostat: self.mirostat,
            mirostat_tau: self.mirostat_tau,
            mirostat_eta: self.mirostat_eta,
            seed: self.seed,
        };
        let format = ResponseFormat::read(self.response_format)?;
        let grammar = limits::grammar("grammar", self.grammar)?;
        if format.is_some() && grammar.is_some() {
            return Err(ApiError::field("grammar", "can't be combined with `response_format`"));
        }
        let (reasoning, template_options) =
            reasoning("reasoning_effort", self.reasoning_effort.as_deref(), self.chat_template_kwargs)?;
        let messages = self.messages.into_iter().enumerate().map(|(place, message)| message.read(place));
        let chat = Chat {
            messages: messages.collect::<Result<Vec<Message>>>()?,
            tools: tools(self.tools.unwrap_or_default())?,
            tool_choice: self.tool_choice.map(InToolChoice::read).transpose()?.unwrap_or_default(),
            parallel_tool_calls: self.parallel_tool_calls.unwrap_or(true),
            reasoning,
            template_options,
        };
        if matches!(chat.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) && chat.tools.is_empty() {
            return Err(ApiError::field("tool_choice", "needs `tools`"));
        }
        let generation = Generation {
            sampling: samplers.read()?,
            logit_bias: logit_bias(self.logit_bias)?,
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            form: format.or(grammar),
            stop: OneOrMany::stop(self.stop)?,
            n_top_logprobs: if has_logprobs { N_LIKELY } else { 0 },
            ..Generation::new(Prompt::Chat(chat))
        };
        let n_logprobs = has_logprobs.then(|| n_top.unwrap_or(0) as usize);
        Ok(Read { n, n_logprobs, generation })
    }
}

fn tools(tools: Vec<InTool>) -> Result<Vec<Tool>> {
    if tools.len() > limits::TOOLS {
        return Err(ApiError::field("tools", format!("must be at most {} tools", limits::TOOLS)));
    }
    let read = |(place, tool): (usize, InTool)| {
        if tool.r#type.is_some_and(|kind| kind != "function") {
            return Err(ApiError::field(format!("tools[{place}].type"), "must be `function`"));
        }
        let InFunction { name, description, parameters } = tool.function;
        limits::tool(&format!("tools[{place}].function"), "parameters", name, description, parameters)
    };
    tools.into_iter().enumerate().map(read).collect()
}

impl InToolChoice {
    fn read(self) -> Result<ToolChoice> {
        match self {
            Self::Named { function } => Ok(ToolChoice::Named(function.name)),
            Self::Word(word) => match word.as_str() {
                "auto" => Ok(ToolChoice::Auto),
                "none" => Ok(ToolChoice::None),
                "required" | "any" => Ok(ToolChoice::Required),
                _ => Err(ApiError::field("tool_choice", "must be one of auto, none, required, or name a function")),
            },
        }
    }
}

impl InMessage {
    fn read(self, place: usize) -> Result<Message> {
        let role = match self.role {
            InRole::System | InRole::Developer => Role::System,
            InRole::User => Role::User,
            InRole::Assistant => Role::Assistant,
            InRole::Tool | InRole::Function => Role::Tool,
        };
        let calls = self.tool_calls.unwrap_or_default();
        if !calls.is_empty() && role != Role::Assistant {
            return Err(ApiError::field(
                format!("messages[{place}].tool_calls"),
                "may only be in messages of the assistant",
            ));
        }
        let parts = match self.content {
            None if role == Role::Assistant => Vec::new(),
            None => return Err(ApiError::field(format!("messages[{place}].content"), "is missing")),
            Some(Content::Text(text)) => vec![Part::Text(text)],
            Some(Content::Parts(parts)) => {
                let read = |(number, part): (usize, InPart)| part.read(&format!("messages[{place}].content[{number}]"));
                parts.into_iter().enumerate().map(read).collect::<Result<_>>()?
            }
        };
        let call = |call: InToolCall| ToolCall {
            // Some clients give none back.
            id: call.id.unwrap_or_default(),
            name: call.function.name,
            arguments: call.function.arguments.unwrap_or_else(|| "{}".to_owned()),
        };
        Ok(Message {
            parts,
            reasoning: self.reasoning_content.unwrap_or_default(),
            tool_calls: calls.into_iter().map(call).collect(),
            tool_call_id: self.tool_call_id,
            name: self.name,
            ..Message::new(role, "")
        })
    }
}

impl InPart {
    fn read(self, field: &str) -> Result<Part> {
        let missing = |name: &str| ApiError::field(format!("{field}.{name}"), "is missing");
        match self.r#type.as_str() {
            "text" => self.text.map(Part::Text).ok_or_else(|| missing("text")),
            "refusal" => self.refusal.map(Part::Text).ok_or_else(|| missing("refusal")),
            "image_url" => {
                let url = self.image_url.ok_or_else(|| missing("image_url"))?.url;
                let message = if url.starts_with("data:") {
                    "is an image, and no model here reads images"
                } else {
                    "is never fetched: give the image as a data URI"
                };
                Err(ApiError::field(format!("{field}.image_url.url"), message))
            }
            _ => Err(ApiError::field(format!("{field}.type"), "must be `text`: no model here reads anything else")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(request: &Value) -> Result<Read> {
        crate::server::body::parse::<Request>(request.to_string().as_bytes())?.read()
    }

    fn with(name: &str, value: Value) -> Value {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        request[name] = value;
        request
    }

    #[test]
    fn a_conversation_with_tools_is_read() {
        let request = json!({
            "model": "m",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "How"}, {"type": "text", "text": "warm?"}], "name": "ann"},
                {"role": "assistant", "content": null, "reasoning_content": "Look.", "tool_calls": [
                    {"id": null, "type": "function", "function": {"name": "heat", "arguments": "{\"at\":1}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "20"},
            ],
            "tools": [{"type": "function", "function": {"name": "heat", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": {"type": "function", "function": {"name": "heat"}},
            "parallel_tool_calls": false,
            "reasoning_effort": "low",
            "max_tokens": 3,
            "max_completion_tokens": 4,
            "seed": -1,
            "stop": "end",
            "logprobs": true,
            "user": "someone",
        });
        let Read { n, n_logprobs, generation } = read(&request).unwrap();
        let Prompt::Chat(chat) = generation.prompt else { panic!("no conversation") };
        let text = |text: &str| Part::Text(text.to_owned());
        let call = ToolCall { id: String::new(), name: "heat".to_owned(), arguments: r#"{"at":1}"#.to_owned() };
        assert_eq!(
            chat.messages,
            [
                Message::new(Role::System, "Be brief."),
                Message {
                    parts: vec![text("How"), text("warm?")],
                    name: Some("ann".to_owned()),
                    ..Message::new(Role::User, "")
                },
                Message {
                    parts: Vec::new(),
                    reasoning: "Look.".to_owned(),
                    tool_calls: vec![call],
                    ..Message::new(Role::Assistant, "")
                },
                Message { tool_call_id: Some("c1".to_owned()), ..Message::new(Role::Tool, "20") },
            ]
        );
        assert_eq!((chat.tool_choice, chat.parallel_tool_calls), (ToolChoice::Named("heat".to_owned()), false));
        assert_eq!(chat.template_options.as_deref(), Some(r#"{"reasoning_effort":"low"}"#));
        assert_eq!((chat.reasoning, n, n_logprobs), (Some(true), 1, Some(0)));
        assert_eq!((generation.max_tokens, generation.sampling.seed), (Some(4), Some(u32::MAX)));
        assert_eq!((generation.stop, generation.n_top_logprobs), (vec!["end".to_owned()], N_LIKELY));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (request, field) in [
            (json!({"messages": []}), "model"),
            (with("model", json!(3)), "model"),
            (with("messages", json!([])), "messages"),
            (with("messages", json!("x")), "messages"),
            (with("messages", json!([{"content": "x"}])), "messages[0].role"),
            (with("messages", json!([{"role": "x", "content": "x"}])), "messages[0].role"),
            (with("messages", json!([{"role": "user"}])), "messages[0].content"),
            (with("messages", json!([{"role": "user", "content": {"a": 1}}])), "messages[0].content"),
            (
                with("messages", json!([{"role": "user", "content": [{"type": "input_audio"}]}])),
                "messages[0].content[0].type",
            ),
            (
                with(
                    "messages",
                    json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b"}}]}]),
                ),
                "messages[0].content[0].image_url.url",
            ),
            (with("temperature", json!("hot")), "temperature"),
            (with("temperature", json!(2.5)), "temperature"),
            (with("top_p", json!(-1)), "top_p"),
            (with("n", json!(0)), "n"),
            (with("n", json!(17)), "n"),
            (with("max_tokens", json!(-1)), "max_tokens"),
            (with("stop", json!(7)), "stop"),
            (with("stream", json!("yes")), "stream"),
            (with("top_logprobs", json!(3)), "top_logprobs"),
            (with("tools", json!([{"type": "function"}])), "tools[0].function"),
            (with("tools", json!([{"function": {"name": ""}}])), "tools[0].function.name"),
            (with("tools", json!([{"type": "web", "function": {"name": "x"}}])), "tools[0].type"),
            (with("tool_choice", json!("required")), "tool_choice"),
            (with("tool_choice", json!("perhaps")), "tool_choice"),
            (with("reasoning_effort", json!("most")), "reasoning_effort"),
            (with("response_format", json!({"type": "xml"})), "response_format.type"),
            (with("chat_template_kwargs", json!([])), "chat_template_kwargs"),
        ] {
            let error = read(&request).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{request}: {}", error.message);
        }
        assert!(read(&with("unheard_of", json!([1]))).is_ok());
        assert!(read(&with("temperature", Value::Null)).is_ok());
    }
}
