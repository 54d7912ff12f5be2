//! Loading and unloading, where an engine can.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::RemoteError;
use super::client::Client;
use super::list::{self, Entry};
use super::question::KEEP_ALIVE;
use domain::model::remote::EngineKind;

/// How long a model may take to load: tens of gigabytes from a slow disk.
const LOAD: Duration = Duration::from_mins(10);
/// How long an engine may take to unload one.
const UNLOAD: Duration = Duration::from_secs(3);
/// The time between two looks at a router that loads.
const LOOK: Duration = Duration::from_millis(500);

/// A model that can be asked.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// The name to ask for.
    pub(super) model: String,
    /// Its context in tokens, where it is known.
    pub(super) context: Option<u32>,
    /// What is to be unloaded afterwards: what was loaded for this session.
    unload: Option<String>,
}

/// Make sure that an engine has a model, and have it loaded where that can be asked for.
pub(super) async fn load(client: &Client, model: &str, n_ctx: u32) -> Result<Ready, RemoteError> {
    let find = |entries: Vec<Entry>| entries.into_iter().find(|entry| entry.name == model);
    let Some(entry) = find(list::models(client).await?) else {
        let hint = "`taffrail ls` lists what it has now";
        return Err(RemoteError::new("it no longer has this model").with_hint(hint));
    };
    let is_here = entry.is_loaded == Some(true);
    let mut ready = Ready { model: model.to_owned(), context: entry.context, unload: None };
    match client.kind() {
        EngineKind::Ollama => {
            let mut body = json!({"model": model, "keep_alive": KEEP_ALIVE, "stream": false});
            if n_ctx > 0 {
                body["options"] = json!({"num_ctx": n_ctx});
                ready.context = Some(n_ctx);
            }
            client.post("api/generate", &body, LOAD).await?;
            // It tells the context of what is loaded.
            let loaded = list::models(client).await.ok().and_then(find);
            ready.context = ready.context.or(loaded.and_then(|entry| entry.context));
            ready.unload = (!is_here).then(|| model.to_owned());
        }
        EngineKind::LmStudio if entry.is_loaded == Some(false) => {
            let mut body = json!({"model": model});
            if n_ctx > 0 {
                body["context_length"] = json!(n_ctx);
            }
            let answer = client.post("api/v1/models/load", &body, LOAD).await?;
            let instance = answer.get("instance_id").and_then(|id| id.as_str()).unwrap_or(model);
            ready.unload = Some(instance.to_owned());
        }
        // A router tells whether a model is loaded, and a plain server has nothing to load.
        EngineKind::LlamaServer if entry.is_loaded == Some(false) => {
            client.post("models/load", &json!({"model": model}), LOAD).await?;
            let until = Instant::now() + LOAD;
            loop {
                match find(list::models(client).await?).and_then(|entry| entry.is_loaded) {
                    Some(true) => break,
                    Some(false) if Instant::now() < until => sleep(LOOK).await,
                    _ => return Err(RemoteError::new("it did not load the model")),
                }
            }
            ready.unload = Some(model.to_owned());
        }
        _ => {}
    }
    Ok(ready)
}

/// Unload what was loaded for a session. What was there before stays: others may use it.
pub(super) async fn unload(client: &Client, ready: &Ready) -> Result<(), RemoteError> {
    let Some(name) = &ready.unload else { return Ok(()) };
    let (path, body) = match client.kind() {
        EngineKind::Ollama => ("api/generate", json!({"model": name, "keep_alive": 0, "stream": false})),
        EngineKind::LmStudio => ("api/v1/models/unload", json!({"instance_id": name})),
        EngineKind::LlamaServer => ("models/unload", json!({"model": name})),
        _ => return Ok(()),
    };
    client.post(path, &body, UNLOAD).await.map(|_| ())
}
