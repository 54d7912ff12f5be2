//! `/api/generate`.

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Field, Lines};
use super::common::{Common, HasCommon};
use super::options::{Options, format, think};
use crate::server::error::{ApiError, Result};
use crate::server::incoming::{Generate, Incoming, Job};
use crate::server::limits;
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
        (status = 200, description = "The answer, or a stream of JSON lines"),
        (status = 400, description = "Invalid field"),
        (status = 404, description = "Model not found"),
    )
)]
pub(super) async fn generate(incoming: Incoming<Request>) -> Result<Response> {
    let is_empty = incoming.request.prompt.as_ref().is_none_or(String::is_empty);
    incoming.answer_or_load(is_empty, Field::Response).await
}

impl HasCommon for Request {
    fn common(&self) -> Common<'_> {
        Common { model: &self.model, options: self.options.as_ref(), keep_alive: self.keep_alive.as_ref() }
    }
}

impl Generate for Request {
    const API: Api = Api::Ollama;
    type Answer = Lines;

    fn model(&self) -> &str {
        &self.model
    }

    fn job(mut self) -> Result<Job<Lines>> {
        let generation = self.read()?;
        self.common().job(generation, self.stream, Field::Response)
    }
}

impl Request {
    fn read(&mut self) -> Result<Generation> {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if is_given(&self.suffix) {
            return Err(ApiError::field("suffix", "is not supported: no model here fills in the middle"));
        }
        if is_given(&self.template) {
            return Err(ApiError::field("template", "is not supported: the model's own is used, or none with `raw`"));
        }
        if self.context.as_ref().is_some_and(|context| !context.is_empty()) {
            return Err(ApiError::field("context", "is not supported: `/api/chat` takes the whole conversation"));
        }
        if self.images.as_ref().is_some_and(|images| !images.is_empty()) {
            return Err(ApiError::field("images", "can't be read: no model here reads images"));
        }
        let prompt = self.prompt.take().unwrap_or_default();
        limits::text("prompt", &prompt, limits::PROMPT)?;
        let form = format(self.format.as_ref())?;
        if self.raw == Some(true) {
            return Ok(Generation { form, ..Generation::new(Prompt::Raw(prompt)) });
        }
        let (reasoning, template_options) = think(self.think.as_ref())?;
        let system = self.system.take().map(|text| Message::new(Role::System, text));
        let messages = system.into_iter().chain([Message::new(Role::User, prompt)]).collect();
        let chat = Chat { messages, reasoning, template_options, ..Chat::default() };
        Ok(Generation { form, ..Generation::new(Prompt::Chat(chat)) })
    }
}
