//! Models fetched, made, given other names and deleted. All of it needs the admin scope, which `guard` sees to.

pub(super) mod blobs;
pub(super) mod create;
pub(super) mod names;
pub(super) mod pull;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use tokio::sync::mpsc;

use crate::server::body::Json;
use crate::server::error::{ApiError, Result};
use crate::server::handle::Handle;
use crate::server::models::find;
use crate::server::shape::Shape;
use domain::command::{Cause, What};

/// Lines that wait for a client; behind them the work that they tell of waits.
const MAX_LINES: usize = 16;

/// How often something that takes long is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long a model that is there is waited for until a scan has found it.
const SCAN: Duration = Duration::from_secs(30);

/// What a job tells of itself: a line each. One whose client has gone ends at the next.
pub(super) struct Lines(mpsc::Sender<Value>);

/// Whoever asked has gone.
pub(super) struct Gone;

impl Lines {
    /// Tell something.
    pub(super) async fn tell(&self, line: Value) -> std::result::Result<(), Gone> {
        self.0.send(line).await.ok().ok_or(Gone)
    }

    /// Wait until whoever asked is gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Why a job ended early.
pub(super) enum Stop {
    Gone,
    Error(ApiError),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<domain::command::Refused> for Stop {
    fn from(refused: domain::command::Refused) -> Self {
        Self::Error(refused.into())
    }
}

/// Do a job and stream what it tells of itself, or wait for its end; `success` comes last.
pub(super) async fn run<F>(is_stream: bool, job: impl FnOnce(Lines) -> F) -> Result<Response>
where
    F: Future<Output = std::result::Result<(), Stop>> + Send + 'static,
{
    let (sender, mut lines) = mpsc::channel(MAX_LINES);
    let job = job(Lines(sender.clone()));
    let task = tokio::spawn(async move {
        let last = match job.await {
            Ok(()) => Ok(json!({"status": "success"})),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Gone) => return Ok(()),
        };
        match last {
            Ok(line) => drop(sender.send(line).await),
            Err(error) => return Err(error),
        }
        Ok(())
    });
    if !is_stream {
        let mut last = Value::Null;
        while let Some(line) = lines.recv().await {
            last = line;
        }
        task.await.unwrap_or(Ok(()))?;
        return Ok(Json(last).into_response());
    }
    let state = (lines, Some(task));
    let body = stream::unfold(state, |(mut lines, mut task)| async move {
        let line = match lines.recv().await {
            Some(line) => line,
            // An error in the middle is the last line.
            None => match task.take()?.await {
                Ok(Err(error)) => Shape::Ollama.body(&error),
                _ => return None,
            },
        };
        Some((Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), (lines, task)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

/// Have the stores scanned until a model of this name is known.
async fn known(handle: &Handle, name: &str) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let wanted = name.to_owned();
        match handle.read(move |domain| find(domain, &wanted).map(drop)).await? {
            Ok(()) => return Ok(()),
            Err(refused) if begun.elapsed() >= SCAN => return Err(refused.into()),
            Err(refused) if !matches!(refused.cause, Cause::NotFound | Cause::Busy { .. }) => {
                return Err(refused.into());
            }
            Err(_) => {}
        }
        handle.command(What::Rescan).await?;
        tokio::time::sleep(LOOK).await;
    }
}
