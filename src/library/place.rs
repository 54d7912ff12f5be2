//! Where the stores are: what config.toml says, else the tools' own variables, else their usual places.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::candidate::Candidate;
use super::env::Env;
use super::walk::Walk;
use super::{docker, folder, gpt4all, hugging_face, jan, llama_cpp, lm_studio, local_ai, ollama, rama_lama};
use domain::model::Store;
use domain::settings;

/// The folder below our own data for models that programs made.
pub const MADE: &str = "models";

/// A place of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoreLocation {
    pub(super) store: Store,
    pub(super) root: PathBuf,
    /// config.toml names it, so it should be there.
    pub(super) is_named: bool,
}

/// The places of one store; a store that is switched off has none.
pub fn roots(store: Store, settings: &settings::Library, env: &Env) -> Vec<PathBuf> {
    of_store(store, settings, env).into_iter().map(|place| place.root).collect()
}

/// The stores that are there, by kind and folder.
pub(super) fn present(settings: &settings::Library, env: &Env) -> Vec<(Store, PathBuf)> {
    let there = all(settings, env).into_iter().filter(|place| !place.is_absent());
    there.map(|place| (place.store, place.root)).collect()
}

/// The places of all stores that are other tools', in the order of [`Store::ALL`], none of them twice.
pub(super) fn all(settings: &settings::Library, env: &Env) -> Vec<StoreLocation> {
    let mut seen = HashSet::new();
    let places = Store::ALL.into_iter().flat_map(|store| of_store(store, settings, env));
    // Several tools may share one folder; the first one that keeps it shows it. What config.toml names is another matter:
    // folders may lie in one another, and each says what it holds.
    places
        .filter(|place| {
            let path = fs::canonicalize(&place.root).unwrap_or_else(|_| place.root.clone());
            place.store == Store::Folder || seen.insert((layout(place.store), path))
        })
        .collect()
}

/// Stores that lay out a folder alike.
fn layout(store: Store) -> Store {
    match store {
        Store::LlamaCpp => Store::HuggingFace,
        Store::Gpt4All | Store::LmStudio => Store::LocalAi,
        other => other,
    }
}

fn of_store(store: Store, settings: &settings::Library, env: &Env) -> Vec<StoreLocation> {
    let (setting, own): (&settings::StoreFolder, fn(&Env) -> Vec<PathBuf>) = match store {
        Store::Starter | Store::Remote => return Vec::new(),
        Store::Folder => {
            let folders = settings.folders.iter().map(|folder| env.expand(folder));
            let named = folders.map(|root| StoreLocation { store, root, is_named: true });
            // What programs made by the server's APIs.
            let made = env.data.as_ref().map(|data| data.join(MADE));
            return named.chain(made.map(|root| StoreLocation { store, root, is_named: false })).collect();
        }
        Store::HuggingFace => (&settings.hugging_face, |env| hugging_face::place(env).into_iter().collect()),
        Store::Ollama => (&settings.ollama, ollama::places),
        Store::LmStudio => (&settings.lm_studio, lm_studio::places),
        Store::LlamaCpp => (&settings.llama_cpp, llama_cpp::places),
        Store::Jan => (&settings.jan, jan::places),
        Store::Gpt4All => (&settings.gpt4all, gpt4all::places),
        Store::LocalAi => (&settings.local_ai, local_ai::places),
        Store::RamaLama => (&settings.rama_lama, rama_lama::places),
        Store::Docker => (&settings.docker, docker::places),
    };
    match setting {
        settings::StoreFolder::Off => Vec::new(),
        settings::StoreFolder::At(path) => vec![StoreLocation { store, root: env.expand(path), is_named: true }],
        settings::StoreFolder::Auto => {
            own(env).into_iter().map(|root| StoreLocation { store, root, is_named: false }).collect()
        }
    }
}

impl StoreLocation {
    /// Whether there is nothing, and nobody said that there should be.
    pub(super) fn is_absent(&self) -> bool {
        !self.is_named && self.store != Store::HuggingFace && !self.root.exists()
    }

    /// What lies there. `visited` is of all folders from config.toml together.
    pub(super) fn walk(&self, visited: &mut HashSet<PathBuf>, walk: &Walk<'_>) -> Vec<Candidate> {
        let root: &Path = &self.root;
        match self.store {
            Store::Starter | Store::Remote => Vec::new(),
            Store::HuggingFace => hugging_face::walk(root, walk),
            Store::Ollama => ollama::walk(root, walk),
            Store::LmStudio => lm_studio::walk(root, walk),
            Store::LlamaCpp => llama_cpp::walk(root, walk),
            Store::Jan => jan::walk(root, walk),
            Store::Gpt4All => gpt4all::walk(root, walk),
            Store::LocalAi => local_ai::walk(root, walk),
            Store::RamaLama => rama_lama::walk(root, walk),
            Store::Docker => docker::walk(root, walk),
            Store::Folder => folder::walk(root, visited, walk),
        }
    }
}
