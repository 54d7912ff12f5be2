//! Anthropic's API.

mod answer;
mod messages;
mod models;
mod request;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shared::Shared;

pub(super) use models::{get as model, list as models};

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(messages::create)).routes(routes!(messages::count_tokens))
}
