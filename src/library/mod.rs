//! Finds the models on the machine.
//!
//! Owned here: one adapter per store, the index that makes the next look fast, putting the copies of one model together,
//! watching what changes, and the finding of a model by what a person types. Absent: changes to other tools' stores, which are read only, and any wish to run what is found.
//!
//! A scan walks the folders first, which yields candidates by their names alone, then looks into the candidates'
//! headers on several threads. Whatever can't be read becomes a row with its reason, or a problem of its store.

mod candidate;
mod card;
pub mod cleanup;
mod digest;
mod entry;
mod env;
mod fs_watch;
mod hash;
pub mod hub;
mod index;
mod inspect;
mod last;
mod merge;
mod model_config;
mod news;
mod oci;
mod place;
pub mod resolve;
mod safetensors;
mod spread;
mod stat;
mod store_scan;
mod stores;
#[cfg(test)]
mod tests;
mod trash_folder;
mod tries;
mod walk;
mod watch;
mod yaml;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::atomic_file;
use domain::model::{Model, Store, StoreStatus};
use domain::settings;

pub use env::Env;
use index::Index;
pub use inspect::HAS_GPU_ENGINE;
use news::News;
use place::StoreLocation;
pub use place::{MADE, roots};
pub use resolve::{Unresolved, as_named, find};
use stat::Root;
use store_scan::StoreScan;
use stores::{docker, folder, gpt4all, hugging_face, jan, llama_cpp, lm_studio, local_ai, ollama, rama_lama, starter};
pub use tries::remember as remember_try;
pub use watch::Watcher;

/// All models and how each store's scan went.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The models; no two have the same id.
    pub models: Vec<Arc<Model>>,
    /// Models that nothing is left of but links that lead nowhere.
    pub dangling: Vec<Arc<Model>>,
    /// The stores.
    pub stores: Vec<StoreStatus>,
    /// How long it took.
    pub took: Duration,
}

/// Look through the stores. Blocks until it is done.
pub fn list(settings: &settings::Library, env: &Env) -> Listing {
    let start = Instant::now();
    let bytes = index_place(env).as_deref().map(index::read).unwrap_or_default();
    let index = Index::new(&bytes, env.build, env.now);
    let (mut shelves, _) = look(settings, env, &index, &|_| ());
    let models = merge::merge(&shelves, &index);
    write_index(index, env, true, &mut shelves);
    let dangling = shelves.iter_mut().flat_map(|store_scan| std::mem::take(&mut store_scan.dangling)).collect();
    let stores = shelves.into_iter().map(|store_scan| store_scan.status).collect();
    Listing { models, dangling, stores, took: start.elapsed() }
}

/// The model in a file, wherever it lies, with the other parts beside it where it is split. `None` without a file.
pub fn at_path(path: &Path, env: &Env) -> Option<Model> {
    let index = Index::new(&[], env.build, env.now);
    let tries = tries::Tries::read(env);
    let found = inspect::inspect(folder::at_path(path)?, &Root::hold(path), &index, &tries, env.now);
    let mut models: Vec<Model> = found.into_iter().map(|found| found.model).collect();
    // Beside a file that is called like a part there may be others, which are whole models too.
    let path = std::path::absolute(path).ok()?;
    let wanted = models.iter().position(|model| model.files.iter().any(|file| file.path == path));
    (!models.is_empty()).then(|| models.swap_remove(wanted.unwrap_or(0)))
}

/// The file to load. A starter model is written out first.
pub fn materialise(model: &Model) -> io::Result<PathBuf> {
    match (model.store, model.path()) {
        (Store::Starter, _) => starter::materialise(model, &Env::read()),
        (_, Some(path)) => Ok(path.clone()),
        (_, None) => Err(io::Error::new(io::ErrorKind::NotFound, "the model has no file")),
    }
}

/// Look at all places; gives them too.
fn look(
    settings: &settings::Library,
    env: &Env,
    index: &Index<'_>,
    found: &(dyn Fn(Vec<Arc<Model>>) + Sync),
) -> (Vec<StoreScan>, Vec<StoreLocation>) {
    let news = News { found, waiting: Mutex::new((Vec::new(), Instant::now())) };
    let places = place::all(settings, env);
    let mut shelves: Vec<_> = store_scan::starters(settings, env).into_iter().collect();
    shelves.extend(store_scan::look(&places, env, index, &news));
    (shelves, places)
}

fn index_place(env: &Env) -> Option<PathBuf> {
    env.cache.as_ref().map(|cache| cache.join("library.index"))
}

/// Write down what is new. `is_whole` says that all stores were looked at, so that what was not seen is gone.
fn write_index(index: Index<'_>, env: &Env, is_whole: bool, shelves: &mut [StoreScan]) {
    let written = match (index_place(env), index.into_bytes(env.build, is_whole)) {
        (Some(place), Some(bytes)) => atomic_file::replace(&place, &bytes),
        _ => Ok(()),
    };
    if let (Err(error), Some(last)) = (written, shelves.last_mut()) {
        let reason = walk::reason(&error);
        last.status.problems.push(format!("the index can't be written, so the next start is as slow: {reason}"));
    }
}
