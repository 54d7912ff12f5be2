//! The life of a session on an engine elsewhere, from start to end, in one task.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::answer::answer;
use super::client::Client;
use super::load::{Ready, load, unload};
use super::{Access, RemoteError, list, measure};
use crate::engine::command::{Command, News};
use domain::event::WorkerEvent;
use domain::session::WorkerId;
use wire::{Event as Said, Failure, FailureKind, Hello, Ledger, Load, Loaded, Request, Sampling};

/// Carry requests to an engine and its answers back, and tell how it ended.
pub(in crate::engine) async fn serve(
    worker: WorkerId,
    access: Access,
    model: String,
    settings: Load,
    mut inbox: mpsc::Receiver<Command>,
    news: &News,
) -> WorkerEvent {
    let begun = Instant::now();
    let ready = {
        let open = open(worker, &access, &model, settings.n_ctx, news);
        tokio::pin!(open);
        loop {
            tokio::select! {
                biased;
                command = inbox.recv() => match command {
                    Some(Command::Tell(_)) => {}
                    Some(Command::Stop | Command::Kill | Command::Leave) | None => return stopped(),
                },
                ready = &mut open => break ready,
            }
        }
    };
    let (client, ready) = match ready {
        Ok(ready) => ready,
        Err(RemoteError { reason, hint, .. }) => {
            return WorkerEvent::Exited { reason: format!("{}: {reason}", access.name), expected: false, hint };
        }
    };
    let _ = news.send((worker, WorkerEvent::Message(Said::Loaded(Box::new(loaded(&ready, begun)))))).await;
    converse(worker, &client, (&ready, settings.n_ctx), &mut inbox, news).await;
    if let Err(error) = unload(&client, &ready).await {
        tracing::info!(worker = worker.0, reason = error.reason, "a model was not unloaded");
    }
    stopped()
}

fn stopped() -> WorkerEvent {
    WorkerEvent::Exited { reason: "stopped".to_owned(), expected: true, hint: None }
}

async fn open(
    worker: WorkerId,
    access: &Access,
    model: &str,
    n_ctx: u32,
    news: &News,
) -> Result<(Client, Ready), RemoteError> {
    let client = Client::new(access).await?;
    let kind = list::kind_of(&client).await?;
    let client = client.of_kind(kind);
    let engine = format!("{} at {}", kind.name(), client.host());
    let hello = Hello { version: wire::VERSION, pid: 0, engine, devices: Vec::new() };
    let _ = news.send((worker, WorkerEvent::Message(Said::Hello(hello)))).await;
    let ready = load(&client, model, n_ctx).await?;
    Ok((client, ready))
}

/// What is known of a model elsewhere: no layers, no memory; its context is 0 where the engine does not tell it.
fn loaded(ready: &Ready, begun: Instant) -> Loaded {
    Loaded {
        n_ctx: ready.context.unwrap_or(0),
        n_ctx_train: 0,
        n_gpu_layers: 0,
        n_layers: 0,
        ledger: Ledger::default(),
        has_template: true,
        embeds_only: false,
        sampling: Sampling::OPEN,
        load_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        load_cpu_us: None,
    }
}

/// Take requests until it is to stop. Answers that run are dropped then, and their connections with them.
async fn converse(
    worker: WorkerId,
    client: &Client,
    (ready, n_ctx): (&Ready, u32),
    inbox: &mut mpsc::Receiver<Command>,
    news: &News,
) {
    let words = Arc::<measure::Words>::default();
    let mut running = JoinSet::new();
    let mut cancels: HashMap<u64, oneshot::Sender<()>> = HashMap::new();
    loop {
        tokio::select! {
            biased;
            command = inbox.recv() => match command {
                Some(Command::Tell(request)) => match *request {
                    Request::Generate(generate) => {
                        let (cancel, cancelled) = oneshot::channel();
                        cancels.retain(|_, cancel| !cancel.is_closed());
                        cancels.insert(generate.id, cancel);
                        let target = (ready.model.clone(), n_ctx);
                        running.spawn(answer(worker, client.clone(), target, generate, cancelled, news.clone()));
                    }
                    Request::Measure(measure) => {
                        let (cancel, cancelled) = oneshot::channel();
                        cancels.insert(measure.id, cancel);
                        let target = (ready.model.clone(), n_ctx, Arc::clone(&words));
                        running.spawn(measure::measure(
                            worker,
                            client.clone(),
                            target,
                            measure,
                            cancelled,
                            news.clone(),
                        ));
                    }
                    Request::Cancel { id } => drop(cancels.remove(&id).map(|cancel| cancel.send(()))),
                    Request::Shutdown => return,
                    request => refuse(worker, &request, news).await,
                },
                Some(Command::Stop | Command::Kill | Command::Leave) | None => return,
            },
            Some(_) = running.join_next() => {}
        }
    }
}

/// What is not asked of an engine elsewhere.
async fn refuse(worker: WorkerId, request: &Request, news: &News) {
    let (id, what) = match request {
        Request::Score(score) => (score.id, "scoring a text"),
        Request::Query(query) => (query.id, "vectors and tokens of texts"),
        _ => return,
    };
    let message = format!("{what} is not available from a remote engine");
    let failure = Failure { id: Some(id), kind: FailureKind::Request, message, hint: None };
    let _ = news.send((worker, WorkerEvent::Message(Said::Failed(failure)))).await;
}
