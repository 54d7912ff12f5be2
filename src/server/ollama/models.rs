//! What Ollama's clients are told of models.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::server::body::Json;
use crate::server::error::{ApiError, Result};
use crate::server::models::{Served, named, served};
use crate::server::shared::Shared;
use crate::server::status;
use domain::model::{Digest, Model};
use domain::session::{Phase, memory_account};

/// The version of Ollama whose API this follows: clients ask for at least some version before they use a feature.
const VERSION: &str = "0.13.0";

/// That the server is there, in the words that clients look for; a browser gets the status page.
#[utoipa::path(get, path = "/", tag = "ollama", responses((status = 200, description = "It is")))]
pub(super) async fn root(headers: HeaderMap) -> Response {
    if status::is_wanted(&headers) { status::page() } else { "Ollama is running".into_response() }
}

/// Which version of the API this is.
#[utoipa::path(get, path = "/api/version", tag = "ollama", responses((status = 200, description = "The version")))]
pub(super) async fn version() -> Json<Value> {
    Json(json!({"version": VERSION}))
}

/// All models.
#[utoipa::path(get, path = "/api/tags", tag = "ollama", responses((status = 200, description = "All models")))]
pub(super) async fn tags(State(shared): State<Arc<Shared>>) -> Result<Json<Value>> {
    let models = shared.handle.read(served).await?;
    let models: Vec<Value> = models.iter().map(document).collect();
    Ok(Json(json!({"models": models})))
}

/// The models that are loaded.
#[utoipa::path(get, path = "/api/ps", tag = "ollama", responses((status = 200, description = "The loaded models")))]
pub(super) async fn running(State(shared): State<Arc<Shared>>) -> Result<Json<Value>> {
    let models = shared.handle.read(|domain| {
        let all_served = served(domain);
        let loaded = domain.sessions.iter().filter(|session| session.phase == Phase::Ready);
        let all = loaded.map(|session| {
            let known = all_served.iter().find(|served| served.model.id == session.model.id);
            let name = known.map_or(&session.model.name, |served| &served.name).clone();
            let devices = session.loaded.iter().flat_map(|loaded| &loaded.ledger.devices);
            let (mut size, mut size_vram) = (0_u64, 0_u64);
            for device in devices {
                let bytes = device.weights + device.context + device.compute;
                size += bytes;
                if memory_account::is_on_gpu(&device.device) {
                    size_vram += bytes;
                }
            }
            let mut model = document(&Served { name, model: Arc::clone(&session.model) });
            model["size"] = json!(size);
            model["size_vram"] = json!(size_vram);
            if let Some(n_ctx) = session.known_context() {
                model["context_length"] = json!(n_ctx);
            }
            let expires = session.expires_in(domain.now).and_then(|left| Timestamp::now().checked_add(left).ok());
            model["expires_at"] = json!(expires.unwrap_or(NEVER).to_string());
            model
        });
        all.collect::<Vec<Value>>()
    });
    Ok(Json(json!({"models": models.await?})))
}

/// When a model goes that stays until it is unloaded, or that is answering: the latest time that clients can read.
const NEVER: Timestamp = Timestamp::MAX;

/// Which model is meant.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaShowRequest)]
pub(super) struct Show {
    /// The model's name, as `/api/tags` lists it.
    model: Option<String>,
    /// The older name of it.
    name: Option<String>,
}

