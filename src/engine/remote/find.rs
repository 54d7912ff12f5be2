//! The engines there are and their models: those of config.toml, and those on this machine's usual ports.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Url;

use super::client::{Client, is_loopback};
use super::list::{self, Entry};
use super::{Access, RemoteError};
use domain::model::remote::{EngineKind, Remote};
use domain::model::{Card, Format, Model, Status, Store, StoreStatus};
use domain::settings::Settings;
use domain::units::Bytes;

/// Ports on which engines usually listen, with what listens there.
const PORTS: [(u16, &str); 5] =
    [(11434, "ollama"), (8080, "llama-server"), (8000, "vllm"), (30000, "sglang"), (1234, "lm-studio")];

/// How long an engine may take to tell what it has. One that hangs delays no other.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a port of this machine may take to say that somebody listens.
const KNOCK: Duration = Duration::from_millis(200);

/// The longest name that is shown, characters.
const NAME_CHARS: usize = 200;

/// What the engines have.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Their models.
    pub models: Vec<Arc<Model>>,
    /// The engines, with what is wrong with them.
    pub stores: Vec<StoreStatus>,
}

/// The engines of config.toml, and those found on this machine.
async fn engines(settings: &Settings) -> Vec<Access> {
    let mut all: Vec<Access> = settings.remotes.iter().map(|(name, engine)| Access::configured(name, engine)).collect();
    if !settings.library.discover {
        return all;
    }
    let port = |url: &str| Url::parse(url).ok().filter(is_loopback).and_then(|url| url.port_or_known_default());
    let mut taken: HashSet<u16> = all.iter().filter_map(|access| port(&access.url)).collect();
    // What this program serves itself is here already.
    taken.insert(settings.server.listen.port());
    let knocked = PORTS.into_iter().filter(|(port, _)| !taken.contains(port)).map(async |(port, usual)| {
        let there = tokio::time::timeout(KNOCK, tokio::net::TcpStream::connect(("127.0.0.1", port))).await;
        matches!(there, Ok(Ok(_))).then_some((port, usual))
    });
    for (port, usual) in join_all(knocked).await.into_iter().flatten() {
        let url = format!("http://127.0.0.1:{port}");
        let name = format!("{usual}-{port}");
        all.push(Access { name, url, kind: EngineKind::Auto, key: None, is_discovered: true });
    }
    all
}

/// Ask all engines what they have.
pub async fn find(settings: &Settings) -> Found {
    let all = engines(settings).await;
    let asked = join_all(all.iter().map(|access| async {
        tokio::time::timeout(PATIENCE, ask(access))
            .await
            .unwrap_or_else(|_late| Err(RemoteError::new(format!("no answer within {} s", PATIENCE.as_secs()))))
    }))
    .await;
    let mut found = Found::default();
    for (access, result) in all.iter().zip(asked) {
        let mut status = StoreStatus {
            store: Store::Remote,
            place: format!("{} {}", access.name, access.url),
            n_models: 0,
            broken_manifests: 0,
            problems: Vec::new(),
        };
        match result {
            Ok(None) => continue,
            Ok(Some((name, kind, entries))) => {
                status.place = format!("{name} {}", access.url);
                status.n_models = entries.len();
                let models = entries.into_iter().map(|entry| model(settings, access, &name, kind, entry));
                found.models.extend(models.map(Arc::new));
            }
            // What happens to listen on such a port need not be an engine.
            Err(_) if access.is_discovered => continue,
            Err(RemoteError { reason, hint }) => {
                let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                status.problems.push(format!("{}: {reason}{hint}", access.name));
            }
        }
        found.stores.push(status);
    }
    let mut seen = HashSet::new();
    found.models.retain(|model| seen.insert(model.id.clone()));
    found
}

/// The same for who waits for it, outside of a runtime.
pub fn find_blocking(settings: &Settings) -> Found {
    if settings.remotes.is_empty() && !settings.library.discover {
        return Found::default();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(find(settings))).unwrap_or_default()
}

/// What one engine has, with the name that it has here; `None` where it is this program's own server, found by its port.
async fn ask(access: &Access) -> Result<Option<(String, EngineKind, Vec<Entry>)>, RemoteError> {
    let client = Client::new(access).await?;
    if access.is_discovered && is_own(&client).await {
        return Ok(None);
    }
    let kind = list::kind_of(&client).await?;
    let name = match access.url.rsplit_once(':') {
        // What listens there need not be what usually does.
        Some((_, port)) if access.is_discovered => format!("{}-{port}", kind.name()),
        _ => access.name.clone(),
    };
    let client = client.of_kind(kind);
    Ok(Some((name, kind, list::models(&client).await?)))
}

/// Whether it is this program's own server.
async fn is_own(client: &Client) -> bool {
    client.get("status.json", PATIENCE).await.is_ok_and(|status| {
        status.get("schema").and_then(|schema| schema.as_str()).is_some_and(|schema| schema.contains("taffrail"))
    })
}

/// What a person calls it: of a file its stem, as with files here.
fn short(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.strip_suffix(".gguf").filter(|stem| !stem.is_empty()).unwrap_or(name).to_owned()
}

/// A row of the library.
fn model(settings: &Settings, access: &Access, engine: &str, kind: EngineKind, entry: Entry) -> Model {
    let Entry { name, size, context, is_loaded, quant, instance: _ } = entry;
    let section = settings.remotes.get(engine).filter(|_| !access.is_discovered);
    let shown = gguf::clean(&name, NAME_CHARS);
    let quant = quant.map(|quant| gguf::clean(&quant, 32)).filter(|quant| !quant.is_empty());
    Model {
        id: Model::remote_id(engine, &shown),
        name: short(&shown),
        store: Store::Remote,
        repository: None,
        files: Vec::new(),
        size: Bytes(size.unwrap_or(0)),
        status: Status::Runnable,
        used: None,
        summary: None,
        note: Some(format!("runs on {engine} ({}, {})", kind.name(), access.url)),
        format: Format::Gguf,
        card: quant.map(|quant| Box::new(Card { file_type: Some(quant), ..Card::default() })),
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: Some(Box::new(Remote {
            engine: engine.to_owned(),
            url: access.url.clone(),
            kind,
            model: name,
            context,
            is_loaded,
            price: section.map(|section| section.price).unwrap_or_default(),
            watts: section.and_then(|section| section.watts),
        })),
    }
}
