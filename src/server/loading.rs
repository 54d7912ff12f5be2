//! Models loaded and unloaded at a client's word.

use std::time::Duration;

use domain::Domain;
use domain::command::{Force, What};
use domain::session::{Phase, Session};
use domain::settings::SessionSettings;

use super::error::{ApiError, Kind, Result};
use super::guard::Caller;
use super::models::Served;
use super::{Handle, KeepAlive};

/// How often a model that is being loaded is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The sessions of a model that hold it, or will.
pub(super) fn live<'a>(domain: &'a Domain, model: &'a str) -> impl Iterator<Item = &'a Session> {
    domain.sessions.iter().filter(move |session| {
        session.model.id == model && !matches!(session.phase, Phase::Failed { .. } | Phase::Stopping)
    })
}

/// Load a model and wait until it is, or unload it where it is to stay for no time. Gives Ollama's word for which.
pub(super) async fn load(
    handle: &Handle,
    caller: &Caller,
    served: &Served,
    settings: Option<Box<SessionSettings>>,
    keep_alive: Option<KeepAlive>,
) -> Result<&'static str> {
    let id = served.model.id.clone();
    if keep_alive == Some(KeepAlive::For(Duration::ZERO)) {
        unload(handle, caller, &id).await?;
        return Ok("unload");
    }
    let model = id.clone();
    let (is_live, usual) =
        handle.read(move |domain| (live(domain, &model).next().is_some(), domain.settings.session)).await?;
    if !is_live {
        let settings = settings.unwrap_or_else(|| Box::new(usual));
        handle.command(What::StartSession { model: id.clone(), settings, force: Force::No }).await?;
    }
    loop {
        let model = id.clone();
        let phase = handle.read(move |domain| {
            let session = domain.sessions.iter().rev().find(|session| session.model.id == model);
            session.map(|session| session.phase.clone())
        });
        match phase.await? {
            Some(Phase::Ready) => return Ok("load"),
            Some(Phase::Failed { reason, hint }) => {
                let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                return Err(ApiError::new(Kind::Unavailable, format!("{reason}{hint}")));
            }
            None => return Err(ApiError::new(Kind::Unavailable, "the model was unloaded while it was being loaded")),
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn unload(handle: &Handle, caller: &Caller, id: &str) -> Result<()> {
    caller.may_change_models()?;
    let model = id.to_owned();
    let sessions = handle.read(move |domain| live(domain, &model).map(|session| session.id).collect::<Vec<_>>());
    for session in sessions.await? {
        handle.command(What::StopSession(session)).await?;
    }
    Ok(())
}
