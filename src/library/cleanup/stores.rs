//! Where the stores are, and where the journal is.

use std::path::{Path, PathBuf};

use super::journal::{Journal, Record};
use crate::library::{Env, place};
use domain::model::Store;
use domain::settings;

/// Where the stores are, and where the journal is.
#[derive(Debug, Clone)]
pub struct CleanupContext {
    pub(super) stores: Vec<(Store, PathBuf)>,
    pub(super) journal: Option<Journal>,
    /// Where Ollama's server would answer.
    pub(super) ollama_host: String,
    pub(super) now: i64,
}

impl CleanupContext {
    /// For the stores that the settings tell and that are there. A store's row in a listing is no way to it: its place
    /// there is made for eyes.
    pub fn new(env: &Env, settings: &settings::Library) -> Self {
        Self {
            stores: place::present(settings, env),
            journal: env.data.as_deref().map(Journal::new),
            ollama_host: env
                .variables
                .get("OLLAMA_HOST")
                .map(|host| host.to_string_lossy().into_owned())
                .unwrap_or_default(),
            now: env.now,
        }
    }

    /// What was done and not forgotten, oldest first, and what of it can't be read.
    pub fn records(&self) -> (Vec<Record>, Vec<String>) {
        self.journal.as_ref().filter(|journal| journal.is_there()).map(Journal::read).unwrap_or_default()
    }

    /// The store of this kind that holds a path; its own folder where none does.
    pub(super) fn root(&self, store: Store, path: &Path) -> PathBuf {
        let roots = self.stores.iter().filter(|(found, root)| *found == store && path.starts_with(root));
        let root = roots.max_by_key(|(_, root)| root.as_os_str().len()).map(|(_, root)| root.clone());
        root.or_else(|| path.parent().map(Path::to_owned)).unwrap_or_default()
    }
}
