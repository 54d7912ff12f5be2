//! Models loaded and unloaded at a client's word.

use std::time::Duration;

use domain::alias;
use domain::command::{Cause, Refused, Value, What};
use domain::keep_alive::KeepAlive;
use domain::session::Phase;

use super::asking::with_context;
use super::error::{ApiError, Kind, Result};
use super::guard::Caller;
use super::handle::Handle;
use super::models::Served;

/// How often a model that is being loaded is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Load a model and wait until it is, or unload it where it is to stay for no time. Gives Ollama's word for which.
pub(super) async fn load(
    handle: &Handle,
    caller: &Caller,
    served: &Served,
    context: Option<u32>,
    keep_alive: Option<KeepAlive>,
) -> Result<&'static str> {
    let model = served.model.id.clone();
    if keep_alive == Some(KeepAlive::For(Duration::ZERO)) {
        caller.may_change_models()?;
        return match handle.command(What::UnloadModel(model)).await {
            // Whoever wants it gone has what it wants.
            Ok(_) | Err(Refused { cause: Cause::NotFound, .. }) => Ok("unload"),
            Err(refused) => Err(refused.into()),
        };
    }
    let name = served.name.clone();
    let settings = handle.read(move |domain| {
        let target = alias::resolve(domain, &name)?;
        let own = target.alias.map(|(_, alias)| alias.over(domain.settings.session));
        let settings = context.map(|context| with_context(own.unwrap_or(domain.settings.session), context)).or(own);
        Ok::<_, Refused>(settings.map(Box::new))
    });
    let settings = settings.await??;
    let Value::Session(id) = handle.command(What::LoadModel { model, settings, keep_alive }).await? else {
        return Err(ApiError::new(Kind::Failed, "nothing was loaded"));
    };
    loop {
        let phase = handle.read(move |domain| domain.session(id).map(|session| session.phase.clone()));
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
