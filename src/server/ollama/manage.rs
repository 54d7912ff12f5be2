//! Models fetched, copied and deleted, and what else is not there yet.

use axum::extract::Path;
use axum::response::Response;

use crate::server::error::{ApiError, Kind, Result};

fn missing(what: &str) -> ApiError {
    ApiError::new(Kind::NotImplemented, format!("{what} not there yet"))
}

/// Fetch a model.
#[utoipa::path(post, path = "/api/pull", tag = "ollama", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn pull() -> Result<Response> {
    Err(missing("fetching models through this API is"))
}

/// Give a model another name.
#[utoipa::path(post, path = "/api/copy", tag = "ollama", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn copy() -> Result<Response> {
    Err(missing("other names for models through this API are"))
}

/// Delete a model.
#[utoipa::path(delete, path = "/api/delete", tag = "ollama", responses((status = 501, description = "It is not there yet")))]
pub(super) async fn delete() -> Result<Response> {
    Err(missing("deleting models through this API is"))
}

/// Whether a file of this hash is here.
#[utoipa::path(
    head,
    path = "/api/blobs/{digest}",
    tag = "ollama",
    params(("digest" = String, Path, description = "`sha256:` and the hash")),
    responses((status = 501, description = "It is not there yet"))
)]
pub(super) async fn has_blob(Path(_): Path<String>) -> Result<Response> {
    Err(missing("files of models through this API are"))
}

/// Take a file of this hash.
#[utoipa::path(
    post,
    path = "/api/blobs/{digest}",
    tag = "ollama",
    params(("digest" = String, Path, description = "`sha256:` and the hash")),
    responses((status = 501, description = "It is not there yet"))
)]
pub(super) async fn put_blob(Path(_): Path<String>) -> Result<Response> {
    Err(missing("files of models through this API are"))
}
