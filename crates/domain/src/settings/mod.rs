//! Every setting with its default. `config.toml` at the root documents each; `config/` reads it.

mod alias;
mod chat;
mod devices;
mod machine;
mod place;
mod remote;
mod scope;
mod server;
mod session;
mod slurm;

pub use alias::Alias;
pub use chat::{CHAT_FIELDS, ChatSettings, MAX_SYSTEM};
pub use devices::{DeviceName, Devices, MAX_RPC_SERVERS, RPC_NAME_RULE, RpcServers, is_rpc_name};
pub use machine::Machine;
pub use place::{MAX_PARTITION, Partition, Place, partition};
pub use remote::{KeySource, RemoteEngine};
pub use scope::{Scope, SessionUse};
pub use server::{DEFAULT_PORT, Server};
pub use session::{
    CACHE_TYPES, CONTEXT_FULL, Chosen, ContextFull, Field, InEffect, MAX_PARALLEL, RESIDENCE, Residence,
    SESSION_FIELDS, SessionSettings, in_effect,
};
pub use slurm::Slurm;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// All settings.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// How it looks.
    pub ui: Ui,
    /// Where models are looked for.
    pub library: Library,
    /// How the hub is used.
    pub hub: Hub,
    /// Default settings of a new session.
    pub session: SessionSettings,
    /// Default prompt settings of a new conversation.
    pub chat: ChatSettings,
    /// What sessions may take of the machine together.
    pub budget: Budget,
    /// How workers are run.
    pub engine: Engine,
    /// How the workers of a bench behave.
    pub bench: SchedulingPolicy,
    /// How readings are taken.
    pub telemetry: Telemetry,
    /// What energy means here.
    pub energy: Energy,
    /// What is kept of what was run.
    pub history: History,
    /// The server process, and how other programs are served.
    pub server: Server,
    /// How jobs are submitted to Slurm.
    pub slurm: Slurm,
    /// Names of the user's own for models, with how they run.
    pub models: BTreeMap<String, Alias>,
    /// Machines whose devices sessions may use, by the user's names for them.
    #[serde(default)]
    pub rpc: RpcServers,
    /// Other machines with taffrail, by name.
    pub machines: BTreeMap<String, Machine>,
    /// Engines of other programs, by name.
    #[serde(default)]
    pub remotes: BTreeMap<String, RemoteEngine>,
    /// Changed keys: the name of an action, with the keys that do it instead of the built-in ones.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// How it looks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ui {
    /// Name of a theme: a file of `themes/` without `.toml`.
    pub theme: String,
    /// What graphs are drawn with.
    pub graphs: GraphStyle,
    /// Whether a finished reasoning starts folded.
    pub fold_reasoning: bool,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// Whether the screen is made to be read out: without boxes, spinners and graphs, changes as lines.
    pub screen_reader: bool,
    /// What becomes of the server's sessions when a dashboard is left.
    pub on_quit: OnQuit,
}

/// What becomes of the server's sessions when a dashboard is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnQuit {
    /// The user is asked.
    #[default]
    Ask,
    /// They keep running.
    Keep,
    /// They are stopped.
    Stop,
}

/// What graphs are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "finest first")]
pub enum GraphStyle {
    Braille,
    Block,
    Ascii,
}

/// Where models are looked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Library {
    /// Plain folders, searched to some depth.
    pub folders: Vec<PathBuf>,
    /// The Hugging Face cache.
    pub hugging_face: StoreFolder,
    /// Ollama's models.
    pub ollama: StoreFolder,
    /// LM Studio's models.
    pub lm_studio: StoreFolder,
    /// llama.cpp's own cache.
    pub llama_cpp: StoreFolder,
    /// Jan's data folder.
    pub jan: StoreFolder,
    /// `GPT4All`'s models.
    pub gpt4all: StoreFolder,
    /// `LocalAI`'s models.
    pub local_ai: StoreFolder,
    /// `RamaLama`'s store.
    pub rama_lama: StoreFolder,
    /// Docker Model Runner's store.
    pub docker: StoreFolder,
    /// Whether engines of other programs are looked for on this machine's usual ports.
    pub discover: bool,
    /// Whether the starter models are shown.
    pub use_starter: bool,
    /// What others judged of openness; `None` takes openness.json beside the user's config.toml where it is newer than
    /// the program's own.
    pub openness: Option<PathBuf>,
    /// Days after which `prune` empties the trash; 0 deletes at once.
    pub trash_days: u32,
}

/// Where another tool's store is.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum StoreFolder {
    /// Where the tool itself has it: by its own environment variables, else by its default.
    #[default]
    Auto,
    /// It is not looked into.
    Off,
    /// There.
    At(PathBuf),
}

/// How the hub is used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hub {
    /// Its address; `None` takes `HF_ENDPOINT`, else the public hub.
    pub endpoint: Option<String>,
    /// Downloads that run at once.
    pub downloads: u32,
    /// The longest wait for the next bytes.
    pub timeout: Duration,
}

