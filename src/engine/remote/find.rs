//! The engines there are and their models: those of config.toml, and those on this machine's usual ports.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use reqwest::Url;

use super::client::{Client, is_loopback};
use super::list::{self, Entry};
use super::{Access, RemoteError, metrics};
use domain::engine_metrics::{EngineMetrics, EngineNews};
use domain::model::remote::{EngineKind, Remote};
use domain::model::{Card, Format, Model, Status, Store, StoreStatus};
use domain::moment::Moment;
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
    let mut engines = Engines::default();
    engines.ask_all(settings).await;
    engines.found(settings)
}

/// What an engine said: who asked it, and its models; nothing where it is this program's own server.
type Answer = Result<Option<(Client, Vec<Entry>)>, RemoteError>;

/// The engines that are asked, and what they said last. Who asks again needs neither read their keys nor find out what they
/// are.
#[derive(Debug, Default)]
pub(super) struct Engines {
    all: Vec<Access>,
    /// Those that have answered, by the name of the access.
    known: HashMap<String, Known>,
    /// What each said last.
    answers: HashMap<String, Answer>,
}

#[derive(Debug, Clone)]
struct Known {
    client: Client,
    /// It has not answered the last time: another one may be there now.
    is_doubtful: bool,
}

/// Engines that are being asked; each answers in its own time.
pub(super) type Round = FuturesUnordered<Pin<Box<dyn Future<Output = (Access, Answer)> + Send>>>;

impl Engines {
    /// Those that are there, or were.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.known.values().map(|known| &known.client)
    }

    /// Begin to ask all of them.
    pub(super) async fn begin(&mut self, settings: &Settings) -> Round {
        let before = std::mem::replace(&mut self.all, engines(settings).await);
        let is_same = |name: &String| self.all.iter().any(|access| access.name == *name && before.contains(access));
        self.known.retain(|name, _| is_same(name));
        self.answers.retain(|name, _| is_same(name));
        let one = |access: &Access| {
            let (access, known) = (access.clone(), self.known.get(&access.name).cloned());
            let asked = async move {
                let late = || RemoteError::new(format!("no answer within {} s", PATIENCE.as_secs()));
                let answer = tokio::time::timeout(PATIENCE, ask(&access, known)).await;
                let answer = answer.unwrap_or_else(|_late| Err(late()));
                (access, answer)
            };
            Box::pin(asked) as Pin<Box<dyn Future<Output = _> + Send>>
        };
        self.all.iter().map(one).collect()
    }

    /// Take an answer; gives whether it is another one than before.
    pub(super) fn take(&mut self, access: &Access, answer: Answer) -> bool {
        match &answer {
            Ok(Some((client, _))) => {
                let known = Known { client: client.clone(), is_doubtful: false };
                self.known.insert(access.name.clone(), known);
            }
            // A key that is refused is read again.
            Err(error) if !access.is_discovered && !matches!(error.status, Some(401 | 403)) => {
                if let Some(known) = self.known.get_mut(&access.name) {
                    known.is_doubtful = true;
                }
            }
            Ok(None) | Err(_) => drop(self.known.remove(&access.name)),
        }
        let is_same = match (self.answers.get(&access.name), &answer) {
            (Some(Ok(Some((before, old)))), Ok(Some((now, new)))) => before.is_like(now) && old == new,
            (Some(Ok(None)), Ok(None)) => true,
            (Some(Err(before)), Err(now)) => before == now,
            _ => false,
        };
        self.answers.insert(access.name.clone(), answer);
        !is_same
    }

    /// Ask all of them, and wait for the last.
    async fn ask_all(&mut self, settings: &Settings) {
        let mut round = self.begin(settings).await;
        while let Some((access, answer)) = round.next().await {
            self.take(&access, answer);
        }
    }

    /// What they have said, as the library has it. One that has not answered yet is left out.
    pub(super) fn found(&self, settings: &Settings) -> Found {
        let mut found = Found::default();
        for access in &self.all {
            let mut status = StoreStatus {
                store: Store::Remote,
                engine: Some(access.name.clone()),
                place: access.url.clone(),
                n_models: 0,
                broken_manifests: 0,
                problems: Vec::new(),
            };
            match self.answers.get(&access.name) {
                None | Some(Ok(None)) => continue,
                Some(Ok(Some((client, entries)))) => {
                    status.engine = Some(client.name.clone());
                    status.n_models = entries.len();
                    let models = entries.iter().map(|entry| model(settings, access, client, entry));
                    found.models.extend(models.map(Arc::new));
                }
                // What happens to listen on such a port need not be an engine.
                Some(Err(_)) if access.is_discovered => continue,
                Some(Err(RemoteError { reason, hint, .. })) => {
                    let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                    status.problems.push(format!("{reason}{hint}"));
                }
            }
            found.stores.push(status);
        }
        let mut seen = HashSet::new();
        found.models.retain(|model| seen.insert(model.id.clone()));
        found
    }
}

