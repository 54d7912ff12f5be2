//! LM Studio's models: `<publisher>/<repository>/<file>`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::folder::{Naming, walk_named};
use crate::library::candidate::{Candidate, id_text};
use crate::library::env::{Env, read_text};
use crate::library::walk::Walk;

/// The longest file of settings.
const MAX_FILE: u64 = 1 << 20;

/// LM Studio's models folder: what its settings say, else the one in its home.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    let absolute = |path: &str| Some(PathBuf::from(path.trim())).filter(|path| path.is_absolute());
    let pointer = env.home(".lmstudio-home-pointer");
    let named = pointer.and_then(|path| absolute(&read_text(&path, MAX_FILE)?)).filter(|home| home.is_dir());
    let old = || env.home(".cache/lm-studio").filter(|home| home.is_dir());
    let Some(home) = named.or_else(old).or_else(|| env.home(".lmstudio")) else { return Vec::new() };
    let setting = read_text(&home.join("settings.json"), MAX_FILE).and_then(|text| {
        let settings: Value = serde_json::from_str(&text).ok()?;
        absolute(settings.get("downloadsFolder")?.as_str()?)
    });
    vec![setting.unwrap_or_else(|| home.join("models"))]
}

/// All models in `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let inside = |path: &Path| id_text(path.strip_prefix(root).unwrap_or(path).as_os_str());
    let repository = |folder: &Path| {
        let mut names = folder.strip_prefix(root).ok()?.iter();
        Some(format!("{}/{}", id_text(names.next()?), id_text(names.next()?)))
    };
    walk_named(root, &mut HashSet::new(), walk, &Naming { id: &inside, repository: &repository })
}
