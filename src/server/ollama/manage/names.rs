//! `/api/copy` and `/api/delete`: names for models, and their end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;

use super::LOOK;
use crate::server::error::{ApiError, Result};
use crate::server::handle::Handle;
use crate::server::incoming::Incoming;
use crate::server::shared::Shared;
use domain::Domain;
use domain::alias::{self, Alias};
use domain::command::{Cause, Refused, What};
use domain::model::Model;
use domain::session::Session;

/// How long a model is waited for that was told to unload.
const UNLOAD: Duration = Duration::from_secs(10);

/// A model and its new name.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaCopyRequest)]
pub(in crate::server::ollama) struct Copy {
    /// The model's name, as `/api/tags` lists it.
    source: String,
    /// What it is to be called as well.
    destination: String,
}

/// Give a model another name, which lasts. Its files stay one: deleting the model is refused while the name is there.
#[utoipa::path(
    post,
    path = "/api/copy",
    tag = "ollama",
    request_body = Copy,
    responses(
        (status = 200, description = "The model has the name"),
        (status = 400, description = "Invalid field, or the name belongs to a model"),
        (status = 403, description = "The key does not have the scope"),
        (status = 404, description = "Model not found"),
    )
)]
pub(in crate::server::ollama) async fn copy(incoming: Incoming<Copy>) -> Result<StatusCode> {
    let Copy { source, destination } = incoming.request;
    let handle = &incoming.shared.handle;
    let alias = handle.read(move |domain| copied(domain, &source)).await??;
    set(handle, "destination", &destination, alias).await?;
    Ok(StatusCode::OK)
}

/// What a copy of the model of this name stands for.
pub(super) fn copied(domain: &Domain, source: &str) -> std::result::Result<Alias, Refused> {
    let target = alias::resolve(domain, source)?;
    Ok(match target.alias {
        Some((_, alias)) => alias.clone(),
        None => Alias { model: target.model.id.clone(), ..Alias::default() },
    })
}

/// Give a name a meaning. One that a model has is not taken from it.
pub(super) async fn set(handle: &Handle, field: &str, name: &str, alias: Alias) -> Result<()> {
    let name = name.strip_suffix(":latest").unwrap_or(name).to_owned();
    let wanted = name.clone();
    let is_model = handle.read(move |domain| alias::resolve(domain, &wanted).is_ok_and(|found| found.alias.is_none()));
    if is_model.await? {
        return Err(ApiError::field(field, "is already the name of a model"));
    }
    let set = handle.command(What::SetAlias { name, alias: Box::new(alias) }).await;
    set.map(drop).map_err(|refused| match refused.cause {
        Cause::Invalid => ApiError::field(field, format!("can't be used: {}", refused.reason)),
        _ => refused.into(),
    })
}

/// Which model or name is to go.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaDeleteRequest)]
pub(in crate::server::ollama) struct Delete {
    /// Its name, as `/api/tags` lists it.
    model: Option<String>,
    /// The older name of it.
    name: Option<String>,
}

/// Delete a model, or a name that was given to one. A model's files go to the trash, as on the Library screen.
#[utoipa::path(
    delete,
    path = "/api/delete",
    tag = "ollama",
    request_body = Delete,
    responses(
        (status = 200, description = "The model is deleted"),
        (status = 400, description = "It can't be deleted"),
        (status = 403, description = "The key does not have the scope"),
        (status = 404, description = "Model not found"),
        (status = 429, description = "It is in use, or another one is being deleted"),
    )
)]
pub(in crate::server::ollama) async fn delete(incoming: Incoming<Delete>) -> Result<StatusCode> {
    let Delete { model, name } = incoming.request;
    let name = model.or(name).ok_or_else(|| ApiError::field("model", "is missing"))?;
    let shared = &incoming.shared;
    let found = shared.handle.read(move |domain| {
        let target = alias::resolve(domain, &name)?;
        let alias = target.alias.map(|(name, _)| name.to_owned());
        Ok::<_, Refused>((Arc::clone(target.model), alias))
    });
    let (model, alias) = found.await??;
    let Some(alias) = alias else {
        remove(shared, model).await?;
        return Ok(StatusCode::OK);
    };
    shared.handle.command(What::RemoveAlias(alias)).await?;
    // A model that was made under this name goes with it; where another name stands for it, with the last.
    let is_made = shared.blobs.as_ref().zip(model.path()).is_some_and(|(blobs, path)| blobs.is_made(path));
    let others = names_for(&shared.handle, &model).await?;
    if is_made && others.is_empty() {
        remove(shared, model).await?;
    }
    Ok(StatusCode::OK)
}

/// The names of the user's own that stand for a model.
async fn names_for(handle: &Handle, model: &Arc<Model>) -> Result<Vec<String>> {
    let id = model.id.clone();
    let names = handle.read(move |domain| {
        let own = alias::names(domain).filter(|(_, target)| target.alias.is_some() && target.model.id == id);
        own.map(|(name, _)| name.to_owned()).collect()
    });
    Ok(names.await?)
}

async fn remove(shared: &Shared, model: Arc<Model>) -> Result<()> {
    let handle = &shared.handle;
    if let [name, ..] = &names_for(handle, &model).await?[..] {
        let message = format!("the alias `{name}` refers to this model; delete the alias first");
        return Err(ApiError::new(crate::server::error::Kind::Invalid, message));
    }
    // One that requests had loaded goes; one that somebody started by hand is told of by the plan.
    let _ = handle.command(What::UnloadModel(model.id.clone())).await;
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < UNLOAD && is_on_demand(handle, &model).await? {
        tokio::time::sleep(LOOK).await;
    }
    handle.delete(vec![model]).await?;
    Ok(())
}

async fn is_on_demand(handle: &Handle, model: &Model) -> Result<bool> {
    let id = model.id.clone();
    let is_live = |session: &&Session| Session::is_live(session) && session.demand.is_on_demand;
    let live = handle.read(move |domain| domain.sessions.iter().filter(is_live).any(|session| session.model.id == id));
    Ok(live.await?)
}
