//! Jan's models: a `model.yml` for each, whose file can lie anywhere.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::library::candidate::{Candidate, DigestSource, id_text};
use crate::library::env::Env;
use crate::library::walk::{Kind, Walk, reason};
use crate::library::yaml;
use domain::model::Store;

/// Folders below the models that are looked into.
const MAX_DEPTH: usize = 6;
/// The longest `model.yml` or `settings.json`.
const MAX_FILE: u64 = 1 << 20;

/// Jan's data folder: what its settings say, else its usual place.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    let setting = env.config_home("Jan/settings.json").and_then(|path| {
        let settings: Value = serde_json::from_str(&crate::library::env::read_text(&path, MAX_FILE)?).ok()?;
        let folder = PathBuf::from(settings.get("data_folder")?.as_str()?);
        folder.is_absolute().then_some(folder)
    });
    setting.or_else(|| env.data_home("Jan/data")).into_iter().collect()
}

/// All models of the data folder at `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut waiting = vec![(root.join("llamacpp/models"), String::new(), 0)];
    while let Some((folder, inside, depth)) = waiting.pop() {
        let entries = walk.list_if_there(&folder);
        if entries.iter().any(|entry| entry.name == "model.yml") {
            candidates.extend(models(root, &folder, &inside, walk));
        }
        for entry in entries.into_iter().rev().filter(|entry| entry.kind == Kind::Directory) {
            let path = folder.join(&entry.name);
            if depth >= MAX_DEPTH {
                walk.too_deep(path);
                continue;
            }
            let separator = if inside.is_empty() { "" } else { "/" };
            waiting.push((path, format!("{inside}{separator}{}", id_text(&entry.name)), depth + 1));
        }
    }
    candidates
}

fn models(root: &Path, folder: &Path, inside: &str, walk: &Walk<'_>) -> Vec<Candidate> {
    let manifest = folder.join("model.yml");
    let parse = |bytes: &[u8]| {
        let entries = yaml::mapping(&String::from_utf8_lossy(bytes));
        let path = |name: &str| {
            let (_, value) = entries.iter().find(|(found, _)| found == name)?;
            value.word().map(str::to_owned)
        };
        ((path("model_path"), path("mmproj_path")), true)
    };
    let (model, projector) = match walk.small_file(&manifest, MAX_FILE, parse) {
        Ok((Some(model), projector)) => (model, projector),
        Ok((None, _)) => {
            walk.broken_manifest(&manifest, "names no `model_path`");
            return Vec::new();
        }
        Err(error) => {
            walk.broken_manifest(&manifest, &reason(&error));
            return Vec::new();
        }
    };
    let short = inside.rsplit('/').next().unwrap_or(inside);
    let candidate = |what: &str, path: &str| {
        let candidate = Candidate {
            repository: inside.contains('/').then(|| inside.to_owned()),
            is_declared: true,
            ..Candidate::new(
                Store::Jan,
                format!("jan:{inside}{}{what}", if what.is_empty() { "" } else { "#" }),
                format!("{short} {what}").trim_end(),
                // An absolute path stays as it is.
                root.join(path),
                DigestSource::Link,
            )
        };
        candidate.with_parts_beside()
    };
    std::iter::once(candidate("", &model)).chain(projector.map(|path| candidate("projector", &path))).collect()
}
