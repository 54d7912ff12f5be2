//! `/v1/embeddings`.

use axum::response::Response;

use crate::server::error::{ApiError, Kind, Result};

/// Embed texts.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn create() -> Result<Response> {
    Err(ApiError::new(Kind::NotImplemented, "embeddings are not there yet"))
}
