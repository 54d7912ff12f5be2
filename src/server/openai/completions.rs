//! `/v1/completions`: text that goes on, without a chat template.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chunks::Chunks;
use super::common::{finish_reason, sse};
use super::fields::{Logprobs, OneOrMany, Samplers, StreamOptions, logit_bias};
use crate::server::asking::of_choice;
use crate::server::body::within;
use crate::server::error::{ApiError, Result};
use crate::server::handle::AnswerEvent;
use crate::server::incoming::{Generate, Incoming, Job, Name};
use crate::server::limits;
use crate::server::shape::Shape;
use crate::server::stream::{Translate, Whole};
use domain::ask::{Api, Generation};
use wire::{Channel, Prompt};

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
    /// Only as many as `n`: none is thrown away.
    best_of: Option<u32>,
    /// Begin the text with the prompt.
    echo: Option<bool>,
    /// Not supported: what comes behind the text.
    suffix: Option<String>,
    /// Texts that end it.
    stop: Option<OneOrMany>,
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
    /// A grammar in llama.cpp's GBNF that the text must follow.
    grammar: Option<String>,
}

/// The tokens of a completion where nothing else is asked, as `OpenAI` has it.
const DEFAULT_MAX_TOKENS: u32 = 16;

/// What answers and their chunks call themselves.
const OBJECT: &str = "text_completion";

/// Go on with a text.
#[utoipa::path(
    post,
    path = "/v1/completions",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The text, or a stream of its chunks"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn create(incoming: Incoming<Request>) -> Result<Response> {
    incoming.answer().await
}

impl Generate for Request {
    const API: Api = Api::OpenAi;
    type Answer = Answer;

    fn model(&self) -> &str {
        &self.model
    }

    fn job(self) -> Result<Job<Answer>> {
        let is_stream = self.stream;
        let include_usage = StreamOptions::include_usage(self.stream_options.as_ref());
        let Read { prompts, n, echo, n_logprobs, generation } = read(self)?;
        let all = prompts.iter().flat_map(|prompt| (0..n).map(move |choice| (prompt, choice)));
        let of = |(prompt, choice): (&String, u32)| Generation {
            prompt: Prompt::Raw(prompt.clone()),
            ..of_choice(&generation, choice)
        };
        let generations = all.clone().map(of).collect();
        let echo = if echo { all.map(|(prompt, _)| prompt.clone()).collect() } else { Vec::new() };
        let answer = move |name| Answer::new(name, echo, n_logprobs, include_usage);
        Ok(Job { generations, ..Job::one(generation, is_stream, answer) })
    }
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
        return Err(ApiError::field("prompt", format!("must be 1 to {} strings, times `n`", limits::N)));
    }
    for prompt in &prompts {
        limits::text("prompt", prompt, limits::PROMPT)?;
    }
    if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::field("suffix", "is not supported: no model here fills in the middle"));
    }
    if request.best_of.is_some_and(|best_of| best_of != n) {
        return Err(ApiError::field("best_of", "must be the same as `n`: completions are not compared"));
    }
    let n_logprobs = within("logprobs", request.logprobs, 0, 5)?;
    let echo = request.echo.unwrap_or(false);
    if echo && n_logprobs.is_some() {
        return Err(ApiError::field(
            "echo",
            "can't be combined with `logprobs`: prompt tokens have no log probabilities here",
        ));
    }
    let samplers = Samplers {
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        min_p: request.min_p,
        typical_p: request.typical_p,
        top_n_sigma: request.top_n_sigma,
        xtc_probability: request.xtc_probability,
        xtc_threshold: request.xtc_threshold,
        repeat_penalty: request.repeat_penalty,
        repeat_last_n: request.repeat_last_n,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        mirostat: request.mirostat,
        mirostat_tau: request.mirostat_tau,
        mirostat_eta: request.mirostat_eta,
        seed: request.seed,
    };
    let generation = Generation {
        sampling: samplers.read()?,
        logit_bias: logit_bias(request.logit_bias)?,
        max_tokens: Some(request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
        form: limits::grammar("grammar", request.grammar)?,
        stop: OneOrMany::stop(request.stop)?,
        n_top_logprobs: n_logprobs.map_or(0, |n| n.max(1)),
        ..Generation::new(Prompt::Raw(String::new()))
    };
    Ok(Read { prompts, n, echo, n_logprobs: n_logprobs.map(|n| n as usize), generation })
}

/// A text as chunks.
pub(super) struct Answer {
    chunks: Chunks,
    /// The prompt of each choice, where the text begins with it.
    echo: Vec<String>,
    n_logprobs: Option<usize>,
    /// How long the text of each choice is so far, in characters.
    offsets: Vec<usize>,
}

impl Answer {
    fn new(name: Name, echo: Vec<String>, n_logprobs: Option<usize>, include_usage: bool) -> Self {
        let chunks = Chunks::new(name, ("cmpl-", OBJECT), include_usage);
        Self { chunks, echo, n_logprobs, offsets: vec![0; limits::N as usize] }
    }

    /// A choice as a whole.
    fn whole(&self, index: usize, answer: &Whole) -> Value {
        let echo = self.echo.get(index).map(String::as_str).unwrap_or_default();
        // What a model without a template writes is text, whatever it looks like.
        let text = format!("{echo}{}{}", answer.reasoning, answer.text);
        let logprobs = self.n_logprobs.map(|n| Logprobs::legacy(&answer.tokens, n, &mut 0));
        let finish = answer.ending.as_ref().map(|ending| finish_reason(ending, false));
        json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish})
    }

    fn choice(&self, index: usize, text: &str, logprobs: Option<&Value>, finish: Option<&str>, out: &mut String) {
        let choice = json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish});
        self.chunks.write(&choice, out);
    }
}

impl Translate for Answer {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn keep_alive(&mut self, out: &mut String) {
        out.push_str(super::common::KEEP_ALIVE);
    }

    fn begin(&mut self, out: &mut String) {
        for (index, text) in self.echo.iter().enumerate() {
            self.choice(index, text, None, None, out);
        }
    }

    fn event(&mut self, choice: usize, event: AnswerEvent, out: &mut String) {
        match event {
            AnswerEvent::Started(started) => self.chunks.usage.started(&started),
            AnswerEvent::Text { pieces, tokens, .. } => {
                let text: String = pieces
                    .into_iter()
                    .map(|piece| match piece.channel {
                        Channel::Answer | Channel::Reasoning => piece.text,
                    })
                    .collect();
                let offset = self.offsets.get_mut(choice);
                let logprobs = offset.and_then(|offset| Some(Logprobs::legacy(&tokens, self.n_logprobs?, offset)));
                self.choice(choice, &text, logprobs.as_ref(), None, out);
            }
            AnswerEvent::Ended(ending) => {
                self.chunks.usage.ended(&ending);
                self.choice(choice, "", None, Some(finish_reason(&ending, false)), out);
            }
        }
    }

    fn error(&mut self, error: &ApiError, out: &mut String) {
        sse(&Shape::OpenAi.body(error), out);
    }

    fn finish(&mut self, out: &mut String) {
        self.chunks.finish(out);
    }

    fn document(&mut self, answers: &[Whole]) -> Value {
        self.chunks.document(OBJECT, answers, |index, answer| self.whole(index, answer))
    }
}
