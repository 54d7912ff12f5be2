//! `/v1/messages`.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::Events;
use super::request::Request;
use crate::server::body::Json;
use crate::server::error::{ApiError, Kind, Result};
use crate::server::incoming::{Generate, Incoming, Job};
use domain::ask::Api;
use wire::Prompt;

/// Answer a conversation.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "anthropic",
    request_body = Request,
    responses(
        (status = 200, description = "The answer, or a stream of its events"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn create(incoming: Incoming<Request>) -> Result<Response> {
    incoming.answer().await
}

impl Generate for Request {
    const API: Api = Api::Anthropic;
    type Answer = Events;

    fn model(&self) -> &str {
        &self.model
    }

    fn job(self) -> Result<Job<Events>> {
        let is_stream = self.stream;
        Ok(Job::one(self.read(false)?, is_stream, Events::new))
    }
}

/// Count the tokens of a conversation.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    tag = "anthropic",
    request_body = Request,
    responses(
        (status = 200, description = "The number of tokens"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn count_tokens(incoming: Incoming<Request>) -> Result<Response> {
    let served = incoming.named(&incoming.request.model).await?;
    let asking = incoming.asking(Api::Anthropic);
    let Prompt::Chat(chat) = incoming.request.read(true)?.prompt else {
        return Err(ApiError::new(Kind::Failed, "it is no conversation"));
    };
    let (_, n_tokens) = incoming.shared.apply_template(&served, chat, &asking).await?;
    Ok(Json(json!({"input_tokens": n_tokens})).into_response())
}
