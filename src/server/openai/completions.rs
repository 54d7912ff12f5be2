//! `/v1/completions`: text that goes on, without a chat template.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::common::{FINGERPRINT, Usage, finish_reason, now, sse};
use super::fields::{Logprobs, OneOrMany, Samplers, StreamOptions};
use crate::server::asking::{Asking, of_choice};
use crate::server::body::{Json, within};
use crate::server::error::{ApiError, Result};
use crate::server::guard::Caller;
use crate::server::handle::AnswerEvent;
use crate::server::limits;
use crate::server::models::named;
use crate::server::shape::Shape;
use crate::server::shared::Shared;
use crate::server::stream::{Answers, Translate, Whole};
use domain::ask::{Api, Generation};
use wire::{Channel, Prompt, Token};

/// What is to go on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = CompletionRequest)]
pub(super) struct Request {
    /// The model's name, as `/v1/models` lists it.
    model: String,
    /// The text, or several. Token ids are not read.
    prompt: OneOrMany,
    /// Send the text as it comes.
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    /// The most tokens; 16 where nothing is said.
    #[schema(minimum = 0)]
    max_tokens: Option<u32>,
    /// Completions of each prompt.
    #[schema(minimum = 1, maximum = 16)]
    n: Option<u32>,
    /// Tell so many of the likeliest tokens at each step.
    #[schema(minimum = 0, maximum = 5)]
    logprobs: Option<u32>,
    /// Begin the text with the prompt.
    echo: Option<bool>,
    /// Not supported: what comes behind the text.
    suffix: Option<String>,
    /// Texts that end it.
    stop: Option<OneOrMany>,
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
    /// A grammar in llama.cpp's GBNF that the text must follow.
    grammar: Option<String>,
}

/// The tokens of a completion where nothing else is asked, as `OpenAI` has it.
const DEFAULT_MAX_TOKENS: u32 = 16;

/// Go on with a text.
#[utoipa::path(
    post,
    path = "/v1/completions",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The text, or a stream of its chunks"),
        (status = 400, description = "A field is wrong"),
        (status = 404, description = "There is no such model"),
    )
)]
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Request>,
) -> Result<Response> {
    let served = named(&shared.handle, &request.model).await?;
    let is_stream = request.stream.unwrap_or(false);
    let include_usage = StreamOptions::include_usage(request.stream_options.as_ref());
    let read = read(request)?;
    let asking = Asking::new(caller, Api::OpenAi);
    let mut answers = Vec::new();
    for prompt in &read.prompts {
        for choice in 0..read.n {
            let generation = of_choice(&read.generation, choice);
            let generation = Generation { prompt: Prompt::Raw(prompt.clone()), ..generation };
            answers.push(shared.ask(&served, generation, &asking).await?);
        }
    }
    let answers = Answers::new(answers);
    let id = answers.requests().next().unwrap_or_default();
    let head = Head {
        id: format!("cmpl-{}{}", shared.instance, id.0),
        created: now(),
        model: served.name,
        echo: if read.echo {
            read.prompts.iter().flat_map(|text| vec![text.clone(); read.n as usize]).collect()
        } else {
            Vec::new()
        },
        n_logprobs: read.n_logprobs,
    };
    if is_stream {
        return answers.stream(Chunks::new(head, include_usage)).await;
    }
    Ok(Json(head.completion(&answers.whole().await?)).into_response())
}

/// A request that makes sense.
#[derive(Debug)]
struct Read {
    prompts: Vec<String>,
    n: u32,
    echo: bool,
    /// `None` tells no probabilities.
    n_logprobs: Option<usize>,
    generation: Generation,
}

