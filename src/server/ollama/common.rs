//! What requests that run a model have in common.

use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::answer::{Field, Lines};
use super::options::{self, Options};
use crate::server::asking::Asking;
use crate::server::body::Json;
use crate::server::error::Result;
use crate::server::incoming::{Generate, Incoming, Job, Name};
use crate::server::loading;
use crate::server::models::Served;
use domain::ask::{Api, Generation};
use domain::keep_alive::KeepAlive;

/// The model's name, how it runs and how long it stays loaded, as a request has them.
pub(in crate::server) struct Common<'a> {
    pub(super) model: &'a str,
    pub(super) options: Option<&'a Options>,
    pub(super) keep_alive: Option<&'a Value>,
}

/// A request that has them.
pub(in crate::server) trait HasCommon {
    fn common(&self) -> Common<'_>;
}

impl Common<'_> {
    pub(super) fn read(&self) -> Result<(options::Read, Option<KeepAlive>)> {
        let keep_alive = options::keep_alive(self.keep_alive)?;
        Ok((Options::read(self.options.cloned())?, keep_alive))
    }

    /// One answer, which streams where nothing is said, as Ollama has it.
    pub(super) fn job(&self, generation: Generation, is_stream: Option<bool>, field: Field) -> Result<Job<Lines>> {
        let (options, keep_alive) = self.read()?;
        let generation =
            Generation { max_tokens: options.max_tokens, sampling: options.sampling, stop: options.stop, ..generation };
        let lines = move |name: Name| Lines::new(name.model, field);
        let job = Job::one(generation, Some(is_stream.unwrap_or(true)), lines);
        Ok(Job { context: options.context, keep_alive, ..job })
    }
}

impl<T: HasCommon> Incoming<T> {
    /// The model, and how it is asked.
    pub(in crate::server::ollama) async fn model(&self) -> Result<(Served, Asking)> {
        let common = self.request.common();
        let served = self.named(common.model).await?;
        let (options, keep_alive) = common.read()?;
        Ok((served, Asking { context: options.context, keep_alive, ..self.asking(Api::Ollama) }))
    }

    /// Load the model, or unload it where it is to stay for no time: the model, and the word for which.
    pub(in crate::server::ollama) async fn load(&self) -> Result<(Served, &'static str)> {
        let (served, asking) = self.model().await?;
        let handle = &self.shared.handle;
        let word = loading::load(handle, &self.caller, &served, asking.context, asking.keep_alive).await?;
        Ok((served, word))
    }
}

impl<T: HasCommon + Generate> Incoming<T> {
    /// Answer; a request without anything to answer loads or unloads the model.
    pub(in crate::server::ollama) async fn answer_or_load(self, is_empty: bool, field: Field) -> Result<Response> {
        if !is_empty {
            return self.answer().await;
        }
        let (served, word) = self.load().await?;
        Ok(Json(Lines::new(served.name, field).loaded(word)).into_response())
    }
}
