//! Lists folders: through the index where they have not changed, bounded, and with a note of what can't be read.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::candidate::{is_gguf, is_safetensors};
pub(super) use super::entry::{Entry, Kind};
use super::index::{Index, Stamp};
use super::stat::Root;
use super::trash_folder::TRASH;
use domain::model::{Store, StoreStatus};

/// Entries of one folder; what stands behind them is left out, and said to be.
const MAX_ENTRIES: usize = 100_000;
/// Folders of one store.
const MAX_FOLDERS: usize = 50_000;
/// Problems of one store that are told one by one.
const MAX_PROBLEMS: usize = 50;
/// The longest text in a problem, characters.
const PROBLEM_CHARS: usize = 300;
/// Names beside the weights that are worth a look.
const SIDE_FILES: [&str; 4] = ["README.md", "config.json", "model.yml", "models.json"];

/// Which entries of a folder matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Folders, links, weights and what stands beside them.
    Models,
    /// All: the names of manifests can be any.
    All,
}

/// One store's walk. Threads share it.
pub(super) struct Walk<'a> {
    index: &'a Index<'a>,
    root: &'a Root<'a>,
    store: Store,
    place: String,
    n_folders: AtomicUsize,
    n_broken: AtomicUsize,
    notes: Mutex<Notes>,
    looked_at: Mutex<Vec<(PathBuf, Option<i64>)>>,
}

/// How a walk went.
pub(super) struct Walked {
    pub(super) status: StoreStatus,
    /// The folders that it looked into, or would have, were they there: each with its last change, nanoseconds since
    /// 1970, as it was before the look.
    pub(super) folders: Vec<(PathBuf, Option<i64>)>,
}

/// What a walk met.
#[derive(Default)]
struct Notes {
    problems: Vec<String>,
    /// Problems beyond those.
    n_untold: usize,
    /// Folders that lie too deep.
    n_deep: usize,
    /// The first of them by name.
    deep: PathBuf,
}

impl<'a> Walk<'a> {
    pub(super) fn new(index: &'a Index<'a>, store: Store, root: &'a Root<'a>) -> Self {
        let place = gguf::clean(&root.path().to_string_lossy(), PROBLEM_CHARS);
        Self {
            index,
            root,
            store,
            place,
            n_folders: AtomicUsize::new(0),
            n_broken: AtomicUsize::new(0),
            notes: Mutex::default(),
            looked_at: Mutex::default(),
        }
    }

    /// The store.
    pub(super) fn store(&self) -> Store {
        self.store
    }

    /// The entries that matter, sorted by name. What can't be read is a problem of the store and has none.
    pub(super) fn list(&self, folder: &Path) -> Vec<Entry> {
        self.list_with_stamp(folder).0
    }

    /// The same with the folder's stamp.
    pub(super) fn list_with_stamp(&self, folder: &Path) -> (Vec<Entry>, Option<Stamp>) {
        let listed = self.try_list(folder, Keep::Models).map(|(entries, stamp)| (entries, Some(stamp)));
        listed.unwrap_or_else(|error| {
            self.trouble(folder, &reason(&error));
            (Vec::new(), None)
        })
    }

    /// The same for a folder that need not be there.
    pub(super) fn list_if_there(&self, folder: &Path) -> Vec<Entry> {
        self.list_some_if_there(folder, Keep::Models)
    }

    /// All entries but hidden ones, sorted by name, of a folder that need not be there.
    pub(super) fn list_all_if_there(&self, folder: &Path) -> Vec<Entry> {
        self.list_some_if_there(folder, Keep::All)
    }

