//! `/v1/responses`.

mod answer;
mod events;
mod request;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use self::answer::Head;
use self::events::Events;
use self::request::Request;
use crate::server::asking::Asking;
use crate::server::body::Json;
use crate::server::error::Result;
use crate::server::guard::Caller;
use crate::server::models::named;
use crate::server::openai::common::now;
use crate::server::shared::Shared;
use crate::server::stream::Answers;
use domain::ask::Api;

/// Answer a conversation, in items.
#[utoipa::path(
    post,
    path = "/v1/responses",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The response, or a stream of its events"),
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
    let echo = request.echo();
    let generation = request.read()?;
    let answer = shared.ask(&served, generation, &Asking::new(caller, Api::OpenAi)).await?;
    let name = format!("{}{}", shared.instance, answer.request.0);
    let head = Head { name, created: now(), model: served.name, echo };
    let answers = Answers::new(vec![answer]);
    if is_stream {
        return answers.stream(Events::new(head)).await;
    }
    let whole = answers.whole().await?;
    Ok(Json(whole.first().map(|answer| head.whole(answer))).into_response())
}
