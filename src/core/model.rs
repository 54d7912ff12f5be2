//! A model as the library knows it: one row, whatever its files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::units::Bytes;

/// Where a model was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The models that ship with taffrail.
    Starter,
    /// The Hugging Face cache.
    HuggingFace,
    /// A plain folder from config.toml, or a path on the command line.
    Folder,
}

impl Store {
    /// The short name, which is also the prefix in `store:name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::HuggingFace => "hf",
            Self::Folder => "folder",
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
}

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
    /// It could not be read: the system's reason.
    Unreadable(String),
}

impl std::fmt::Display for Status {
    /// Why it can't be run, in one clause; `ready` where it can.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runnable => f.pad("ready"),
            Self::Damaged(reason) | Self::NotAModel(reason) | Self::Unreadable(reason) => f.pad(reason),
            Self::Incomplete { found, count } => f.pad(&format!("{found} of {count} parts")),
        }
    }
}

/// One model in one store.
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
    /// Last read, seconds since 1970, where the store or the file system tells.
    pub used: Option<i64>,
    /// What its header says; `None` where it could not be read. For a split model the parts' sums.
    pub summary: Option<gguf::Summary>,
    /// What the user should know before relying on it, such as the starters' nature.
    pub note: Option<String>,
}

impl Model {
    /// The file to load: the first part.
    pub fn path(&self) -> Option<&PathBuf> {
        self.files.first().map(|file| &file.path)
    }

    /// Whether it can be started.
    pub fn is_runnable(&self) -> bool {
        self.status == Status::Runnable
    }

    /// Quantisation, as a person knows it.
    pub fn quant(&self) -> Option<&str> {
        self.summary.as_ref()?.quant.as_deref()
    }
}
