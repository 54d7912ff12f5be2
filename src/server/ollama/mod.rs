//! Ollama's API.

mod answer;
mod chat;
mod common;
mod embed;
mod generate;
mod manage;
mod models;
mod options;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shared::Shared;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(models::root))
        .routes(routes!(models::version))
        .routes(routes!(models::tags))
        .routes(routes!(models::running))
        .routes(routes!(models::show))
        .routes(routes!(chat::chat))
        .routes(routes!(generate::generate))
        .routes(routes!(embed::embed))
        .routes(routes!(embed::embeddings))
        .routes(routes!(manage::pull::pull))
        .routes(routes!(manage::create::create))
        .routes(routes!(manage::names::copy))
        .routes(routes!(manage::names::delete))
        .routes(routes!(manage::blobs::has, manage::blobs::put))
}
