//! Texts as tokens and back, and conversations as the model is told them.

use axum::response::Response;

use crate::server::error::{ApiError, Kind, Result};

fn missing(what: &str) -> Result<Response> {
    Err(ApiError::new(Kind::NotImplemented, format!("{what} is not there yet")))
}

/// Cut a text into tokens.
#[utoipa::path(post, path = "/tokenize", tag = "llama-server", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn tokenize() -> Result<Response> {
    missing("cutting a text into tokens")
}

/// Make a text of tokens.
#[utoipa::path(post, path = "/detokenize", tag = "llama-server", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn detokenize() -> Result<Response> {
    missing("making a text of tokens")
}

/// Render a conversation by the model's chat template.
#[utoipa::path(post, path = "/apply-template", tag = "llama-server", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn apply_template() -> Result<Response> {
    missing("rendering a conversation by its template")
}
