//! A model as the library knows it: one row, whatever its files.

mod digest;
pub mod file_role;
pub mod identity;
mod library;
pub mod library_view;
mod parameters;
pub mod preset;
pub mod remote;

pub use digest::{Digest, NoDigest};
pub use library::{Library, StoreStatus};

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wire::Message;

use crate::model::parameters::Preset;
use crate::units::Bytes;

/// Where a model was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The models that ship with taffrail.
    Starter,
    /// The Hugging Face cache.
    HuggingFace,
    /// Ollama's models.
    Ollama,
    /// LM Studio's models.
    LmStudio,
    /// llama.cpp's own flat cache, from before it used the Hugging Face cache.
    LlamaCpp,
    /// Jan's models.
    Jan,
    /// `GPT4All`'s models.
    Gpt4All,
    /// `LocalAI`'s models.
    LocalAi,
    /// `RamaLama`'s store.
    RamaLama,
    /// Docker Model Runner's store.
    Docker,
    /// A plain folder from config.toml, or a path on the command line.
    Folder,
    /// An engine of another program, behind an address: [`Model::remote`] has its name.
    Remote,
}

impl Store {
    /// All stores, in the order in which one is preferred for a model that lies in several.
    pub const ALL: [Self; 12] = [
        Self::Starter,
        Self::HuggingFace,
        Self::Ollama,
        Self::LmStudio,
        Self::LlamaCpp,
        Self::Jan,
        Self::Gpt4All,
        Self::LocalAi,
        Self::RamaLama,
        Self::Docker,
        Self::Folder,
        Self::Remote,
    ];

    /// The short name, which is also the prefix in `store:name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::HuggingFace => "hf",
            Self::Ollama => "ollama",
            Self::LmStudio => "lmstudio",
            Self::LlamaCpp => "llama.cpp",
            Self::Jan => "jan",
            Self::Gpt4All => "gpt4all",
            Self::LocalAi => "localai",
            Self::RamaLama => "ramalama",
            Self::Docker => "docker",
            Self::Folder => "folder",
            Self::Remote => "remote",
        }
    }

    /// The store of this short name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store| store.name() == name)
    }
}

/// What weights are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// What llama.cpp runs.
    #[default]
    Gguf,
    /// Unquantised safetensors, or of a kind that `config.json` does not name.
    Safetensors,
    /// Safetensors quantised for Apple's MLX.
    Mlx,
    /// Safetensors quantised by GPTQ.
    Gptq,
    /// Safetensors quantised by AWQ.
    Awq,
    /// Safetensors quantised to 8-bit floats.
    Fp8,
}

impl Format {
    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gguf => "GGUF",
            Self::Safetensors => "safetensors",
            Self::Mlx => "MLX",
            Self::Gptq => "GPTQ",
            Self::Awq => "AWQ",
            Self::Fp8 => "FP8",
        }
    }
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Where it is. Empty for a starter model that has not been written out yet.
    pub path: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// Last change, seconds since 1970.
    pub modified: i64,
    /// The hash of its content according to its store, if known without reading it.
    pub digest: Option<Digest>,
}

/// The message, after the model's name, when an embedding model is asked for an answer.
pub const EMBEDS_ONLY: &str = "is a model for embeddings: it can't chat or complete";

/// What could be done then.
pub const EMBED_HINT: &str =
    "ask it for embeddings (/v1/embeddings, /api/embed), or choose a model for text generation";

/// Whether a model can be run, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can be run.
    Runnable,
    /// The file is damaged: the reader's reason.
    Damaged(String),
    /// Parts of a split model are missing.
    Incomplete {
        /// Parts that are there.
        found: u32,
        /// Parts in all.
        count: u32,
    },
    /// It is no language model: what it is.
    NotAModel(String),
    /// It is one, in a format that llama.cpp does not run.
    OtherFormat(Format),
    /// It could not be read: the system's reason.
    Unreadable(String),
}

/// What became of trying a file that something speaks against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It answered.
    Ran,
    /// Its worker refused it, with llama.cpp's words or its own.
    Refused(String),
    /// Its worker died: how, and its last words.
    Died(String),
}

/// A try, and when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What became of it.
    pub outcome: Outcome,
    /// Seconds since 1970.
    pub at: i64,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ran => f.write_str("it ran"),
            Self::Refused(reason) => write!(f, "its worker refused it: {reason}"),
            Self::Died(reason) => write!(f, "its worker died: {reason}"),
        }
    }
}

impl std::fmt::Display for Status {
    /// Why it can't be run, in one clause; `ready` where it can.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runnable => f.pad("ready"),
            Self::Damaged(reason) | Self::NotAModel(reason) | Self::Unreadable(reason) => f.pad(reason),
            Self::Incomplete { found, count } => f.pad(&format!("{found} of {count} parts")),
            Self::OtherFormat(format) => f.pad(&format!("{}; llama.cpp runs GGUF", format.name())),
        }
    }
}

