//! `/v1/chat/completions`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::{Logprobs, N_LIKELY, OneOrMany, ResponseFormat, Samplers, StreamOptions};
use super::{FINGERPRINT, Usage, asker, finish_reason, now, sse};
use crate::server::body::{self, within};
use crate::server::error::{ApiError, Result};
use crate::server::guard::Caller;
use crate::server::handle::AnswerEvent;
use crate::server::models::named;
use crate::server::shape::Shape;
use crate::server::stream::{Answers, Translate, Whole};
use crate::server::{Ask, Generation, Shared, limits};
use domain::session::End;
use wire::{Channel, Message, Prompt, Role, Token};

/// A conversation to be continued.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = ChatRequest)]
pub(super) struct Request {
    /// The model's name, as `/v1/models` lists it.
    model: String,
    /// The conversation.
    #[schema(min_items = 1)]
    messages: Vec<InMessage>,
    /// Send the answer as it comes.
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
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
    /// 0 always takes the likeliest token.
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
    /// Weaken the tokens of the last 64 by this factor.
    #[schema(minimum = 0.1, maximum = 10.0)]
    repeat_penalty: Option<f32>,
    /// The seed of the draw.
    seed: Option<i64>,
}

/// A message.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct InMessage {
    role: InRole,
    content: Option<Content>,
}

#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum InRole {
    System,
    Developer,
    User,
    Assistant,
}

/// What is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a text or a list of parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Part {
    r#type: String,
    text: Option<String>,
}

/// Answer a conversation.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The answer, or a stream of its chunks"),
        (status = 400, description = "A field is wrong"),
        (status = 404, description = "There is no such model"),
    )
)]
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body::Json(request): body::Json<Request>,
) -> Result<Response> {
    let served = named(&shared.handle, &request.model).await?;
    let is_stream = request.stream.unwrap_or(false);
    let include_usage = StreamOptions::include_usage(request.stream_options.as_ref());
    let read = read(request)?;
    let ask = Ask {
        model: served.model.id.clone(),
        settings: None,
        generation: read.generation,
        asker: asker(caller),
        keep_alive: None,
    };
    let mut answers = Vec::new();
    for choice in 0..read.n {
        let generation = ask.generation.clone().of_choice(choice);
        answers.push(shared.handle.ask(Ask { generation, ..ask.clone() }).await?);
    }
    let answers = Answers::new(answers);
    let id = answers.requests().next().unwrap_or_default();
    let head = Head {
        id: format!("chatcmpl-{}{}", shared.instance, id.0),
        created: now(),
        model: served.name,
        n_logprobs: read.n_logprobs,
    };
    if is_stream {
        return answers.stream(Chunks::new(head, read.n as usize, include_usage)).await;
    }
    Ok(Json(head.completion(&answers.whole().await?)).into_response())
}

/// A request that makes sense.
#[derive(Debug)]
struct Read {
    n: u32,
    /// `None` tells no probabilities.
    n_logprobs: Option<usize>,
    generation: Generation,
}

fn read(request: Request) -> Result<Read> {
    let n = within("n", request.n, 1, limits::N)?.unwrap_or(1);
    if request.messages.is_empty() {
        return Err(ApiError::field("messages", "must have a message at least"));
    }
    if request.messages.len() > limits::MESSAGES {
        return Err(ApiError::field("messages", format!("must have {} messages at most", limits::MESSAGES)));
    }
    let messages = request.messages.into_iter().enumerate().map(|(place, message)| message.read(place));
    let prompt = Prompt::Chat(messages.collect::<Result<Vec<Message>>>()?);
    let n_top = within("top_logprobs", request.top_logprobs, 0, N_LIKELY)?;
    let has_logprobs = request.logprobs.unwrap_or(false);
    if n_top.is_some_and(|n_top| n_top > 0) && !has_logprobs {
        return Err(ApiError::field("top_logprobs", "needs `logprobs` to be true"));
    }
    let samplers = Samplers {
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        min_p: request.min_p,
        repeat_penalty: request.repeat_penalty,
        seed: request.seed,
    };
    let format = ResponseFormat::read(request.response_format)?;
    let grammar = limits::grammar("grammar", request.grammar)?;
    if format.is_some() && grammar.is_some() {
        return Err(ApiError::field("grammar", "can't be combined with `response_format`"));
    }
    let generation = Generation {
        sampling: samplers.read()?,
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        form: format.or(grammar),
        stop: OneOrMany::stop(request.stop)?,
        n_top_logprobs: if has_logprobs { N_LIKELY } else { 0 },
        ..Generation::new(prompt)
    };
    let n_logprobs = has_logprobs.then(|| n_top.unwrap_or(0) as usize);
    Ok(Read { n, n_logprobs, generation })
}

