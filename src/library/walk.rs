//! Lists folders: through the index where they have not changed, bounded, and with a note of what can't be read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::index::{Index, Stamp};
use crate::core::event::StoreStatus;
use crate::core::model::Store;

/// Entries of one folder; what stands behind them is left out, and said to be.
const MAX_ENTRIES: usize = 100_000;
/// Folders of one store.
const MAX_FOLDERS: usize = 50_000;
/// Problems of one store that are told one by one.
const MAX_PROBLEMS: usize = 50;
/// The longest text in a problem, characters.
const PROBLEM_CHARS: usize = 300;
/// The longest name of a model, characters.
const NAME_CHARS: usize = 200;

/// What an entry of a folder is, as far as the folder itself tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A folder.
    Directory,
    /// A file, or something that should be one.
    File,
    /// A symbolic link to either.
    Link,
}

/// An entry that matters: a folder, a link, or a name that ends in `.gguf`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
}

/// A model by its files' names; nobody has looked into them yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) store: Store,
    pub(super) repository: Option<String>,
    pub(super) id: String,
    pub(super) name: String,
    /// Number from 1 and path of each part that is there, in order.
    pub(super) parts: Vec<(u32, PathBuf)>,
    /// Parts that there should be.
    pub(super) count: u32,
}

/// One store's walk. Threads share it.
pub(super) struct Walk<'a> {
    index: &'a Index<'a>,
    store: Store,
    place: String,
    n_folders: AtomicUsize,
    notes: Mutex<Notes>,
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
    pub(super) fn new(index: &'a Index<'a>, store: Store, place: &Path) -> Self {
        let place = gguf::clean(&place.to_string_lossy(), PROBLEM_CHARS);
        Self { index, store, place, n_folders: AtomicUsize::new(0), notes: Mutex::default() }
    }

    /// The entries that matter, sorted by name. What can't be read is a problem of the store and has none.
    pub(super) fn list(&self, folder: &Path) -> Vec<Entry> {
        self.try_list(folder).unwrap_or_else(|error| {
            self.trouble(folder, &reason(&error));
            Vec::new()
        })
    }

    /// The same for a folder that need not be there.
    pub(super) fn list_if_there(&self, folder: &Path) -> Vec<Entry> {
        match self.try_list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.trouble(folder, &reason(&error));
                Vec::new()
            }
            Ok(entries) => entries,
        }
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
    pub(super) fn finish(self) -> StoreStatus {
        let (n_deep, deep) = {
            let mut notes = self.notes();
            notes.problems.sort_unstable();
            (notes.n_deep, std::mem::take(&mut notes.deep))
        };
        if n_deep > 0 {
            self.trouble(&deep, &format!("lies too deep and is left out, as are {} more", n_deep - 1));
        }
        let Self { store, place, notes, .. } = self;
        let Notes { mut problems, n_untold, .. } = notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        if n_untold > 0 {
            problems.push(format!("and {n_untold} more"));
        }
        StoreStatus { store, place, n_models: 0, problems }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        if self.n_folders.fetch_add(1, Ordering::Relaxed) >= MAX_FOLDERS {
            return Err(io::Error::other(format!("left out: more than {MAX_FOLDERS} folders")));
        }
        let metadata = fs::metadata(folder)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // Taken before the reading, so that what changes meanwhile is noticed next time.
        let stamp = Stamp::of(&metadata);
        if let Some(known) = self.index.directory(folder, stamp) {
            return Ok(known.into_iter().map(|(name, kind)| Entry { name: name.into(), kind }).collect());
        }
        let mut entries = Vec::new();
        let mut is_whole = true;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == super::house::TRASH {
                continue;
            }
            // An entry that vanishes meanwhile has no type, and no need of one.
            let Ok(file_type) = entry.file_type() else { continue };
            let kind = match file_type {
                _ if file_type.is_dir() => Kind::Directory,
                _ if file_type.is_symlink() => Kind::Link,
                _ if is_gguf(&name) => Kind::File,
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
        self.index.add_directory(folder, stamp, names.collect::<Option<_>>().filter(|_| is_whole));
        Ok(entries)
    }
}

/// Whether a name ends in `.gguf`, however it is written.
pub(super) fn is_gguf(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.last_chunk::<5>().is_some_and(|end| end.eq_ignore_ascii_case(b".gguf")) && bytes.len() > 5
}

/// Make models of the `.gguf` names in one folder: split files are one. `id` makes an id from a file's name.
pub(super) fn group(
    folder: &Path,
    names: impl IntoIterator<Item = OsString>,
    store: Store,
    repository: Option<&str>,
    id: impl Fn(&OsStr) -> String,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut split = BTreeMap::<(String, u32), Vec<(u32, PathBuf)>>::new();
    let candidate = |file_name: &OsStr, stem: &str, parts, count| Candidate {
        store,
        repository: repository.map(str::to_owned),
        id: id(file_name),
        name: gguf::clean(stem, NAME_CHARS),
        parts,
        count,
    };
    for name in names {
        let path = folder.join(&name);
        if let Some((stem, part)) = name.to_str().and_then(gguf::split::parse) {
            split.entry((stem.to_owned(), part.count)).or_default().push((part.number, path));
        } else {
            let stem = path.file_stem().unwrap_or(&name).to_string_lossy();
            candidates.push(candidate(&name, &stem, vec![(1, path.clone())], 1));
        }
    }
    for ((stem, count), mut parts) in split {
        parts.sort_unstable();
        // The first part names the model, there or not, so that the id stays when parts come and go.
        let first = gguf::split::name(&stem, gguf::Part { number: 1, count });
        candidates.push(candidate(OsStr::new(&first), &stem, parts, count));
    }
    candidates
}

/// A path as text that is harmless on a terminal, and still different for each path: what is no printable Unicode
/// stands as `%` and two hexadecimal digits for each byte, and so does `%` itself.
pub(super) fn id_text(path: &OsStr) -> String {
    if let Some(text) =
        path.to_str().filter(|text| text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'%'))
    {
        return text.to_owned();
    }
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(text, "%{byte:02x}");
        }
    };
    let mut text = String::new();
    for chunk in path.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let one: &str = character.encode_utf8(&mut buffer);
            if character == '%' || gguf::clean(one, 4) != one {
                escape(&mut text, one.as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// The system's reason in words, without its error number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
