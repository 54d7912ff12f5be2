//! `GPT4All`'s models: files in one folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::folder::{Naming, walk_named};
use crate::library::candidate::{Candidate, id_text};
use crate::library::env::{Env, read_text};
use crate::library::walk::Walk;

/// The longest file of settings.
const MAX_FILE: u64 = 1 << 20;

/// `GPT4All`'s models folder: what its settings say, else its usual place.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    let setting = env.config_home("nomic.ai/GPT4All.ini").and_then(|path| {
        let text = read_text(&path, MAX_FILE)?;
        let path = PathBuf::from(text.lines().find_map(|line| line.trim().strip_prefix("modelPath="))?.trim());
        path.is_absolute().then_some(path)
    });
    setting.or_else(|| env.data_home("nomic.ai/GPT4All")).into_iter().collect()
}

/// All models in `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let inside = |path: &Path| id_text(path.strip_prefix(root).unwrap_or(path).as_os_str());
    walk_named(root, &mut HashSet::new(), walk, &Naming { id: &inside, repository: &|_| None })
}