impl InMessage {
    fn read(self, place: usize) -> Result<Message> {
        let role = match self.role {
            InRole::System | InRole::Developer => Role::System,
            InRole::User => Role::User,
            InRole::Assistant => Role::Assistant,
        };
        let content = match self.content {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                let mut all = String::new();
                for (number, part) in parts.into_iter().enumerate() {
                    match (part.r#type.as_str(), part.text) {
                        ("text", Some(text)) => all.push_str(&text),
                        ("text", None) => {
                            return Err(ApiError::field(
                                format!("messages[{place}].content[{number}].text"),
                                "is missing",
                            ));
                        }
                        _ => {
                            let field = format!("messages[{place}].content[{number}].type");
                            return Err(ApiError::field(field, "must be `text`: no model here reads anything else"));
                        }
                    }
                }
                all
            }
        };
        Ok(Message { role, content })
    }
}

/// What all chunks of an answer have in common.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    created: i64,
    model: String,
    n_logprobs: Option<usize>,
}

impl Head {
    fn completion(&self, answers: &[Whole]) -> Value {
        let choices: Vec<Value> =
            answers.iter().enumerate().map(|(index, answer)| self.choice(index, answer)).collect();
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
            "usage": Usage::of(answers).json(),
        })
    }

    fn choice(&self, index: usize, answer: &Whole) -> Value {
        let mut message = json!({"role": "assistant", "content": answer.text, "refusal": null});
        if !answer.reasoning.is_empty() {
            message["reasoning_content"] = json!(answer.reasoning);
        }
        json!({
            "index": index,
            "message": message,
            "logprobs": self.logprobs(&answer.tokens),
            "finish_reason": finish_reason(answer.end.as_ref()),
        })
    }

    fn logprobs(&self, tokens: &[Token]) -> Option<Value> {
        Some(json!({"content": Logprobs::chat(tokens, self.n_logprobs?), "refusal": null}))
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        })
    }
}

/// An answer as chunks.
struct Chunks {
    head: Head,
    n: usize,
    include_usage: bool,
    usage: Usage,
}

impl Chunks {
    fn new(head: Head, n: usize, include_usage: bool) -> Self {
        Self { head, n, include_usage, usage: Usage::default() }
    }

    fn delta(&self, choice: usize, delta: &Value, finish_reason: Option<&str>, out: &mut String) {
        self.with_logprobs(choice, delta, None, finish_reason, out);
    }

    fn with_logprobs(
        &self,
        choice: usize,
        delta: &Value,
        logprobs: Option<Value>,
        finish_reason: Option<&str>,
        out: &mut String,
    ) {
        let choices = json!([{"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}]);
        self.write(self.head.chunk(&choices), out);
    }

    fn write(&self, mut chunk: Value, out: &mut String) {
        // Where the usage comes at the end, all chunks before say that theirs is not there.
        if self.include_usage && chunk.get("usage").is_none() {
            chunk["usage"] = Value::Null;
        }
        sse(&chunk, out);
    }
}

impl Translate for Chunks {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn keep_alive(&mut self, out: &mut String) {
        out.push_str(super::KEEP_ALIVE);
    }

    fn begin(&mut self, out: &mut String) {
        for choice in 0..self.n {
            self.delta(choice, &json!({"role": "assistant", "content": null}), None, out);
        }
    }

    fn event(&mut self, choice: usize, event: AnswerEvent, out: &mut String) {
        match event {
            AnswerEvent::Started(started) => self.usage.started(&started),
            AnswerEvent::Text { pieces, tokens, .. } => {
                let mut logprobs = self.head.logprobs(&tokens).filter(|_| !tokens.is_empty());
                for piece in pieces {
                    let field = match piece.channel {
                        Channel::Answer => "content",
                        Channel::Reasoning => "reasoning_content",
                    };
                    self.with_logprobs(choice, &json!({field: piece.text}), logprobs.take(), None, out);
                }
                // Tokens that have given no text yet, such as the begin of a character.
                if logprobs.is_some() {
                    self.with_logprobs(choice, &json!({"content": ""}), logprobs, None, out);
                }
            }
            AnswerEvent::Ended { end, figures, .. } => self.ended(choice, &end, &figures.counters, out),
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        sse(&Shape::OpenAi.body(error), out);
    }

    fn finish(&mut self, out: &mut String) {
        if self.include_usage {
            let mut chunk = self.head.chunk(&json!([]));
            chunk["usage"] = self.usage.json();
            self.write(chunk, out);
        }
        out.push_str("data: [DONE]\n\n");
    }
}

impl Chunks {
    fn ended(&mut self, choice: usize, end: &End, counters: &wire::Counters, out: &mut String) {
        self.usage.ended(counters);
        self.delta(choice, &json!({}), Some(finish_reason(Some(end))), out);
    }
}
