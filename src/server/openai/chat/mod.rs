//! `/v1/chat/completions`.

mod answer;
mod request;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use self::answer::{Chunks, Head};
use self::request::Request;
use super::fields::StreamOptions;
use crate::server::asking::{Asking, of_choice};
use crate::server::body::{Json, parse};
use crate::server::error::{ApiError, Kind, Result};
use crate::server::guard::Caller;
use crate::server::models::named;
use crate::server::openai::common::now;
use crate::server::shared::Shared;
use crate::server::stream::Answers;
use domain::ask::Api;
use serde_json::{Map, Value};
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
    let read = request.read()?;
    let asking = Asking::new(caller, Api::OpenAi);
    let mut answers = Vec::new();
    for choice in 0..read.n {
        answers.push(shared.ask(&served, of_choice(&read.generation, choice), &asking).await?);
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
