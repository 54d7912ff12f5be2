//! A request for a worker, as an engine is asked it.

use serde_json::{Map, Value, json};

use super::RemoteError;
use domain::model::remote::EngineKind;
use wire::{Chat, Generate, Grammar, Message, Prompt, Role, Sampling, Tool, ToolCall, ToolChoice};

/// The tokens that Anthropic is asked for where nobody names a bound: it wants one.
const ANTHROPIC_TOKENS: u32 = 4096;

/// How long Ollama keeps a model after an answer. A program that has gone holds nothing for ever.
pub(super) const KEEP_ALIVE: &str = "30m";

/// How an engine is asked: where, and what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// Below the engine's address.
    pub(super) path: &'static str,
    /// A JSON document.
    pub(super) body: Value,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// What the engine is.
    pub(super) kind: EngineKind,
    /// The model's name there.
    pub(super) model: &'a str,
    /// The context that is asked for, where the engine takes that with each request.
    pub(super) n_ctx: u32,
    /// Whether it is OpenAI itself.
    pub(super) is_openai: bool,
}

/// Put a request into the engine's words.
///
/// # Errors
///
/// The engine can't do it.
pub(super) fn question(target: Target<'_>, generate: &Generate) -> Result<Question, RemoteError> {
    if generate.credits.is_some() {
        let hint = "race it without lockstep";
        return Err(RemoteError::new("a remote engine can't be stopped at each token").with_hint(hint));
    }
    if generate.n_top_logprobs > 0 {
        return Err(RemoteError::new("remote engines are not asked for the likeliest tokens"));
    }
    match target.kind {
        EngineKind::Ollama => ollama(target, generate),
        EngineKind::Anthropic => anthropic(target, generate),
        _ => openai(target, generate),
    }
}

/// Put what is known.
fn put(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

/// A number as it was written: a 32-bit float would get digits that nobody wrote.
fn real(value: Option<f32>) -> Option<Value> {
    value.and_then(|value| value.to_string().parse::<f64>().ok()).map(Value::from)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_bad| json!({}))
}

fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

fn openai(target: Target<'_>, generate: &Generate) -> Result<Question, RemoteError> {
    let mut body = object(json!({
        "model": target.model,
        "stream": true,
        "stream_options": {"include_usage": true},
    }));
    let path = match &generate.prompt {
        Prompt::Chat(chat) => {
            body.insert("messages".to_owned(), chat.messages.iter().map(openai_message).collect());
            tools(&mut body, chat);
            let mut options = object(chat.template_options.as_deref().map_or_else(|| json!({}), parsed));
            put(&mut options, "enable_thinking", chat.reasoning);
            put(&mut body, "chat_template_kwargs", (!options.is_empty() && !target.is_openai).then_some(options));
            "v1/chat/completions"
        }
        Prompt::Raw(text) => {
            body.insert("prompt".to_owned(), text.as_str().into());
            "v1/completions"
        }
    };
    let limit = if target.is_openai { "max_completion_tokens" } else { "max_tokens" };
    put(&mut body, limit, generate.max_tokens);
    put(&mut body, "stop", some(&generate.stop));
    sampling(&mut body, target.kind, &generate.sampling);
    if !generate.logit_bias.is_empty() {
        let bias = generate.logit_bias.iter();
        let bias = bias.map(|bias| (bias.token.to_string(), real(Some(bias.bias)).unwrap_or(Value::Null)));
        body.insert("logit_bias".to_owned(), Value::Object(bias.collect()));
    }
    match &generate.grammar {
        None => {}
        Some(Grammar::JsonSchema(schema)) => {
            let schema = json!({"name": "answer", "schema": parsed(schema), "strict": true});
            body.insert("response_format".to_owned(), json!({"type": "json_schema", "json_schema": schema}));
        }
        Some(Grammar::Gbnf(grammar)) if target.kind == EngineKind::LlamaServer => {
            body.insert("grammar".to_owned(), grammar.as_str().into());
        }
        Some(Grammar::Gbnf(_)) => return Err(RemoteError::new("it takes no GBNF grammar, only a JSON schema")),
    }
    Ok(Question { path, body: body.into() })
}

fn sampling(body: &mut Map<String, Value>, kind: EngineKind, sampling: &Sampling) {
    let Sampling { temperature, top_k, top_p, min_p, repeat_penalty, .. } = *sampling;
    put(body, "temperature", real(temperature));
    put(body, "top_p", real(top_p));
    put(body, "frequency_penalty", real(sampling.frequency_penalty));
    put(body, "presence_penalty", real(sampling.presence_penalty));
    put(body, "seed", sampling.seed);
    let penalty = match kind {
        EngineKind::LlamaServer => "repeat_penalty",
        EngineKind::Vllm | EngineKind::Sglang => "repetition_penalty",
        // The others refuse what OpenAI does not have, or leave it out.
        _ => return,
    };
    put(body, "top_k", top_k);
    put(body, "min_p", real(min_p));
    put(body, penalty, real(repeat_penalty));
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn openai_message(message: &Message) -> Value {
    let mut told = object(json!({"role": role(message.role), "content": message.text()}));
    let call = |call: &ToolCall| {
        let function = json!({"name": call.name, "arguments": call.arguments});
        json!({"id": call.id, "type": "function", "function": function})
    };
    put(&mut told, "tool_calls", some(&message.tool_calls).map(|calls| calls.iter().map(call).collect::<Vec<_>>()));
    put(&mut told, "tool_call_id", message.tool_call_id.clone());
    put(&mut told, "name", message.name.clone().filter(|_| message.role == Role::User));
    told.into()
}

fn function(tool: &Tool) -> Value {
    json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": parsed(&tool.parameters)}})
}

fn tools(body: &mut Map<String, Value>, chat: &Chat) {
    if chat.tools.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), chat.tools.iter().map(function).collect());
    let choice = match &chat.tool_choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    };
    body.insert("tool_choice".to_owned(), choice);
    if !chat.parallel_tool_calls {
        body.insert("parallel_tool_calls".to_owned(), false.into());
    }
}

