//! `/v1/models`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::server::anthropic;
use crate::server::body::Json;
use crate::server::error::Result;
use crate::server::models::{Served, named, served};
use crate::server::shared::Shared;

/// The models that can be asked.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, description = "All models")))]
pub(super) async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Value>> {
    let models = shared.handle.read(served).await?;
    if is_anthropic(&headers) {
        return Ok(Json(anthropic::models(&models)));
    }
    let data: Vec<Value> = models.iter().map(document).collect();
    Ok(Json(json!({"object": "list", "data": data})))
}

/// One of them. Names may have a `/` in them.
#[utoipa::path(
    get,
    path = "/v1/models/{*id}",
    tag = "openai",
    params(("id" = String, Path, description = "The model's name")),
    responses((status = 200, description = "The model"), (status = 404, description = "Model not found"))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let served = named(&shared.handle, &id).await?;
    Ok(Json(if is_anthropic(&headers) { anthropic::model(&served) } else { document(&served) }))
}

/// Both APIs have these addresses; Anthropic's clients name a version of theirs.
fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

fn document(served: &Served) -> Value {
    let created = served.model.files.iter().map(|file| file.modified).max().unwrap_or(0);
    let owner = served.model.repository.as_deref().and_then(|repository| repository.split('/').next());
    let mut document = json!({
        "id": served.name,
        "object": "model",
        "created": created,
        "owned_by": owner.unwrap_or("local"),
    });
    // Two servers that list each other's models would list them for ever.
    if let Some(remote) = &served.model.remote {
        document["remote_engine"] = json!(remote.engine);
    }
    document
}