    fn list_some_if_there(&self, folder: &Path, keep: Keep) -> Vec<Entry> {
        match self.try_list(folder, keep) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.trouble(folder, &reason(&error));
                Vec::new()
            }
            Ok((entries, _)) => entries,
        }
    }

    /// What `read` makes of a small file, from the index where the file has not changed. `read` also tells whether what it
    /// made depends on this file alone, so that it may be remembered.
    pub(super) fn small_file<T: Serialize + DeserializeOwned>(
        &self,
        path: &Path,
        max_bytes: u64,
        read: impl FnOnce(&[u8]) -> (T, bool),
    ) -> io::Result<T> {
        small_file(self.index, path, max_bytes, read)
    }

    /// The same where what changes with the file has this stamp.
    pub(super) fn small_file_as<T: Serialize + DeserializeOwned>(
        &self,
        path: &Path,
        stamp: Stamp,
        max_bytes: u64,
        read: impl FnOnce(&[u8]) -> (T, bool),
    ) -> io::Result<T> {
        small_file_as(self.index, path, stamp, max_bytes, read)
    }

    /// Note a manifest that can't be understood.
    pub(super) fn broken_manifest(&self, path: &Path, reason: &str) {
        self.n_broken.fetch_add(1, Ordering::Relaxed);
        self.trouble(path, reason);
    }

    /// Note what can't be read.
    pub(super) fn trouble(&self, path: &Path, reason: &str) {
        let mut notes = self.notes();
        if notes.problems.len() < MAX_PROBLEMS {
            let text = format!("{}: {reason}", path.display());
            notes.problems.push(gguf::clean(&text, PROBLEM_CHARS));
        } else {
            notes.n_untold += 1;
        }
    }

    /// Note a folder that is left out because it lies too deep.
    pub(super) fn too_deep(&self, folder: PathBuf) {
        let mut notes = self.notes();
        notes.n_deep += 1;
        if notes.n_deep == 1 || folder < notes.deep {
            notes.deep = folder;
        }
    }

    /// How the walk went.
    pub(super) fn finish(self) -> Walked {
        let (n_deep, deep) = {
            let mut notes = self.notes();
            notes.problems.sort_unstable();
            (notes.n_deep, std::mem::take(&mut notes.deep))
        };
        if n_deep > 0 {
            self.trouble(&deep, &format!("is nested too deeply and is skipped, as are {} more", n_deep - 1));
        }
        let Self { store, place, notes, n_broken, looked_at, .. } = self;
        let Notes { mut problems, n_untold, .. } = notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        if n_untold > 0 {
            problems.push(format!("and {n_untold} more"));
        }
        let broken_manifests = n_broken.into_inner();
        Walked {
            status: StoreStatus { store, engine: None, place, n_models: 0, broken_manifests, problems },
            folders: looked_at.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_list(&self, folder: &Path, keep: Keep) -> io::Result<(Vec<Entry>, Stamp)> {
        if self.n_folders.fetch_add(1, Ordering::Relaxed) >= MAX_FOLDERS {
            return Err(io::Error::other(format!("left out: more than {MAX_FOLDERS} folders")));
        }
        let stat = self.root.stat(folder);
        // Taken before the reading, so that what changes meanwhile is noticed next time.
        let stamp = stat.as_ref().ok().filter(|stat| stat.is_directory).map(Stamp::from);
        let looked_at = (folder.to_owned(), stamp.map(|stamp| stamp.modified));
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).push(looked_at);
        stat?;
        let stamp = stamp.ok_or(io::ErrorKind::NotADirectory)?;
        if let Some(known) = self.index.directory(folder, keep == Keep::All, stamp) {
            return Ok((known.into_iter().map(|(name, kind)| Entry { name: name.into(), kind }).collect(), stamp));
        }
        let mut entries = Vec::new();
        let mut is_whole = true;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == TRASH {
                continue;
            }
            // An entry that vanishes meanwhile has no type, and no need of one.
            let Ok(file_type) = entry.file_type() else { continue };
            if keep == Keep::All && name.as_encoded_bytes().first() == Some(&b'.') {
                continue;
            }
            let kind = match file_type {
                _ if file_type.is_dir() => Kind::Directory,
                _ if file_type.is_symlink() => Kind::Link,
                _ if keep == Keep::All || matters(&name) => Kind::File,
                _ => continue,
            };
            if entries.len() >= MAX_ENTRIES {
                self.trouble(folder, &format!("more than {MAX_ENTRIES} entries, the rest is left out"));
                is_whole = false;
                break;
            }
            entries.push(Entry { name, kind });
        }
        entries.sort_unstable();
        let names = entries.iter().map(|entry| Some((entry.name.to_str()?.to_owned(), entry.kind)));
        self.index.add_directory(folder, keep == Keep::All, stamp, names.collect::<Option<_>>().filter(|_| is_whole));
        Ok((entries, stamp))
    }
}

/// What `read` makes of a small file, from the index where the file has not changed: see [`Walk::small_file`].
pub(super) fn small_file<T: Serialize + DeserializeOwned>(
    index: &Index<'_>,
    path: &Path,
    max_bytes: u64,
    read: impl FnOnce(&[u8]) -> (T, bool),
) -> io::Result<T> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    small_file_as(index, path, Stamp::of(&metadata), max_bytes, read)
}

/// The same where what changes with the file has this stamp.
fn small_file_as<T: Serialize + DeserializeOwned>(
    index: &Index<'_>,
    path: &Path,
    stamp: Stamp,
    max_bytes: u64,
    read: impl FnOnce(&[u8]) -> (T, bool),
) -> io::Result<T> {
    if let Some(known) = index.small_file(path, stamp) {
        return Ok(known);
    }
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > max_bytes {
        return Err(io::Error::other(format!("no regular file of at most {max_bytes} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    let (value, may_be_remembered) = read(&bytes);
    if may_be_remembered {
        index.add_small_file(path, stamp, &value);
    }
    Ok(value)
}

/// Whether a file's name alone says that it is weights, or tells of them.
pub(super) fn matters(name: &OsStr) -> bool {
    is_gguf(name) || is_safetensors(name) || SIDE_FILES.iter().any(|side| name == *side)
}

/// Open a file to read it, leaving no time of reading where the system allows that, which it does to a file's owner. A
/// FIFO that took its place meanwhile is opened without waiting for its other end.
pub(super) fn open(path: &Path) -> io::Result<fs::File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) {
            return Ok(file.into());
        }
    }
    fs::File::open(path)
}

/// The system's reason in words, without its error number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