fn ollama_message(message: &Message) -> Value {
    let call = |call: &ToolCall| json!({"function": {"name": call.name, "arguments": parsed(&call.arguments)}});
    let mut told = object(json!({"role": role(message.role), "content": message.text()}));
    put(&mut told, "tool_calls", some(&message.tool_calls).map(|calls| calls.iter().map(call).collect::<Vec<_>>()));
    told.into()
}

fn ollama(target: Target<'_>, generate: &Generate) -> Result<Question, RemoteError> {
    let mut body = object(json!({"model": target.model, "stream": true, "keep_alive": KEEP_ALIVE}));
    let path = match &generate.prompt {
        Prompt::Chat(chat) => {
            body.insert("messages".to_owned(), chat.messages.iter().map(ollama_message).collect());
            if !chat.tools.is_empty() && chat.tool_choice != ToolChoice::None {
                body.insert("tools".to_owned(), chat.tools.iter().map(function).collect());
            }
            put(&mut body, "think", chat.reasoning);
            "api/chat"
        }
        Prompt::Raw(text) => {
            body.insert("prompt".to_owned(), text.as_str().into());
            body.insert("raw".to_owned(), true.into());
            "api/generate"
        }
    };
    match &generate.grammar {
        None => {}
        Some(Grammar::JsonSchema(schema)) => drop(body.insert("format".to_owned(), parsed(schema))),
        Some(Grammar::Gbnf(_)) => return Err(RemoteError::new("it takes no GBNF grammar, only a JSON schema")),
    }
    let mut options = Map::new();
    let Sampling { temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, .. } = generate.sampling;
    put(&mut options, "num_ctx", (target.n_ctx > 0).then_some(target.n_ctx));
    put(&mut options, "num_predict", generate.max_tokens);
    put(&mut options, "stop", some(&generate.stop));
    put(&mut options, "temperature", real(temperature));
    put(&mut options, "top_k", top_k);
    put(&mut options, "top_p", real(top_p));
    put(&mut options, "min_p", real(min_p));
    put(&mut options, "repeat_penalty", real(repeat_penalty));
    put(&mut options, "repeat_last_n", repeat_last_n);
    put(&mut options, "frequency_penalty", real(generate.sampling.frequency_penalty));
    put(&mut options, "presence_penalty", real(generate.sampling.presence_penalty));
    put(&mut options, "seed", generate.sampling.seed);
    body.insert("options".to_owned(), options.into());
    Ok(Question { path, body: body.into() })
}

fn anthropic_message(message: &Message) -> Value {
    let mut content = Vec::new();
    let text = message.text();
    if message.role == Role::Tool {
        content.push(json!({"type": "tool_result", "tool_use_id": message.tool_call_id, "content": text}));
    } else if !text.is_empty() {
        content.push(json!({"type": "text", "text": text}));
    }
    let call = |call: &ToolCall| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": parsed(&call.arguments)});
    content.extend(message.tool_calls.iter().map(call));
    json!({"role": if message.role == Role::Assistant { "assistant" } else { "user" }, "content": content})
}

fn anthropic(target: Target<'_>, generate: &Generate) -> Result<Question, RemoteError> {
    let Prompt::Chat(chat) = &generate.prompt else {
        return Err(RemoteError::new("it takes conversations only, not raw text"));
    };
    if generate.grammar.is_some() {
        return Err(RemoteError::new("it takes no grammar and no schema"));
    }
    let (system, others): (Vec<&Message>, Vec<_>) =
        chat.messages.iter().partition(|message| message.role == Role::System);
    let mut body = object(json!({
        "model": target.model,
        "stream": true,
        "max_tokens": generate.max_tokens.unwrap_or(ANTHROPIC_TOKENS),
        "messages": others.into_iter().map(anthropic_message).collect::<Vec<_>>(),
    }));
    let system: Vec<_> = system.into_iter().map(Message::text).collect();
    put(&mut body, "system", (!system.is_empty()).then(|| system.join("\n\n")));
    put(&mut body, "stop_sequences", some(&generate.stop));
    let Sampling { temperature, top_k, top_p, .. } = generate.sampling;
    put(&mut body, "temperature", real(temperature));
    // Newer models refuse both at once.
    put(&mut body, "top_p", real(top_p).filter(|_| temperature.is_none()));
    put(&mut body, "top_k", top_k);
    if !chat.tools.is_empty() {
        let tool = |tool: &Tool| json!({"name": tool.name, "description": tool.description, "input_schema": parsed(&tool.parameters)});
        body.insert("tools".to_owned(), chat.tools.iter().map(tool).collect());
        let choice = match &chat.tool_choice {
            ToolChoice::Auto => json!({"type": "auto"}),
            ToolChoice::None => json!({"type": "none"}),
            ToolChoice::Required => json!({"type": "any"}),
            ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
        };
        body.insert("tool_choice".to_owned(), choice);
    }
    Ok(Question { path: "v1/messages", body: body.into() })
}
