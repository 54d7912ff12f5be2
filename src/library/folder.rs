//! Plain folders from config.toml, and single files from the command line.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::walk::{Candidate, Kind, Walk, group, id_text, is_gguf};
use crate::core::model::Store;

/// Folders below a configured one that are looked into.
const MAX_DEPTH: usize = 6;

/// All models in `root` and below. `visited` holds the folders seen so far by their true paths: links make loops, and
/// configured folders may lie in one another.
pub(super) fn walk(root: &Path, visited: &mut HashSet<PathBuf>, walk: &Walk<'_>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let true_path = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Links come after the folders, so that what is found both ways goes by its own path.
    let mut waiting = VecDeque::from([(root.to_owned(), true_path(root), 0)]);
    let mut links = VecDeque::new();
    while let Some((folder, path, depth)) = waiting.pop_front().or_else(|| links.pop_front()) {
        if !visited.insert(path.clone()) {
            continue;
        }
        let mut names = Vec::new();
        for entry in walk.list(&folder) {
            let inner = folder.join(&entry.name);
            let is_folder = match entry.kind {
                Kind::Directory => true,
                Kind::File => false,
                Kind::Link => fs::metadata(&inner).is_ok_and(|metadata| metadata.is_dir()),
            };
            if !is_folder {
                names.extend(Some(entry.name).filter(|name| is_gguf(name)));
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
        candidates.extend(from_names(&folder, names));
    }
    candidates
}

/// The model that a file belongs to, with the other parts beside it where it is split.
pub(super) fn at_path(path: &Path) -> Option<Candidate> {
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
    from_names(folder, names).pop()
}

fn from_names(folder: &Path, names: Vec<OsString>) -> Vec<Candidate> {
    group(folder, names, Store::Folder, None, |file_name| {
        format!("folder:{}", id_text(folder.join(file_name).as_os_str()))
    })
}
