//! `/v1/responses`.

mod answer;
mod events;
mod request;

use axum::response::Response;

use self::answer::Head;
use self::events::Events;
use self::request::Request;
use crate::server::error::Result;
use crate::server::incoming::{Generate, Incoming, Job};
use crate::server::openai::common::now;
use domain::ask::Api;

/// Answer a conversation, in items.
#[utoipa::path(
    post,
    path = "/v1/responses",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The response, or a stream of its events"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn create(incoming: Incoming<Request>) -> Result<Response> {
    incoming.answer().await
}

impl Generate for Request {
    const API: Api = Api::OpenAi;
    type Answer = Events;

    fn model(&self) -> &str {
        &self.model
    }

    fn job(self) -> Result<Job<Events>> {
        let (is_stream, echo) = (self.stream, self.echo());
        let events = move |name| Events::new(Head { name, created: now(), echo });
        Ok(Job::one(self.read()?, is_stream, events))
    }
}
