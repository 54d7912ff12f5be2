//! A request with what its handler needs, and the one way from what is to be generated to the response.
//!
//! Each API says with a [`Generate`] what its request asks for; how the model is found, asked and listened to is the same
//! for all.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::asking::Asking;
use super::body::Json;
use super::error::{ApiError, Kind, Result};
use super::guard::Caller;
use super::models::{Served, named};
use super::shared::Shared;
use super::stream::{Answers, Translate};
use domain::ask::{Api, Generation};
use domain::keep_alive::KeepAlive;

/// A request whose body was read, and who sent it.
pub(super) struct Incoming<T> {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Caller,
    pub(super) request: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Incoming<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| ApiError::new(Kind::Failed, "the caller was not identified"))?;
        let Json(request) = Json::from_request(request, shared).await?;
        Ok(Self { shared: Arc::clone(shared), caller, request })
    }
}

/// A request to have something generated, in the way of one API.
pub(super) trait Generate: DeserializeOwned {
    /// The API.
    const API: Api;
    /// What is written of the answers.
    type Answer: Translate;

    /// The name of the model.
    fn model(&self) -> &str;
    /// What is asked for; an error names the field that is wrong.
    fn job(self) -> Result<Job<Self::Answer>>;
}

/// What a request asks for.
pub(super) struct Job<T> {
    /// What is generated: one for each choice.
    pub(super) generations: Vec<Generation>,
    /// Send the answer as it comes.
    pub(super) is_stream: bool,
    /// Context length in tokens, where the client wants one.
    pub(super) context: Option<u32>,
    /// How long the model stays loaded afterwards, where the client says so.
    pub(super) keep_alive: Option<KeepAlive>,
    /// Makes what writes the answer.
    pub(super) translate: Box<dyn FnOnce(Name) -> T + Send>,
}

/// What names an answer.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// Unique over restarts; each API puts its own letters before it.
    pub(super) id: String,
    /// The model, as lists have it.
    pub(super) model: String,
}

impl<T> Job<T> {
    /// One answer, with all else as the settings have it.
    pub(super) fn one(
        generation: Generation,
        is_stream: Option<bool>,
        translate: impl FnOnce(Name) -> T + Send + 'static,
    ) -> Self {
        Self {
            generations: vec![generation],
            is_stream: is_stream.unwrap_or(false),
            context: None,
            keep_alive: None,
            translate: Box::new(translate),
        }
    }
}

impl<T> Incoming<T> {
    /// The model of this name.
    pub(super) async fn named(&self, name: &str) -> Result<Served> {
        named(&self.shared.handle, name).await
    }

    /// How the model is asked through this API, with all else as the settings have it.
    pub(super) fn asking(&self, api: Api) -> Asking {
        Asking::new(self.caller.clone(), api)
    }
}

impl<T: Generate> Incoming<T> {
    /// Have the answers generated; stream them, or wait for all of them.
    pub(super) async fn answer(self) -> Result<Response> {
        let served = self.named(self.request.model()).await?;
        let asking = self.asking(T::API);
        let Job { generations, is_stream, context, keep_alive, translate } = self.request.job()?;
        let asking = Asking { context, keep_alive, ..asking };
        let mut answers = Vec::new();
        for generation in generations {
            answers.push(self.shared.ask(&served, generation, &asking).await?);
        }
        let request = answers.first().map(|answer| answer.request).unwrap_or_default();
        let id = format!("{}{}", self.shared.instance, request.0);
        let mut translate = translate(Name { id, model: served.name });
        let answers = Answers::new(answers);
        if is_stream {
            return answers.stream(translate).await;
        }
        let whole = answers.whole().await?;
        Ok(Json(translate.document(&whole)).into_response())
    }
}
