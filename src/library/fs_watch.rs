//! Watches the folders that a look went through, and tells which stores change.
//!
//! Only folders that hold names of models are watched, one by one: not the blobs, where downloads grow. Absent: what to do
//! about a change.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::stat::nanoseconds;
use super::walk::matters;
use domain::model::Store;

/// Endings of files that a tool is still writing, or that are none of a model's.
const PASSING: [&str; 9] =
    [".part", ".partial", ".incomplete", ".downloadinprogress", ".crdownload", ".tmp", ".temp", ".lock", ".swp"];

/// What wakes the watcher.
#[derive(Debug)]
pub(super) enum Wake {
    /// The system saw something.
    Seen(notify::Result<Event>),
    /// Somebody wants to see all anew.
    Look,
    /// The screen shows what the last run found.
    Shown,
}

/// A folder to watch.
#[derive(Debug, Clone, Default)]
struct Watched {
    /// Stores that have models in it.
    stores: Vec<Store>,
    /// Entries that were not there when they were looked for, and the stores that miss them.
    missed: Vec<(PathBuf, Store)>,
}

/// How a change of the watches went.
pub(super) struct Outcome {
    /// Stores that can't be watched whole.
    pub(super) unwatched: HashSet<Store>,
    /// Stores of which a folder has changed since it was looked into.
    pub(super) changed: HashSet<Store>,
    /// Folders that are watched from now on.
    pub(super) fresh: HashSet<PathBuf>,
}

/// The watches.
pub(super) struct Eyes {
    /// `None` where the system gives none.
    watcher: Option<RecommendedWatcher>,
    max_watches: usize,
    /// What should be watched.
    wanted: HashMap<PathBuf, Watched>,
    /// What is.
    watched: HashSet<PathBuf>,
}

impl Eyes {
    /// `wakes` is told what the system sees.
    pub(super) fn new(wakes: Sender<Wake>, max_watches: usize) -> Self {
        let tell = move |seen: notify::Result<Event>| {
            if seen.as_ref().map_or(true, may_matter) {
                let _ = wakes.send(Wake::Seen(seen));
            }
        };
        Self {
            watcher: notify::recommended_watcher(tell).ok(),
            max_watches,
            wanted: HashMap::new(),
            watched: HashSet::new(),
        }
    }

    /// Watch these folders and no others.
    pub(super) fn watch<'a>(&mut self, folders: impl Iterator<Item = (Store, &'a Path, Option<i64>)>) -> Outcome {
        let mut wanted: HashMap<PathBuf, Watched> = HashMap::new();
        let mut looks = Vec::new();
        for (store, folder, modified) in folders {
            let (place, missed) = nearest(folder);
            let watched = wanted.entry(place.to_owned()).or_default();
            match missed {
                None if watched.stores.contains(&store) => {}
                None => watched.stores.push(store),
                Some(missed) => watched.missed.push((missed, store)),
            }
            looks.push((store, folder, modified));
        }
        self.wanted = wanted;
        let (unwatched, fresh) = self.change();
        // What happened between the look and the watch was seen by neither.
        let is_changed = |folder: &Path, modified: Option<i64>| {
            let now = fs::metadata(folder).ok().filter(fs::Metadata::is_dir);
            // A folder above a missing one may have come before its parent was watched: then nobody watches it.
            let is_nearer = modified.is_none() && !self.wanted.contains_key(nearest(folder).0);
            is_nearer || now.map(|metadata| nanoseconds(metadata.modified())) != modified
        };
        let changed = looks.into_iter().filter(|(_, folder, modified)| is_changed(folder, *modified));
        Outcome { unwatched, changed: changed.map(|(store, _, _)| store).collect(), fresh }
    }

    /// Make the watches what they should be. Gives the stores that lack one, and the folders that got one.
    fn change(&mut self) -> (HashSet<Store>, HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return (stores_of(self.wanted.values()), HashSet::new()) };
        let gone: Vec<_> = self.watched.iter().filter(|path| !self.wanted.contains_key(*path)).cloned().collect();
        for path in gone {
            // One that went with its folder is an error and no loss.
            let _ = watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        let mut unwatched = HashSet::new();
        let mut fresh = HashSet::new();
        let mut is_full = false;
        for (path, wanted) in &self.wanted {
            if self.watched.contains(path) {
                continue;
            }
            is_full |= self.watched.len() >= self.max_watches;
            let done = if is_full {
                false
            } else {
                match watcher.watch(path, RecursiveMode::NonRecursive) {
                    Ok(()) => true,
                    // It has gone since, which the look that follows tells.
                    Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => continue,
                    Err(error) => {
                        is_full |= matches!(error.kind, ErrorKind::MaxFilesWatch);
                        false
                    }
                }
            };
            if done {
                self.watched.insert(path.clone());
                fresh.insert(path.clone());
            } else {
                unwatched.extend(stores_of([wanted]));
            }
        }
        (unwatched, fresh)
    }

    /// The stores that an event tells of; `None` where events were lost, and it can be any.
    pub(super) fn stores(&mut self, seen: notify::Result<Event>) -> Option<HashSet<Store>> {
        let Ok(event) = seen else { return None };
        if event.need_rescan() {
            return None;
        }
        let is_going = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        let mut stores = HashSet::new();
        for path in &event.paths {
            if is_going {
                // The watch went with the folder, and one that comes under its name needs another.
                self.watched.retain(|watched| !watched.starts_with(path));
            }
            let of_folder = path.parent().and_then(|folder| self.wanted.get(folder));
            if let Some(folder) = of_folder {
                if path.file_name().is_some_and(is_lasting) {
                    stores.extend(&folder.stores);
                }
                stores.extend(folder.missed.iter().filter(|(missed, _)| missed == path).map(|(_, store)| store));
            }
            if is_going && let Some(folder) = self.wanted.get(path) {
                stores.extend(stores_of([folder]));
            }
        }
        Some(stores)
    }
}

fn stores_of<'a>(watched: impl IntoIterator<Item = &'a Watched>) -> HashSet<Store> {
    let all = watched
        .into_iter()
        .flat_map(|watched| watched.stores.iter().chain(watched.missed.iter().map(|(_, store)| store)));
    all.copied().collect()
}

/// The folder itself, else the nearest one above it that is there, with the entry in it that is missed.
fn nearest(folder: &Path) -> (&Path, Option<PathBuf>) {
    let mut missed = None;
    let mut place = folder;
    while !place.is_dir() {
        let Some(above) = place.parent() else { break };
        missed = Some(place.to_owned());
        place = above;
    }
    (place, missed)
}

/// Whether an event can be of a model at all. Growing files tell of each write, and readers of each opening.
fn may_matter(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Data(_)) => false,
        EventKind::Modify(ModifyKind::Metadata(_)) => {
            event.paths.iter().filter_map(|path| path.file_name()).any(matters)
        }
        _ => true,
    }
}

/// Whether a name is meant to stay.
fn is_lasting(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    !name.starts_with('.') && !PASSING.iter().any(|end| name.ends_with(end))
}
