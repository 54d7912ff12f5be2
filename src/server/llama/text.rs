//! Texts as tokens and back, and conversations as the model is told them. The model is the one that is named, else the one
//! that was loaded last.

use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::body::Json;
use crate::server::error::Result;
use crate::server::incoming::Incoming;
use crate::server::openai;
use crate::server::queries::unexpected;
use domain::ask::Api;
use wire::{QueryJob, QueryResult};

/// A text to be cut into tokens.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(super) struct TokenizeRequest {
    /// The model's name.
    model: Option<String>,
    /// The text.
    content: String,
    /// Add the tokens that begin and end a text; not where nothing is said.
    add_special: Option<bool>,
    /// Read the text of special tokens as those; so it is where nothing is said.
    parse_special: Option<bool>,
    /// Tell the text of each token, or its bytes where they are no text.
    with_pieces: Option<bool>,
}

/// Cut a text into tokens.
#[utoipa::path(
    post,
    path = "/tokenize",
    tag = "llama-server",
    request_body = TokenizeRequest,
    responses(
        (status = 200, description = "The tokens"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn tokenize(incoming: Incoming<TokenizeRequest>) -> Result<Response> {
    let asking = incoming.asking(Api::Native);
    let Incoming { shared, request, .. } = incoming;
    let served = shared.named_or_loaded(request.model.as_deref()).await?;
    let with_pieces = request.with_pieces.unwrap_or(false);
    let job = QueryJob::Tokenize {
        text: request.content,
        add_special: request.add_special.unwrap_or(false),
        parse_special: request.parse_special.unwrap_or(true),
        with_pieces,
    };
    let QueryResult::Tokenized { tokens, pieces } = shared.query(&served, job, &asking).await? else {
        return Err(unexpected());
    };
    let piece = |(token, bytes): (&i32, Vec<u8>)| match String::from_utf8(bytes) {
        Ok(text) => json!({"id": token, "piece": text}),
        Err(error) => json!({"id": token, "piece": error.into_bytes()}),
    };
    let tokens: Value = if with_pieces { tokens.iter().zip(pieces).map(piece).collect() } else { json!(tokens) };
    Ok(Json(json!({"tokens": tokens})).into_response())
}

/// Tokens to be made a text.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(super) struct DetokenizeRequest {
    /// The model's name.
    model: Option<String>,
    /// The tokens.
    tokens: Vec<i32>,
}

/// Make a text of tokens.
#[utoipa::path(
    post,
    path = "/detokenize",
    tag = "llama-server",
    request_body = DetokenizeRequest,
    responses(
        (status = 200, description = "The text"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn detokenize(incoming: Incoming<DetokenizeRequest>) -> Result<Response> {
    let asking = incoming.asking(Api::Native);
    let Incoming { shared, request, .. } = incoming;
    let served = shared.named_or_loaded(request.model.as_deref()).await?;
    let job = QueryJob::Detokenize { tokens: request.tokens };
    match shared.query(&served, job, &asking).await? {
        QueryResult::Detokenized { text } => Ok(Json(json!({"content": text})).into_response()),
        _ => Err(unexpected()),
    }
}

/// Render a conversation by the model's chat template. The body is that of `/v1/chat/completions`.
#[utoipa::path(
    post,
    path = "/apply-template",
    tag = "llama-server",
    responses(
        (status = 200, description = "The prompt"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn apply_template(incoming: Incoming<serde_json::Map<String, Value>>) -> Result<Response> {
    let asking = incoming.asking(Api::Native);
    let Incoming { shared, request: body, .. } = incoming;
    let name = body.get("model").and_then(Value::as_str).map(str::to_owned);
    let chat = openai::chat(body)?;
    let served = shared.named_or_loaded(name.as_deref()).await?;
    let (prompt, _) = shared.apply_template(&served, chat, &asking).await?;
    Ok(Json(json!({"prompt": prompt})).into_response())
}
