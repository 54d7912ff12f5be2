//! Folders of weights: those that config.toml names, those of tools that keep plain files, and single files from the
//! command line.

use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::library::candidate::{Candidate, DigestSource, group, id_text, is_gguf};
use crate::library::walk::{Entry, Kind, Walk};
use crate::library::{card, safetensors};
use domain::model::Store;

/// Folders below a configured one that are looked into.
const MAX_DEPTH: usize = 6;

/// How a store names what it finds.
pub(in crate::library) struct Naming<'a> {
    /// The id's part behind `store:` of what lies at this path.
    pub(in crate::library) id: &'a dyn Fn(&Path) -> String,
    /// The repository of what lies in this folder.
    pub(in crate::library) repository: &'a dyn Fn(&Path) -> Option<String>,
}

/// All models in a folder from config.toml and below.
pub(in crate::library) fn walk(root: &Path, visited: &mut HashSet<PathBuf>, walk: &Walk<'_>) -> Vec<Candidate> {
    let naming = Naming { id: &|path| id_text(path.as_os_str()), repository: &|_| None };
    walk_named(root, visited, walk, &naming)
}

/// All models in `root` and below. `visited` holds the folders seen so far by their true paths: links make loops, and
/// configured folders may lie in one another.
pub(in crate::library) fn walk_named(
    root: &Path,
    visited: &mut HashSet<PathBuf>,
    walk: &Walk<'_>,
    naming: &Naming<'_>,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let true_path = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Links come after the folders, so that what is found both ways goes by its own path.
    let mut waiting = VecDeque::from([(root.to_owned(), true_path(root), 0)]);
    let mut links = VecDeque::new();
    while let Some((folder, path, depth)) = waiting.pop_front().or_else(|| links.pop_front()) {
        if !visited.insert(path.clone()) {
            continue;
        }
        let mut files = Vec::new();
        for entry in walk.list(&folder) {
            let inner = folder.join(&entry.name);
            let is_folder = match entry.kind {
                Kind::Directory => true,
                Kind::File => false,
                Kind::Link => fs::metadata(&inner).is_ok_and(|metadata| metadata.is_dir()),
            };
            if !is_folder {
                files.push(entry);
            } else if depth >= MAX_DEPTH {
                walk.too_deep(inner);
            } else if entry.kind == Kind::Link {
                let path = true_path(&inner);
                links.push_back((inner, path, depth + 1));
            } else {
                let path = path.join(&entry.name);
                waiting.push_back((inner, path, depth + 1));
            }
        }
        candidates.extend(of_folder(&folder, files, walk, naming));
    }
    candidates
}

/// The models of one folder.
fn of_folder(folder: &Path, files: Vec<Entry>, walk: &Walk<'_>, naming: &Naming<'_>) -> Vec<Candidate> {
    let has = |name: &str| files.iter().any(|entry| entry.name == name);
    let store = walk.store();
    let id = |path: &Path| format!("{}:{}", store.name(), (naming.id)(path));
    let repository = (naming.repository)(folder);
    let card = has("README.md").then(|| card::read(&folder.join("README.md"), walk)).flatten();
    let downloads = folder.join(".cache/huggingface/download");
    let digest = |name: &OsStr| {
        let mut beside = OsString::from(name);
        beside.push(".metadata");
        DigestSource::Metadata(downloads.join(beside))
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let other = safetensors::collect(folder, &files, store, id(folder), &name, walk, digest);
    let names = files.into_iter().map(|entry| entry.name).filter(|name| is_gguf(name));
    let mut candidates = group(folder, names, store, None, |name| id(&folder.join(name)), digest);
    candidates.extend(other);
    for candidate in &mut candidates {
        candidate.repository.clone_from(&repository);
        candidate.card.clone_from(&card);
    }
    candidates
}

/// The model that a file belongs to, with the other parts beside it where it is split.
pub(in crate::library) fn at_path(path: &Path) -> Option<Candidate> {
    let path = std::path::absolute(path).ok()?;
    let folder = path.parent()?;
    let names: Vec<OsString> = match gguf::split::siblings(&path) {
        Some(parts) => parts
            .iter()
            .filter(|part| **part == path || part.symlink_metadata().is_ok())
            .filter_map(|part| Some(part.file_name()?.to_owned()))
            .collect(),
        None => vec![path.file_name()?.to_owned()],
    };
    let id = |name: &OsStr| format!("folder:{}", id_text(folder.join(name).as_os_str()));
    group(folder, names, Store::Folder, None, id, |_| DigestSource::Link).pop()
}
