//! `LocalAI`'s models: files in one folder, beside configurations that name them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::candidate::{Candidate, id_text};
use super::env::Env;
use super::folder::{Naming, walk_named};
use super::walk::Walk;

/// `LocalAI`'s models folder: its launcher's, and its service's.
pub(super) fn places(env: &Env) -> Vec<PathBuf> {
    if let Some(path) = env.path("LOCALAI_MODELS_PATH").or_else(|| env.path("MODELS_PATH")) {
        return vec![path];
    }
    let service = env.system("usr/share/local-ai/models").filter(|path| path.is_dir());
    env.home(".localai/models").into_iter().chain(service).collect()
}

/// All models in `root`.
pub(super) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let inside = |path: &Path| id_text(path.strip_prefix(root).unwrap_or(path).as_os_str());
    walk_named(root, &mut HashSet::new(), walk, &Naming { id: &inside, repository: &|_| None })
}
