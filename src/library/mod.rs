//! Finds the models on the machine.
//!
//! Owned here: one adapter per store, the index that makes the next look fast, and the finding of a model by what a
//! person types. Absent: changes to other tools' stores, which are read only, and any wish to run what is found.
//!
//! A scan walks the folders first, which yields candidates by their names alone, then looks into the candidates'
//! headers on several threads. Whatever can't be read becomes a row with its reason, or a problem of its store.

mod env;
mod folder;
pub mod hub;
mod hugging_face;
mod index;
mod inspect;
mod replace;
pub mod resolve;
mod spread;
mod starter;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::core::event::{LibraryEvent, StoreStatus};
use crate::core::model::{Model, Store};
use crate::core::settings;

pub use env::Env;
use index::Index;
use replace::replace;
pub use resolve::{Unresolved, find};
use spread::spread;
use walk::{Candidate, Walk};

/// Time between two batches of models found so far.
const BATCH_TIME: Duration = Duration::from_millis(50);
/// Models in one batch.
const BATCH: usize = 512;

/// All models and how each store's scan went.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The models; no two have the same id.
    pub models: Vec<Arc<Model>>,
    /// The stores.
    pub stores: Vec<StoreStatus>,
    /// How long it took.
    pub took: Duration,
}

/// Look through the stores and tell what is found as it is found. Blocks until it is done.
pub fn scan(settings: &settings::Library, env: &Env, emit: impl Fn(LibraryEvent) + Sync) {
    emit(LibraryEvent::Started);
    let Listing { models, stores, took } = look(settings, env, &|found| emit(LibraryEvent::Found(found)));
    emit(LibraryEvent::Finished { models, stores, took });
}

/// Look through the stores. Blocks until it is done.
pub fn list(settings: &settings::Library, env: &Env) -> Listing {
    look(settings, env, &|_| ())
}

/// The model in a file, wherever it lies, with the other parts beside it where it is split. `None` without a file.
pub fn at_path(path: &Path, env: &Env) -> Option<Model> {
    inspect::inspect(folder::at_path(path)?, &Index::new(&[], env.build, env.now), env.now)
}

/// The file to load. A starter model is written out first.
pub fn materialise(model: &Model) -> io::Result<PathBuf> {
    match (model.store, model.path()) {
        (Store::Starter, _) => starter::materialise(model, &Env::read()),
        (_, Some(path)) => Ok(path.clone()),
        (_, None) => Err(io::Error::new(io::ErrorKind::NotFound, "the model has no file")),
    }
}

fn look(settings: &settings::Library, env: &Env, found: &(dyn Fn(Vec<Arc<Model>>) + Sync)) -> Listing {
    let start = Instant::now();
    let place = env.cache.as_ref().map(|cache| cache.join("library.index"));
    let bytes = place.as_deref().map(index::read).unwrap_or_default();
    let index = Index::new(&bytes, env.build, env.now);
    let mut models = Vec::new();
    let mut stores = Vec::new();
    if settings.use_starter {
        let (starters, status) = starter::models(env);
        models.extend(starters.into_iter().map(Arc::new));
        stores.push(status);
    }
    // Each candidate with the place of its store in `stores`.
    let mut candidates = Vec::new();
    let mut add = |stores: &mut Vec<StoreStatus>, status: StoreStatus, of_store: Vec<Candidate>| {
        candidates.extend(of_store.into_iter().map(|candidate| (stores.len(), candidate)));
        stores.push(status);
    };
    if let Some(hub) = hugging_face::place(settings.hugging_face.as_deref(), env).filter(|_| settings.use_hugging_face)
    {
        let walk = Walk::new(&index, Store::HuggingFace, &hub);
        if settings.hugging_face.is_some() && !hub.exists() {
            walk.trouble(&hub, "is not there");
        }
        let of_store = hugging_face::walk(&hub, &walk);
        add(&mut stores, walk.finish(), of_store);
    }
    let mut visited = HashSet::new();
    for root in settings.folders.iter().map(|root| env.expand(root)) {
        let walk = Walk::new(&index, Store::Folder, &root);
        let of_store = folder::walk(&root, &mut visited, &walk);
        add(&mut stores, walk.finish(), of_store);
    }

    let mut ids = HashSet::new();
    candidates.retain(|(_, candidate)| ids.insert(candidate.id.clone()));
    let news = News { found, waiting: Mutex::new((Vec::new(), Instant::now())) };
    let inspected = spread(&candidates, |chunk| {
        let look = |(store, candidate): &(usize, Candidate)| {
            Some((*store, Arc::new(inspect::inspect(candidate.clone(), &index, env.now)?)))
        };
        let models: Vec<_> = chunk.iter().filter_map(look).collect();
        news.add(models.iter().map(|(_, model)| Arc::clone(model)));
        models
    });
    for (store, model) in inspected {
        stores[store].n_models += 1;
        models.push(model);
    }
    let written = match (place, index.into_bytes(env.build)) {
        (Some(place), Some(bytes)) => replace(&place, |file| file.write_all(&bytes)),
        _ => Ok(()),
    };
    if let (Err(error), Some(last)) = (written, stores.last_mut()) {
        let reason = walk::reason(&error);
        last.problems.push(format!("the index can't be written, so the next start is as slow: {reason}"));
    }
    Listing { models, stores, took: start.elapsed() }
}

/// Tells what was found, in batches: not at all when all goes fast.
struct News<'a> {
    found: &'a (dyn Fn(Vec<Arc<Model>>) + Sync),
    /// What waits to be told, and when something was told last.
    waiting: Mutex<(Vec<Arc<Model>>, Instant)>,
}

impl News<'_> {
    fn add(&self, models: impl Iterator<Item = Arc<Model>>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0.extend(models);
        if waiting.1.elapsed() >= BATCH_TIME {
            waiting.1 = Instant::now();
            let mut models = std::mem::take(&mut waiting.0);
            while !models.is_empty() {
                let rest = models.split_off(models.len().min(BATCH));
                (self.found)(models);
                models = rest;
            }
        }
    }
}