fn read(request: Request) -> Result<Read> {
    let n = within("n", request.n, 1, limits::N)?.unwrap_or(1);
    let prompts = request.prompt.into_vec();
    if prompts.is_empty() || prompts.len() * n as usize > limits::N as usize {
        return Err(ApiError::field("prompt", format!("must be 1 to {} texts, times `n`", limits::N)));
    }
    for prompt in &prompts {
        limits::text("prompt", prompt, limits::PROMPT)?;
    }
    if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::field("suffix", "is not supported: no text can be put between two"));
    }
    let n_logprobs = within("logprobs", request.logprobs, 0, 5)?;
    let echo = request.echo.unwrap_or(false);
    if echo && n_logprobs.is_some() {
        return Err(ApiError::field("echo", "can't be combined with `logprobs`: those of a prompt are not told"));
    }
    let samplers = Samplers {
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        min_p: request.min_p,
        repeat_penalty: request.repeat_penalty,
        seed: request.seed,
    };
    let generation = Generation {
        sampling: samplers.read()?,
        max_tokens: Some(request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
        form: limits::grammar("grammar", request.grammar)?,
        stop: OneOrMany::stop(request.stop)?,
        n_top_logprobs: n_logprobs.map_or(0, |n| n.max(1)),
        ..Generation::new(Prompt::Raw(String::new()))
    };
    Ok(Read { prompts, n, echo, n_logprobs: n_logprobs.map(|n| n as usize), generation })
}

/// What all chunks of an answer have in common.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    created: i64,
    model: String,
    /// The prompt of each choice, where the text begins with it.
    echo: Vec<String>,
    n_logprobs: Option<usize>,
}

impl Head {
    fn completion(&self, answers: &[Whole]) -> Value {
        let choice = |(index, answer): (usize, &Whole)| {
            let echo = self.echo.get(index).map(String::as_str).unwrap_or_default();
            // What a model without a template writes is text, whatever it looks like.
            let text = format!("{echo}{}{}", answer.reasoning, answer.text);
            let logprobs = self.logprobs(&answer.tokens, &mut 0);
            json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": answer.ending.as_ref().map(|ending| finish_reason(ending, false))})
        };
        let choices: Vec<Value> = answers.iter().enumerate().map(choice).collect();
        let mut document = self.chunk(&json!(choices));
        document["usage"] = Usage::of(answers).json();
        document
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        })
    }

    /// The probabilities of these tokens, the first of which begins at this offset of the text, in characters.
    fn logprobs(&self, tokens: &[Token], offset: &mut usize) -> Option<Value> {
        Some(Logprobs::legacy(tokens, self.n_logprobs?, offset))
    }
}

/// A text as chunks.
struct Chunks {
    head: Head,
    include_usage: bool,
    usage: Usage,
    /// How long the text of each choice is so far, in characters.
    offsets: Vec<usize>,
}

impl Chunks {
    fn new(head: Head, include_usage: bool) -> Self {
        Self { head, include_usage, usage: Usage::default(), offsets: vec![0; limits::N as usize] }
    }

    fn choice(&self, index: usize, text: &str, logprobs: Option<&Value>, finish: Option<&str>, out: &mut String) {
        let choice = json!([{"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}]);
        let mut chunk = self.head.chunk(&choice);
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        sse(&chunk, out);
    }
}

impl Translate for Chunks {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn keep_alive(&mut self, out: &mut String) {
        out.push_str(super::common::KEEP_ALIVE);
    }

    fn begin(&mut self, out: &mut String) {
        for (index, text) in self.head.echo.iter().enumerate() {
            self.choice(index, text, None, None, out);
        }
    }

    fn event(&mut self, choice: usize, event: AnswerEvent, out: &mut String) {
        match event {
            AnswerEvent::Started(started) => self.usage.started(&started),
            AnswerEvent::Text { pieces, tokens, .. } => {
                let text: String = pieces
                    .into_iter()
                    .map(|piece| match piece.channel {
                        Channel::Answer | Channel::Reasoning => piece.text,
                    })
                    .collect();
                let offset = self.offsets.get_mut(choice);
                let logprobs = offset.and_then(|offset| self.head.logprobs(&tokens, offset));
                self.choice(choice, &text, logprobs.as_ref(), None, out);
            }
            AnswerEvent::Ended(ending) => {
                self.usage.ended(&ending.figures.counters);
                self.choice(choice, "", None, Some(finish_reason(&ending, false)), out);
            }
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        sse(&Shape::OpenAi.body(error), out);
    }

    fn finish(&mut self, out: &mut String) {
        if self.include_usage {
            let mut chunk = self.head.chunk(&json!([]));
            chunk["usage"] = self.usage.json();
            sse(&chunk, out);
        }
        out.push_str("data: [DONE]\n\n");
    }
}