/// What accompanies the weights: the head of a model card (README.md), or the layers of a manifest. All of it is
/// claimed by others, bounded and cleaned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Card {
    /// The licence's identifier, such as `apache-2.0` or `other`.
    pub license: Option<String>,
    /// Its name where the identifier is `other`, or the first line of a licence's text.
    pub license_name: Option<String>,
    /// Where its text is.
    pub license_link: Option<String>,
    /// Repositories of the models that it was made from.
    pub base_models: Vec<String>,
    /// How it was made from them: `quantized`, `finetune`, `adapter`, `merge`.
    pub base_relation: Option<String>,
    /// Data sets.
    pub datasets: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// A template of the store's own (Ollama's are Go templates, which llama.cpp does not read).
    pub template: Option<String>,
    /// A system prompt of the store's own.
    pub system: Option<String>,
    /// Messages of the store's own, which go before a conversation.
    pub messages: Vec<Message>,
    /// The quantisation by the store's word.
    pub file_type: Option<String>,
    /// Parameters of the store's own by name, such as `temperature`, as they are shown.
    pub parameters: Vec<(String, String)>,
    /// The same as they are used.
    pub preset: Preset,
}

impl Card {
    /// The license's identifier, or its name if the identifier is not specific.
    pub fn license(&self) -> Option<&str> {
        let telling = self.license.as_deref().filter(|license| *license != "other");
        telling.or(self.license_name.as_deref()).or(self.license.as_deref())
    }
}

/// The other machine that a model's id names: `desk` of `desk/hf:…`. Ids of this machine have a colon before their first slash, or
/// none before it.
pub fn machine_of(id: &str) -> Option<&str> {
    let (name, _) = id.split_once('/')?;
    crate::settings::Machine::is_name(name).then_some(name)
}

/// One model: in one store, with its copies in others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Unique and stable: `store:` and the repository with the file, or the path.
    pub id: String,
    /// What a person calls it: the file's stem without its part number.
    pub name: String,
    /// Where it was found.
    pub store: Store,
    /// `owner/name` where the store has such.
    pub repository: Option<String>,
    /// Its files, in order of their parts.
    pub files: Vec<ModelFile>,
    /// All files together.
    pub size: Bytes,
    /// Whether it can be run.
    pub status: Status,
    /// Last read, seconds since 1970, if the store or the file system records it.
    pub used: Option<i64>,
    /// A summary of its header; `None` if it could not be read. For a split model the parts' sums.
    pub summary: Option<gguf::Summary>,
    /// What the user should know before relying on it, such as the starters' nature.
    pub note: Option<String>,
    /// What the weights are written in.
    pub format: Format,
    /// What accompanies the weights, if anything does.
    pub card: Option<Box<Card>>,
    /// Why it would not be runnable, where it is all the same: it is forced, or has run before.
    pub overridden: Option<String>,
    /// What became of an earlier try of these very files.
    pub tried: Option<Tried>,
    /// The same model in other places, preferred place first; none of these has copies itself.
    pub also: Vec<Arc<Model>>,
    /// The other machine that it is on, by its name in config.toml; `None` is this one.
    #[serde(default)]
    pub machine: Option<String>,
    /// The engine that runs it, where that is another program's.
    #[serde(default)]
    pub remote: Option<Box<remote::Remote>>,
}

impl Model {
    /// The file to load: the first part.
    pub fn path(&self) -> Option<&PathBuf> {
        self.files.first().map(|file| &file.path)
    }

