//! `OpenAI`'s API.

mod chat;
mod chunks;
mod common;
mod completions;
mod embeddings;
mod fields;
mod models;
mod responses;

use std::sync::Arc;

use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Result;
use super::shared::Shared;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(chat::create))
        .routes(routes!(completions::create))
        .routes(routes!(responses::create))
        .routes(routes!(embeddings::create))
        .routes(routes!(models::list))
        .routes(routes!(models::get))
}

/// The conversation of a request to have one continued; the model need not be named.
pub(super) fn chat(mut body: Map<String, Value>) -> Result<wire::Chat> {
    body.entry("model").or_insert_with(|| Value::String(String::new()));
    chat::read(body)
}