/// What sessions may take of the machine together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// Threads of all sessions together; `None` takes the machine's cores.
    pub threads: Option<u32>,
    /// Memory of all sessions together; `None` takes what is available.
    pub memory: Option<Bytes>,
    /// Available memory that is left alone.
    pub reserve: Bytes,
    /// How long a model that a request loaded stays at least before another one takes its memory, and how long a request
    /// waits before others have to wait for it.
    pub min_loaded: Duration,
    /// Requests that may wait for one model.
    pub max_queued_per_model: u32,
    /// Requests that may wait for all models together.
    pub max_queued: u32,
}

/// How workers are run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Engine {
    /// What a thread does while it waits for the others.
    pub wait_policy: WaitPolicy,
    /// Niceness of workers, 0 to 19: how far they let other programs, the dashboard first, go before them.
    pub nice: u32,
    /// A start that makes no progress for so long has failed.
    pub start_timeout: Duration,
    /// A worker that answers no ping for so long is ended.
    pub hang_timeout: Duration,
    /// How long a worker may take to stop when asked, before it is killed.
    pub stop_timeout: Duration,
    /// The most that states of prompts kept on disk take together, over unload and restart; 0 keeps none.
    pub prompt_cache_disk: Bytes,
    /// Use AMX, the matrix unit of Xeons since 2023, where there is one.
    pub amx: bool,
}

/// What an OpenMP thread does while it waits for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitPolicy {
    /// Sleeps at once: least harm to others, slower on small models.
    Passive,
    /// Spins a moment, then sleeps.
    #[default]
    Brief,
    /// OpenMP's default: spin for some milliseconds, then sleep. Other programs based on llama.cpp use it.
    OpenMp,
    /// Spins: fastest alone, ruinous when cores are shared.
    Active,
}

impl WaitPolicy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Passive, Self::Brief, Self::OpenMp, Self::Active];

    /// Its name in config.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Brief => "brief",
            Self::OpenMp => "openmp",
            Self::Active => "active",
        }
    }
}

/// How a worker behaves towards other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SchedulingPolicy {
    /// What a thread does while it waits for the others.
    pub wait_policy: WaitPolicy,
    /// Niceness, 0 to 19.
    pub nice: u32,
}

impl Default for SchedulingPolicy {
    /// Those that llama-bench has: a bench takes them, so that figures compare.
    fn default() -> Self {
        Self { wait_policy: WaitPolicy::OpenMp, nice: 0 }
    }
}

impl Engine {
    /// How the workers of sessions behave.
    pub fn scheduling(&self) -> SchedulingPolicy {
        SchedulingPolicy { wait_policy: self.wait_policy, nice: self.nice }
    }
}

/// How readings are taken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Telemetry {
    /// Time between samples, 250 ms at least.
    pub interval: Duration,
    /// How far back graphs reach.
    pub history: Duration,
}

/// What energy means here, and how sure its figures are.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Energy {
    /// The grid's carbon intensity in grams of CO₂ equivalent per kWh.
    pub g_per_kwh: Option<f64>,
    /// The price of a kWh.
    pub price_per_kwh: Option<f64>,
    /// In which currency.
    pub currency: String,
    /// Uncertainty of a meter, as a share of its reading.
    pub sensor: f64,
    /// Uncertainty of the split where several share what a meter covers, as a share of the part.
    pub tenancy: f64,
    /// The processor's thermal design power, for an estimate if there is no meter.
    pub tdp_watts: Option<f64>,
    /// What the processor draws without work, for the same.
    pub idle_watts: Option<f64>,
}

impl Default for Energy {
    fn default() -> Self {
        Self {
            g_per_kwh: None,
            price_per_kwh: None,
            currency: "EUR".to_owned(),
            sensor: 0.05,
            tenancy: 0.25,
            tdp_watts: None,
            idle_watts: None,
        }
    }
}

/// What is kept of what was run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct History {
    /// Whether answers, races and benches go into the history.
    pub keep: bool,
}

impl Default for History {
    fn default() -> Self {
        Self { keep: true }
    }
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: "dark".to_owned(),
            graphs: GraphStyle::Braille,
            fold_reasoning: true,
            mouse: true,
            screen_reader: false,
            on_quit: OnQuit::Ask,
        }
    }
}

impl Default for Library {
    fn default() -> Self {
        Self {
            folders: Vec::new(),
            hugging_face: StoreFolder::Auto,
            ollama: StoreFolder::Auto,
            lm_studio: StoreFolder::Auto,
            llama_cpp: StoreFolder::Auto,
            jan: StoreFolder::Auto,
            gpt4all: StoreFolder::Auto,
            local_ai: StoreFolder::Auto,
            rama_lama: StoreFolder::Auto,
            docker: StoreFolder::Auto,
            discover: true,
            use_starter: true,
            openness: None,
            trash_days: 30,
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self { endpoint: None, downloads: 3, timeout: Duration::from_secs(30) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            threads: None,
            memory: None,
            reserve: Bytes(1_000_000_000),
            min_loaded: Duration::from_secs(10),
            max_queued_per_model: 256,
            max_queued: 1024,
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            wait_policy: WaitPolicy::Brief,
            nice: 5,
            start_timeout: Duration::from_mins(1),
            hang_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(3),
            prompt_cache_disk: Bytes(0),
            amx: true,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), history: Duration::from_hours(24) }
    }
}