    /// The path of its first file as text, with U+FFFD in place of what is no Unicode; JSON has no other way.
    pub fn path_text(&self) -> Option<Cow<'_, str>> {
        self.path().map(|path| path.to_string_lossy())
    }

    /// All its places: itself, then its copies.
    pub fn places(&self) -> impl Iterator<Item = &Model> {
        std::iter::once(self).chain(self.also.iter().map(Arc::as_ref))
    }

    /// What its store is called: its short name, or that of the engine which runs it.
    pub fn store_name(&self) -> &str {
        self.remote.as_ref().map_or_else(|| self.store.name(), |remote| &remote.engine)
    }

    /// The id of a model in the library. A name that a store of files has too is made distinct.
    pub fn remote_id(engine: &str, model: &str) -> String {
        if Store::from_name(engine).is_some() {
            format!("remote.{engine}:{model}")
        } else {
            format!("{engine}:{model}")
        }
    }

    /// Its size as shown: a dash if a remote engine does not report it.
    pub fn size_text(&self) -> String {
        if self.remote.is_some() && self.size == Bytes(0) { "—".to_owned() } else { self.size.to_string() }
    }

    /// The short names of the stores that have it, each once, the one to prefer first: `hf ollama`.
    pub fn store_names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for place in self.places() {
            if !names.contains(&place.store_name()) {
                names.push(place.store_name());
            }
        }
        names.join(" ")
    }

    /// The machine that it is on, as filters call it: `here` is this one.
    pub fn on(&self) -> &str {
        self.machine.as_deref().unwrap_or("here")
    }

    /// Whether it makes vectors of texts and nothing else.
    pub fn embeds_only(&self) -> bool {
        self.summary.as_ref().is_some_and(gguf::Summary::embeds_only)
    }

    /// Whether it can be started.
    pub fn is_runnable(&self) -> bool {
        self.status == Status::Runnable
    }

    /// Whether it can be tried although it can't normally be run: it is a file of the format that llama.cpp reads, or
    /// claims to be.
    pub fn can_be_tried(&self) -> bool {
        let is_refused = matches!(self.status, Status::Damaged(_) | Status::Incomplete { .. } | Status::NotAModel(_));
        is_refused && self.format == Format::Gguf && self.path().is_some_and(|path| !path.as_os_str().is_empty())
    }

    /// The same model, to be run despite any objection; unchanged if there is none, or if it can't be tried.
    pub fn forced(self: &Arc<Self>) -> Arc<Self> {
        if !self.can_be_tried() {
            return Arc::clone(self);
        }
        let overridden = Some(self.status.to_string());
        Arc::new(Self { status: Status::Runnable, overridden, ..Self::clone(self) })
    }

    /// What is odd about its files, though it may run.
    pub fn remarks(&self) -> &[String] {
        self.summary.as_ref().map_or(&[], |summary| &summary.remarks)
    }

    /// Whether its files can be mapped into memory rather than read.
    pub fn can_be_mapped(&self) -> bool {
        self.summary.as_ref().is_none_or(|summary| summary.is_aligned)
    }

    /// Whether something speaks against it, so that it is worth remembering what becomes of a try.
    pub fn is_doubtful(&self) -> bool {
        self.overridden.is_some() || !self.is_runnable() || !self.remarks().is_empty()
    }

    /// The license that the weights declare, else the one in the accompanying files of the first of its places that has one.
    pub fn license(&self) -> Option<&str> {
        self.places().find_map(|place| {
            let declared = place.summary.as_ref().and_then(|summary| summary.license.as_deref());
            declared.or_else(|| place.card.as_deref()?.license())
        })
    }

    /// What its store wants it to be run with.
    pub fn preset(&self) -> Option<&Preset> {
        Some(&self.card.as_deref()?.preset)
    }

    /// The system prompt that its store gives it.
    pub fn system(&self) -> Option<&str> {
        self.card.as_deref()?.system.as_deref()
    }

    /// The messages that its store puts before a conversation.
    pub fn messages(&self) -> &[Message] {
        self.card.as_deref().map_or(&[], |card| &card.messages)
    }

    /// Quantisation, as a person knows it.
    pub fn quant(&self) -> Option<&str> {
        let told = || self.card.as_deref().filter(|_| self.remote.is_some())?.file_type.as_deref();
        self.summary.as_ref().and_then(|summary| summary.quant.as_deref()).or_else(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_called_like_a_store_is_told_apart() {
        assert_eq!(Model::remote_id("lab", "qwen3:8b"), "lab:qwen3:8b");
        assert_eq!(Model::remote_id("ollama", "qwen3:8b"), "remote.ollama:qwen3:8b");
    }

    #[test]
    fn reads_digests() {
        let sha256 = "ab".repeat(32);
        let sha1 = "0F".repeat(20);
        for (text, expected) in [
            (sha256.clone(), Ok(Digest::Sha256([0xab; 32]))),
            (format!("sha256:{sha256}"), Ok(Digest::Sha256([0xab; 32]))),
            (format!("sha256-{sha256}"), Ok(Digest::Sha256([0xab; 32]))),
            (sha1.clone(), Ok(Digest::GitSha1([0x0f; 20]))),
            (String::new(), Err(NoDigest)),
            (sha256[1..].to_owned(), Err(NoDigest)),
            (format!("../{}", &sha1[3..]), Err(NoDigest)),
            (format!("é{}", &sha1[2..]), Err(NoDigest)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!(Digest::GitSha1([0x0f; 20]).to_string(), sha1.to_lowercase());
    }

    #[test]
    fn stores_have_names_of_their_own() {
        for store in Store::ALL {
            assert_eq!(Store::from_name(store.name()), Some(store));
        }
    }
}
