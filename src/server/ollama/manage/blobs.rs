//! `/api/blobs`: files of which models are made.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;

use crate::server::blobs::{BlobDigest, Blobs};
use crate::server::error::{ApiError, Kind, Result};
use crate::server::shared::Shared;

/// The place for files.
pub(super) fn place(shared: &Shared) -> Result<&Blobs> {
    let missing = || ApiError::new(Kind::Unavailable, "there is no folder for files: no home directory is known");
    shared.blobs.as_ref().ok_or_else(missing)
}

/// Whether a file of this hash is here.
#[utoipa::path(
    head,
    path = "/api/blobs/{digest}",
    tag = "ollama",
    params(("digest" = String, Path, description = "`sha256:` and the hash")),
    responses(
        (status = 200, description = "It is"),
        (status = 400, description = "It is no hash"),
        (status = 404, description = "It is not"),
    )
)]
pub(in crate::server::ollama) async fn has(
    State(shared): State<Arc<Shared>>,
    Path(digest): Path<String>,
) -> Result<StatusCode> {
    let digest = BlobDigest::parse("digest", &digest)?;
    Ok(if place(&shared)?.has(&digest) { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

/// Take a file of this hash. It is kept for a day unless a model is made of it.
#[utoipa::path(
    post,
    path = "/api/blobs/{digest}",
    tag = "ollama",
    params(("digest" = String, Path, description = "`sha256:` and the hash")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"),
    responses(
        (status = 200, description = "It exists"),
        (status = 201, description = "The blob is stored"),
        (status = 400, description = "The hash does not match"),
        (status = 403, description = "The key does not have the scope"),
        (status = 408, description = "The upload was too slow"),
        (status = 413, description = "The upload is too large"),
        (status = 429, description = "Too many uploads at once"),
        (status = 503, description = "There is not enough space on the disk"),
    )
)]
pub(in crate::server::ollama) async fn put(
    State(shared): State<Arc<Shared>>,
    Path(digest): Path<String>,
    request: Request,
) -> Result<StatusCode> {
    let digest = BlobDigest::parse("digest", &digest)?;
    let blobs = place(&shared)?;
    if blobs.has(&digest) {
        return Ok(StatusCode::OK);
    }
    // Its own bound is far above that of other bodies.
    blobs.put(&digest, request.into_body().into_data_stream()).await?;
    Ok(StatusCode::CREATED)
}
