//! `/v1/embeddings`.

use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::body::Json;
use crate::server::error::{ApiError, Result};
use crate::server::incoming::Incoming;
use crate::server::queries::Wanted;
use domain::ask::Api;
use wire::Input;

/// What is to be embedded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = EmbeddingRequest)]
pub(super) struct Request {
    /// The model's name, as `/v1/models` lists it.
    model: String,
    input: Inputs,
    /// `float`, or `base64` for 32-bit numbers in little-endian bytes.
    encoding_format: Option<Encoding>,
    /// Numbers of each vector, the first ones; those of the model have more only where it was trained for that.
    #[schema(minimum = 1)]
    dimensions: Option<usize>,
}

/// One input or several: as texts or as tokens.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string, a list of strings, a list of tokens or a list of token lists")]
#[schema(as = EmbeddingInput)]
enum Inputs {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<i32>),
    Lists(Vec<Vec<i32>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EmbeddingEncoding)]
enum Encoding {
    Float,
    Base64,
}

impl Inputs {
    fn read(self) -> Vec<Input> {
        match self {
            Self::Text(text) => vec![Input::Text(text)],
            Self::Texts(texts) => texts.into_iter().map(Input::Text).collect(),
            Self::Tokens(tokens) => vec![Input::Tokens(tokens)],
            Self::Lists(lists) => lists.into_iter().map(Input::Tokens).collect(),
        }
    }
}

impl Encoding {
    fn encode(self, vector: &[f32]) -> Value {
        match self {
            Self::Float => json!(vector),
            Self::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                Value::String(BASE64.encode(&bytes))
            }
        }
    }
}

/// Embed texts: vectors of length 1, pooled as the model's file says; the mean over the tokens where it says nothing.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "openai",
    request_body = Request,
    responses(
        (status = 200, description = "The vectors"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn create(incoming: Incoming<Request>) -> Result<Response> {
    let served = incoming.named(&incoming.request.model).await?;
    let asking = incoming.asking(Api::OpenAi);
    let Incoming { shared, request, .. } = incoming;
    if request.dimensions == Some(0) {
        return Err(ApiError::field("dimensions", "must be at least 1"));
    }
    let wanted = Wanted { normalize: true, truncate: false, dimensions: request.dimensions };
    let embedded = shared.embed(&served, request.input.read(), wanted, &asking).await?;
    let encoding = request.encoding_format.unwrap_or(Encoding::Float);
    let object = |(index, vector): (usize, &Vec<f32>)| json!({"object": "embedding", "index": index, "embedding": encoding.encode(vector)});
    let data: Vec<Value> = embedded.vectors.iter().enumerate().map(object).collect();
    let usage = json!({"prompt_tokens": embedded.n_tokens, "total_tokens": embedded.n_tokens});
    Ok(Json(json!({"object": "list", "data": data, "model": served.name, "usage": usage})).into_response())
}
