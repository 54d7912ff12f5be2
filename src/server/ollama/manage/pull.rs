//! `/api/pull`: models from the hub.

use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::{LOOK, Lines, Stop, known, run};
use crate::server::error::{ApiError, Kind, Result};
use crate::server::handle::Handle;
use crate::server::incoming::Incoming;
use crate::server::models::find;
use domain::command::{Value, What};
use domain::download::hub::{Failure, FailureKind};
use domain::download::target::Target;
use domain::download::{Download, DownloadId, Order, Phase};

/// The branch that is taken: Ollama's names have none.
const REVISION: &str = "main";

/// What is to be fetched.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaPullRequest)]
pub(in crate::server::ollama) struct Request {
    /// `hf.co/OWNER/REPO`, which takes the best quantisation that fits, or `hf.co/OWNER/REPO:QUANT`.
    model: Option<String>,
    /// The older name of it.
    name: Option<String>,
    /// Tell how far it is; so it is where nothing is said.
    stream: Option<bool>,
}

/// Fetch a model from the hub. A client that hangs up pauses it; asking again resumes it.
#[utoipa::path(
    post,
    path = "/api/pull",
    tag = "ollama",
    request_body = Request,
    responses(
        (status = 200, description = "Progress as JSON lines, or the final status"),
        (status = 400, description = "Invalid field"),
        (status = 403, description = "The key does not have the scope"),
        (status = 404, description = "Model not found"),
    )
)]
pub(in crate::server::ollama) async fn pull(incoming: Incoming<Request>) -> Result<Response> {
    let Request { model, name, stream } = incoming.request;
    let name = model.or(name).ok_or_else(|| ApiError::field("model", "is missing"))?;
    let handle = incoming.shared.handle.clone();
    let wanted = name.clone();
    let is_here = handle.read(move |domain| find(domain, &wanted).is_ok()).await?;
    let target = match Target::parse(name.strip_suffix(":latest").unwrap_or(&name)) {
        Ok(target) => Some(target),
        Err(_) if is_here => None,
        Err(_) => return Err(no_registry(&name)),
    };
    run(stream.unwrap_or(true), async move |lines| match target {
        Some(target) => fetch(&handle, &lines, &name, &target).await,
        None => Ok(lines.tell(json!({"status": "this model is already on this machine"})).await?),
    })
    .await
}

/// A name that only Ollama's own registry could know.
fn no_registry(name: &str) -> ApiError {
    let name = gguf::clean(name, 200);
    let message = format!(
        "`{name}` names no model of the hub, and Ollama's registry is not asked from here; pull a repository with GGUF \
         files instead: `hf.co/OWNER/REPO:QUANT`, such as `hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M`"
    );
    ApiError { field: Some("model".to_owned()), ..ApiError::new(Kind::ModelNotFound, message) }
}

fn of_failure(failure: &Failure) -> ApiError {
    let kind = match failure.kind {
        FailureKind::NotFound => Kind::ModelNotFound,
        FailureKind::Refused => Kind::Forbidden,
        FailureKind::Failed => Kind::Unavailable,
    };
    ApiError::new(kind, failure.to_string())
}

/// Pauses a download where nobody waits for it any more.
struct PauseOnDrop {
    handle: Handle,
    id: Option<DownloadId>,
}

impl Drop for PauseOnDrop {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.handle.give(What::PauseDownload(id));
        }
    }
}

async fn fetch(handle: &Handle, lines: &Lines, name: &str, target: &Target) -> std::result::Result<(), Stop> {
    lines.tell(json!({"status": "pulling manifest"})).await?;
    let revision = target.revision.clone().unwrap_or_else(|| REVISION.to_owned());
    let files = handle.files(target.repository.clone(), revision.clone()).await?;
    let files = files.map_err(|failure| of_failure(&failure))?;
    let wanted = target.clone();
    let order = handle.read(move |domain| wanted.order(&revision, &files, domain)).await?;
    let (order, _) = order.map_err(|failure| of_failure(&failure))?;
    let known_before = order.clone();
    let was_running = handle.read(move |domain| {
        domain.downloads.all.iter().any(|known| known.order.is_same(&known_before) && known.is_active())
    });
    let was_running = was_running.await?;
    let Value::Download(id) = handle.command(What::Download(order.clone())).await? else {
        return Err(ApiError::new(Kind::Failed, "nothing was downloaded").into());
    };
    // One that somebody else began goes on without us.
    let mut pause = PauseOnDrop { handle: handle.clone(), id: (!was_running).then_some(id) };
    let result = tokio::select! {
        result = follow(handle, lines, id, &order) => result,
        () = lines.closed() => Err(Stop::Gone),
    };
    if !matches!(result, Err(Stop::Gone)) {
        pause.id = None;
    }
    result?;
    lines.tell(json!({"status": "writing manifest"})).await?;
    Ok(known(handle, name).await?)
}

/// Tell how far a download is until it has ended.
async fn follow(handle: &Handle, lines: &Lines, id: DownloadId, order: &Order) -> std::result::Result<(), Stop> {
    let mut told = None;
    loop {
        let find = move |download: &&Download| download.id == id;
        let now = handle.read(move |domain| {
            let download = domain.downloads.all.iter().find(find)?;
            Some((download.phase.clone(), download.done.0))
        });
        let Some((phase, done)) = now.await? else {
            return Err(ApiError::new(Kind::Unavailable, "the download was cancelled").into());
        };
        match &phase {
            Phase::Done => return Ok(()),
            Phase::Failed(failure) => return Err(of_failure(failure).into()),
            Phase::Paused => return Err(ApiError::new(Kind::Unavailable, "the download was paused").into()),
            _ => {}
        }
        if told.as_ref() != Some(&(phase.clone(), done)) {
            let line = match &phase {
                Phase::Queued => json!({"status": "waiting for other downloads"}),
                Phase::Preparing(what) | Phase::Waiting(what) => json!({"status": what}),
                _ => json!({
                    "status": format!("pulling {}", order.name()),
                    "total": order.size().0,
                    "completed": done,
                }),
            };
            lines.tell(line).await?;
            told = Some((phase, done));
        }
        tokio::time::sleep(LOOK).await;
    }
}
