//! `/api/embed`, and `/api/embeddings`, which is older.

use std::time::Instant;

use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::common::{Common, HasCommon};
use super::options::Options;
use crate::server::body::Json;
use crate::server::error::Result;
use crate::server::incoming::Incoming;
use crate::server::queries::Wanted;
use wire::Input;

/// What is to be embedded. Without an input the model is loaded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaEmbedRequest)]
pub(super) struct Request {
    /// The model's name, as `/api/tags` lists it.
    model: String,
    input: Option<Inputs>,
    /// Whether an input that is too long is cut at its end; so it is where nothing is said.
    truncate: Option<bool>,
    /// Numbers of each vector, the first ones.
    dimensions: Option<usize>,
    options: Option<Options>,
    /// How long the model stays loaded.
    #[schema(value_type = Option<Object>)]
    keep_alive: Option<Value>,
}

/// One text or several.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
#[schema(as = OllamaEmbedInput)]
enum Inputs {
    One(String),
    Many(Vec<String>),
}

impl Inputs {
    /// The texts; an empty one alone stands for none.
    fn read(self) -> Vec<Input> {
        match self {
            Self::One(one) if one.is_empty() => Vec::new(),
            Self::One(one) => vec![Input::Text(one)],
            Self::Many(many) => many.into_iter().map(Input::Text).collect(),
        }
    }
}

/// Embed texts: vectors of length 1.
#[utoipa::path(
    post,
    path = "/api/embed",
    tag = "ollama",
    request_body = Request,
    responses(
        (status = 200, description = "The vectors"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn embed(mut incoming: Incoming<Request>) -> Result<Response> {
    let asked = Instant::now();
    let inputs = incoming.request.input.take().map(Inputs::read).unwrap_or_default();
    if inputs.is_empty() {
        let (served, _) = incoming.load().await?;
        return Ok(Json(json!({"model": served.name, "embeddings": []})).into_response());
    }
    let (served, asking) = incoming.model().await?;
    let truncate = incoming.request.truncate.unwrap_or(true);
    let wanted = Wanted { normalize: true, truncate, dimensions: incoming.request.dimensions };
    let embedded = incoming.shared.embed(&served, inputs, wanted, &asking).await?;
    let document = json!({
        "model": served.name,
        "embeddings": embedded.vectors,
        "total_duration": asked.elapsed().as_nanos() as u64,
        "prompt_eval_count": embedded.n_tokens,
    });
    Ok(Json(document).into_response())
}

impl HasCommon for Request {
    fn common(&self) -> Common<'_> {
        Common { model: &self.model, options: self.options.as_ref(), keep_alive: self.keep_alive.as_ref() }
    }
}

/// A text to be embedded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaEmbeddingsRequest)]
pub(super) struct OlderRequest {
    /// The model's name, as `/api/tags` lists it.
    model: String,
    prompt: Option<String>,
    options: Option<Options>,
    /// How long the model stays loaded.
    #[schema(value_type = Option<Object>)]
    keep_alive: Option<Value>,
}

/// Embed a text: a vector as the model gives it, whatever its length.
#[utoipa::path(
    post,
    path = "/api/embeddings",
    tag = "ollama",
    request_body = OlderRequest,
    responses(
        (status = 200, description = "The vector"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn embeddings(mut incoming: Incoming<OlderRequest>) -> Result<Response> {
    let Some(prompt) = incoming.request.prompt.take().filter(|prompt| !prompt.is_empty()) else {
        incoming.load().await?;
        return Ok(Json(json!({"embedding": []})).into_response());
    };
    let (served, asking) = incoming.model().await?;
    let wanted = Wanted { normalize: false, truncate: true, dimensions: None };
    let embedded = incoming.shared.embed(&served, vec![Input::Text(prompt)], wanted, &asking).await?;
    Ok(Json(json!({"embedding": embedded.vectors.first()})).into_response())
}

impl HasCommon for OlderRequest {
    fn common(&self) -> Common<'_> {
        Common { model: &self.model, options: self.options.as_ref(), keep_alive: self.keep_alive.as_ref() }
    }
}