/// All that is known of a model.
#[utoipa::path(
    post,
    path = "/api/show",
    tag = "ollama",
    request_body = Show,
    responses((status = 200, description = "The model"), (status = 404, description = "Model not found"))
)]
pub(super) async fn show(State(shared): State<Arc<Shared>>, Json(request): Json<Show>) -> Result<Json<Value>> {
    let name = request.model.or(request.name).ok_or_else(|| ApiError::field("model", "is missing"))?;
    let served = named(&shared.handle, &name).await?;
    let model = &served.model;
    let card = model.card.as_deref();
    let parameters = card.map(|card| card.parameters.iter()).into_iter().flatten();
    let parameters: Vec<String> = parameters.map(|(name, value)| format!("{name} {value}")).collect();
    let mut document = json!({
        "modelfile": format!("FROM {}\n", served.name),
        "parameters": parameters.join("\n"),
        "template": card.and_then(|card| card.template.as_deref()).unwrap_or_default(),
        "details": details(model),
        "model_info": info(model),
        "capabilities": capabilities(model),
        "modified_at": modified(model),
    });
    if let Some(license) = model.license() {
        document["license"] = json!(license);
    }
    if let Some(system) = model.system() {
        document["system"] = json!(system);
    }
    Ok(Json(document))
}

fn document(served: &Served) -> Value {
    let mut document = json!({
        "name": served.name,
        "model": served.name,
        "modified_at": modified(&served.model),
        "size": served.model.size,
        "digest": digest(&served.model),
        "details": details(&served.model),
    });
    // Two servers that list each other's models would list them for ever.
    if let Some(remote) = &served.model.remote {
        document["remote_engine"] = json!(remote.engine);
    }
    document
}

/// When the model's files changed last.
fn modified(model: &Model) -> String {
    let modified = model.files.iter().map(|file| file.modified).max().unwrap_or(0);
    Timestamp::from_second(modified).unwrap_or_default().to_string()
}

/// SHA-256 of the model's file, where its store tells it; empty otherwise.
fn digest(model: &Model) -> String {
    let digests = model.places().filter_map(|place| place.files.first()).filter_map(|file| file.digest);
    digests
        .filter(|digest| matches!(digest, Digest::Sha256(_)))
        .map(|digest| digest.to_string())
        .next()
        .unwrap_or_default()
}

fn details(model: &Model) -> Value {
    let summary = model.summary.as_ref();
    let architecture = summary.and_then(|summary| summary.architecture.as_deref()).unwrap_or_default();
    json!({
        "parent_model": "",
        "format": "gguf",
        "family": architecture,
        "families": [architecture],
        "parameter_size": summary.map(|summary| domain::units::parameters(summary.parameters).replace(' ', "")).unwrap_or_default(),
        "quantization_level": model.quant().unwrap_or_default(),
    })
}

/// The header's figures, by the names that they have there.
fn info(model: &Model) -> Value {
    let mut info = Map::new();
    let Some(summary) = &model.summary else { return Value::Object(info) };
    let architecture = summary.architecture.as_deref().unwrap_or("unknown");
    info.insert("general.architecture".to_owned(), json!(architecture));
    info.insert("general.parameter_count".to_owned(), json!(summary.parameters));
    if let Some(name) = &summary.name {
        info.insert("general.basename".to_owned(), json!(summary.basename.as_ref().unwrap_or(name)));
    }
    for (name, value) in [
        ("context_length", summary.context_length),
        ("block_count", summary.block_count),
        ("embedding_length", summary.embedding_length),
        ("attention.head_count", summary.head_count),
        ("attention.head_count_kv", summary.head_count_kv),
        ("expert_count", summary.experts.map(|(all, _)| all)),
        ("expert_used_count", summary.experts.map(|(_, used)| used)),
        ("vocab_size", summary.vocabulary),
    ] {
        if let Some(value) = value {
            info.insert(format!("{architecture}.{name}"), json!(value));
        }
    }
    for (name, value) in [("model", &summary.tokenizer), ("pre", &summary.tokenizer_pre)] {
        if let Some(value) = value {
            info.insert(format!("tokenizer.ggml.{name}"), json!(value));
        }
    }
    Value::Object(info)
}

/// What the model can do, in Ollama's words.
fn capabilities(model: &Model) -> Vec<&'static str> {
    if model.embeds_only() {
        return vec!["embedding"];
    }
    let mut all = vec!["completion"];
    if let Some(summary) = &model.summary {
        all.extend(summary.tools.then_some("tools"));
        all.extend(summary.thinks.then_some("thinking"));
    }
    all
}
