//! `/api/generate`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Field, now};
use super::chat::answer;
use super::options::{Options, format, keep_alive, think};
use crate::server::asking::Asking;
use crate::server::body::Json;
use crate::server::error::{ApiError, Result};
use crate::server::guard::Caller;
use crate::server::models::named;
use crate::server::shared::Shared;
use crate::server::{limits, loading};
use domain::ask::{Api, Generation};
use wire::{Chat, Message, Prompt, Role};

/// A prompt to be answered. Without one the model is loaded, or unloaded where it is kept for no time.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaGenerateRequest)]
pub(super) struct Request {
    /// The model's name, as `/api/tags` lists it.
    model: String,
    prompt: Option<String>,
    /// The system prompt.
    system: Option<String>,
    /// Not supported: what comes behind the answer.
    suffix: Option<String>,
    /// Not supported: a template in place of the model's own.
    template: Option<String>,
    /// Not supported: what an earlier answer gave.
    context: Option<Vec<i64>>,
    images: Option<Vec<String>>,
    /// Give the prompt to the model as it stands, without its chat template.
    raw: Option<bool>,
    /// `json`, or a JSON schema.
    #[schema(value_type = Option<Object>)]
    format: Option<Value>,
    options: Option<Options>,
    /// Send the answer as it comes; so it is where nothing is said.
    stream: Option<bool>,
    /// How long the model stays loaded.
    #[schema(value_type = Option<Object>)]
    keep_alive: Option<Value>,
    /// Whether, or how much, the model reasons.
    #[schema(value_type = Option<Object>)]
    think: Option<Value>,
}

/// Answer a prompt.
#[utoipa::path(
    post,
    path = "/api/generate",
    tag = "ollama",
    request_body = Request,
    responses(
        (status = 200, description = "The answer, or a stream of its lines"),
        (status = 400, description = "A field is wrong"),
        (status = 404, description = "There is no such model"),
    )
)]
pub(super) async fn generate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Request>,
) -> Result<Response> {
    let served = named(&shared.handle, &request.model).await?;
    let keep_alive = keep_alive(request.keep_alive.as_ref())?;
    let is_stream = request.stream.unwrap_or(true);
    let options = Options::read(request.options.clone())?;
    if request.prompt.as_ref().is_none_or(String::is_empty) {
        let reason = loading::load(&shared.handle, &caller, &served, options.context, keep_alive).await?;
        let document = json!({
            "model": served.name, "created_at": now(), "response": "", "done": true, "done_reason": reason,
        });
        return Ok(Json(document).into_response());
    }
    let generation = Generation {
        max_tokens: options.max_tokens,
        sampling: options.sampling,
        stop: options.stop,
        ..request.read()?
    };
    let asking = Asking { context: options.context, keep_alive, ..Asking::new(caller, Api::Ollama) };
    answer(&shared, (generation, &asking), served, Field::Response, is_stream).await
}

impl Request {
    fn read(self) -> Result<Generation> {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if is_given(&self.suffix) {
            return Err(ApiError::field("suffix", "is not supported: no text can be put between two"));
        }
        if is_given(&self.template) {
            return Err(ApiError::field("template", "is not supported: the model's own is used, or none with `raw`"));
        }
        if self.context.is_some_and(|context| !context.is_empty()) {
            return Err(ApiError::field("context", "is not supported: `/api/chat` takes the whole conversation"));
        }
        if self.images.is_some_and(|images| !images.is_empty()) {
            return Err(ApiError::field("images", "can't be read: no model here reads images"));
        }
        let prompt = self.prompt.unwrap_or_default();
        limits::text("prompt", &prompt, limits::PROMPT)?;
        let form = format(self.format.as_ref())?;
        if self.raw == Some(true) {
            return Ok(Generation { form, ..Generation::new(Prompt::Raw(prompt)) });
        }
        let (reasoning, template_options) = think(self.think.as_ref())?;
        let system = self.system.map(|text| Message::new(Role::System, text));
        let messages = system.into_iter().chain([Message::new(Role::User, prompt)]).collect();
        let chat = Chat { messages, reasoning, template_options, ..Chat::default() };
        Ok(Generation { form, ..Generation::new(Prompt::Chat(chat)) })
    }
}
