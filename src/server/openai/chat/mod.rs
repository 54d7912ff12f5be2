//! `/v1/chat/completions`.

mod answer;
mod request;

use axum::response::Response;
use serde_json::{Map, Value};

use self::answer::Answer;
use self::request::Request;
use super::fields::StreamOptions;
use crate::server::asking::of_choice;
use crate::server::body::parse;
use crate::server::error::{ApiError, Kind, Result};
use crate::server::incoming::{Generate, Incoming, Job};
use domain::ask::Api;
use wire::{Chat, Prompt};

/// The conversation of a request.
pub(super) fn read(body: Map<String, Value>) -> Result<Chat> {
    let request: Request = parse(Value::Object(body).to_string().as_bytes())?;
    match request.read()?.generation.prompt {
        Prompt::Chat(chat) => Ok(chat),
        Prompt::Raw(_) => Err(ApiError::new(Kind::Failed, "it is no conversation")),
    }
}

/// Answer a conversation.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The answer, or a stream of its chunks"),
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
        let read = self.read()?;
        let (n, n_logprobs) = (read.n, read.n_logprobs);
        let generations = (0..n).map(|choice| of_choice(&read.generation, choice)).collect();
        let answer = move |name| Answer::new(name, n, n_logprobs, include_usage);
        Ok(Job { generations, ..Job::one(read.generation, is_stream, answer) })
    }
}
