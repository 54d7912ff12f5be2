//! What llama-server's clients ask beside `OpenAI`'s API.

mod metrics;
mod props;
mod text;

use std::sync::Arc;

use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shared::Shared;
use crate::server::body::Json;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(props::props))
        .routes(routes!(props::slots))
        .routes(routes!(metrics::metrics))
        .routes(routes!(text::tokenize))
        .routes(routes!(text::detokenize))
        .routes(routes!(text::apply_template))
}

/// Whether the server answers.
#[utoipa::path(get, path = "/health", tag = "llama-server", responses((status = 200, description = "It does")))]
async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}
