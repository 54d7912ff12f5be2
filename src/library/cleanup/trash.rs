//! Where the trash of a store lies: on its own file system, and where neither its owner nor our own scan looks.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;
use crate::library::trash_folder::TRASH;
use domain::model::Store;

/// The trash for an entry of a store at `root`. The error says why there is none.
///
/// Beside the store first. Where that is on another mount, such as for a store that fills a disk, inside it: below
/// `.locks` in a Hugging Face cache, since every other folder there is taken for a repository; else at its top, which
/// Ollama, LM Studio and the others don't look into. At last beside the entry itself.
pub(super) fn place(store: Store, root: &Path, entry: &Path) -> Result<PathBuf, String> {
    let wrong = |path: &Path, error: &std::io::Error| format!("{}: {}", files::shown(path), files::reason(error));
    let mount = files::mount(entry).map_err(|error| wrong(entry, &error))?;
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let inside = if store == Store::HuggingFace { root.join(".locks") } else { root.clone() };
    let beside = entry.parent().map(Path::to_owned);
    let mut reason = None;
    for folder in root.parent().map(Path::to_owned).into_iter().chain([inside]).chain(beside) {
        let lies = folder.ancestors().find(|folder| folder.is_dir());
        let Some(lies) = lies else { continue };
        if files::mount(lies).ok() != Some(mount) {
            continue;
        }
        match files::not_writable(lies) {
            None => return Ok(folder.join(TRASH)),
            Some(why) => reason = reason.or(Some(why)),
        }
    }
    Err(reason.unwrap_or_else(|| "there is no place for the trash on its file system".to_owned()))
}
