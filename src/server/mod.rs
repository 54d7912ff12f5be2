//! The HTTP server: the APIs that other programs know, over one set of commands.
//!
//! Owned here: connections and their limits, who may ask, and the translation between each API and the domain's commands. Absent:
//! what the program knows and does; that is asked for by a [`Handle`]. One folder per API, one file per group of addresses.
//! It runs on a thread of its own, so that a slow client holds up nobody's frame.

mod anthropic;
mod asking;
mod blobs;
mod body;
mod document;
mod energy;
mod error;
mod guard;
mod handle;
mod incoming;
pub mod keys;
mod limits;
mod listen;
mod llama;
mod loading;
mod models;
mod ollama;
mod openai;
mod queries;
mod settle;
mod shape;
mod shared;
mod status;
mod stream;
mod unread;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use energy::Metered;
use error::{ApiError, Kind};
pub use handle::{Answer, AnswerEvent, AnswerSender, Call, Ending, Handle, QueryEnd, Sent};
pub use listen::{Listener, Places, Server, StartError};

use shared::Shared;

/// What is said of the APIs as a whole.
#[derive(OpenApi)]
#[openapi(info(
    title = "taffrail",
    description = "Serves the language models of this machine to other programs, through the APIs that they already use."
))]
struct Description;

/// All addresses, and the document that describes them.
fn routes() -> (Router<Arc<Shared>>, utoipa::openapi::OpenApi) {
    let routes = OpenApiRouter::with_openapi(Description::openapi());
    let routes = routes
        .merge(openai::routes())
        .merge(anthropic::routes())
        .merge(ollama::routes())
        .merge(llama::routes())
        .merge(status::routes());
    let (routes, described) = routes.split_for_parts();
    (routes, document::complete(described))
}

fn router(shared: Arc<Shared>) -> Router {
    let max_body = usize::try_from(shared.settings.max_body.0).unwrap_or(usize::MAX);
    let (routes, described) = routes();
    routes
        .route("/openapi.json", get(async || body::Json(described)))
        .fallback(async || ApiError::new(Kind::NotFound, "there is no such endpoint"))
        .method_not_allowed_fallback(async || ApiError::new(Kind::Method, "this endpoint takes another method"))
        .layer(DefaultBodyLimit::max(max_body))
        .layer(from_fn_with_state(Arc::clone(&shared), guard::guard))
        .layer(from_fn(shape::shape))
        .layer(from_fn(unread::drain))
        .with_state(shared)
}