/// The same for who waits for it, outside of a runtime.
pub fn find_blocking(settings: &Settings) -> Found {
    block_on(settings, find(settings))
}

/// The same, and how much each engine does.
pub fn look_blocking(settings: &Settings) -> (Found, Vec<EngineMetrics>) {
    block_on(settings, async {
        let mut engines = Engines::default();
        engines.ask_all(settings).await;
        let looks = engines.clients().map(|client| async move {
            let (engine, kind) = (client.name.clone(), client.kind());
            let answer = metrics::look(client).await;
            EngineMetrics::new(EngineNews { engine, kind, after: None, answer }, None, Moment::default())
        });
        let mut told = join_all(looks).await;
        told.sort_by(|a, b| a.engine.cmp(&b.engine));
        (engines.found(settings), told)
    })
}

/// Wait for what is asked of engines, where there may be any.
fn block_on<T: Default>(settings: &Settings, asked: impl Future<Output = T>) -> T {
    if settings.remotes.is_empty() && !settings.library.discover {
        return T::default();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(asked)).unwrap_or_default()
}

/// What one engine has, by a client that knows what it is and is called; `None` where it is this program's own server,
/// found by its port.
async fn ask(access: &Access, known: Option<Known>) -> Answer {
    let client = match known {
        Some(Known { client, is_doubtful: false }) => client,
        known => {
            let client = match known {
                Some(known) => known.client.of_kind(access.kind),
                None => Client::new(access).await?,
            };
            if access.is_discovered && is_own(&client).await {
                return Ok(None);
            }
            let kind = list::kind_of(&client).await?;
            let name = match access.url.rsplit_once(':') {
                // What listens there need not be what usually does.
                Some((_, port)) if access.is_discovered => format!("{}-{port}", kind.name()),
                _ => access.name.clone(),
            };
            let mut client = client.of_kind(kind).named(name);
            // No other one is asked for what it does not have.
            client.is_taffrail = matches!(kind, EngineKind::Ollama | EngineKind::LlamaServer) && is_own(&client).await;
            client
        }
    };
    let entries = list::models(&client).await?;
    Ok(Some((client, entries)))
}

/// Whether it is a server of this program.
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
fn model(settings: &Settings, access: &Access, client: &Client, entry: &Entry) -> Model {
    let (engine, kind) = (client.name.as_str(), client.kind());
    let Entry { name, size, context, is_loaded, quant, instance: _ } = entry;
    let section = settings.remotes.get(engine).filter(|_| !access.is_discovered);
    let shown = gguf::clean(name, NAME_CHARS);
    let quant = quant.as_ref().map(|quant| gguf::clean(quant, 32)).filter(|quant| !quant.is_empty());
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
            model: name.clone(),
            context: *context,
            is_loaded: *is_loaded,
            price: section.map(|section| section.price).unwrap_or_default(),
            watts: section.and_then(|section| section.watts),
        })),
    }
}
