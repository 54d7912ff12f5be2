//! `/v1/messages`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::answer::{Events, Head};
use super::request::Request;
use crate::server::asking::Asking;
use crate::server::body::Json;
use crate::server::error::{ApiError, Kind, Result};
use crate::server::guard::Caller;
use crate::server::models::named;
use crate::server::shared::Shared;
use crate::server::stream::Answers;
use domain::ask::Api;
use serde_json::json;
use wire::Prompt;

/// Answer a conversation.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "anthropic",
    request_body = Request,
    responses(
        (status = 200, description = "The answer, or a stream of its events"),
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
    let generation = request.read(false)?;
    let answer = shared.ask(&served, generation, &Asking::new(caller, Api::Anthropic)).await?;
    let head = Head { id: format!("msg_{}{}", shared.instance, answer.request.0), model: served.name };
    let answers = Answers::new(vec![answer]);
    if is_stream {
        return answers.stream(Events::new(head)).await;
    }
    let whole = answers.whole().await?;
    Ok(Json(whole.first().map(|answer| head.message(answer))).into_response())
}

/// Count the tokens of a conversation.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    tag = "anthropic",
    request_body = Request,
    responses(
        (status = 200, description = "How many there are"),
        (status = 400, description = "A field is wrong"),
        (status = 404, description = "There is no such model"),
    )
)]
pub(super) async fn count_tokens(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Request>,
) -> Result<Response> {
    let served = named(&shared.handle, &request.model).await?;
    let Prompt::Chat(chat) = request.read(true)?.prompt else {
        return Err(ApiError::new(Kind::Failed, "it is no conversation"));
    };
    let (_, n_tokens) = shared.apply_template(&served, chat, &Asking::new(caller, Api::Anthropic)).await?;
    Ok(Json(json!({"input_tokens": n_tokens})).into_response())
}
