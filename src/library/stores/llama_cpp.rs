//! llama.cpp's own cache. The older layout is flat: `<owner>_<name>_<file>.gguf` with `manifest=<owner>=<name>=<tag>.json`;
//! the newer one is that of the Hugging Face cache.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hugging_face;
use crate::library::candidate::{Candidate, DigestSource, group, id_text, is_gguf};
use crate::library::env::Env;
use crate::library::oci::object;
use crate::library::walk::{Kind, Walk, reason};
use domain::model::{Digest, Store};

/// The longest manifest; they list a repository's files.
const MAX_MANIFEST: u64 = 4 << 20;

/// Where llama.cpp keeps what it fetched.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    let cache = || env.path("XDG_CACHE_HOME").or_else(|| env.home(".cache")).map(|cache| cache.join("llama.cpp"));
    env.path("LLAMA_CACHE").or_else(cache).into_iter().collect()
}

/// A file that a manifest names.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    /// Its path in the repository.
    path: String,
    digest: Option<Digest>,
}

/// What a manifest tells of a flat file.
struct Known {
    repository: String,
    /// The stem of its name in the repository.
    stem: String,
    digest: Option<Digest>,
}

/// All models of the cache at `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let mut candidates = hugging_face::walk(root, walk);
    let entries = walk.list_all_if_there(root);
    // By the flat file's name: its repository, and what it hashes to.
    let mut known = HashMap::new();
    for entry in &entries {
        let Some(rest) = entry.name.to_str().and_then(|name| name.strip_prefix("manifest=")) else { continue };
        let mut names = rest.split('=');
        let (Some(owner), Some(name), Some(_)) = (names.next(), names.next(), names.next()) else { continue };
        let path = root.join(&entry.name);
        match walk.small_file(&path, MAX_MANIFEST, |bytes| (manifest(bytes), true)) {
            Ok(Ok(files)) => {
                for file in files {
                    let flat = format!("{owner}_{name}_{}", file.path.replace('/', "_"));
                    let stem = Path::new(&file.path).file_stem().map(id_text).unwrap_or_default();
                    known.insert(flat, Known { repository: format!("{owner}/{name}"), stem, digest: file.digest });
                }
            }
            Ok(Err(reason)) => walk.broken_manifest(&path, &reason),
            Err(error) => walk.broken_manifest(&path, &reason(&error)),
        }
    }
    let find = |name: &OsStr| known.get(name.to_str()?);
    let names = entries
        .iter()
        .filter(|entry| entry.kind != Kind::Directory && is_gguf(&entry.name))
        .map(|entry| entry.name.clone());
    let id = |name: &OsStr| format!("llama.cpp:{}", id_text(name));
    let digest = |name: &OsStr| match find(name) {
        Some(Known { digest: Some(digest), .. }) => DigestSource::Known(*digest),
        _ => DigestSource::Nowhere,
    };
    let flat = group(root, names, Store::LlamaCpp, None, id, digest);
    candidates.extend(flat.into_iter().map(|candidate| {
        let file = candidate.parts.first().and_then(|part| part.path.file_name());
        match file.and_then(find) {
            Some(Known { repository, stem, .. }) if candidate.count == 1 => {
                Candidate { repository: Some(id_text(repository.as_ref())), name: stem.clone(), ..candidate }
            }
            Some(Known { repository, .. }) => Candidate { repository: Some(id_text(repository.as_ref())), ..candidate },
            None => candidate,
        }
    }));
    candidates
}

/// The files that a manifest names, or why it can't be understood.
fn manifest(bytes: &[u8]) -> Result<Vec<Named>, String> {
    let manifest: Value = object(bytes, "manifest")?;
    let file = |key: &str| {
        let file = manifest.get(key)?;
        let path = file.get("rfilename")?.as_str()?.to_owned();
        let digest = file.get("lfs").and_then(|lfs| lfs.get("sha256")?.as_str()?.parse().ok());
        Some(Named { path, digest })
    };
    Ok(["ggufFile", "mmprojFile"].into_iter().filter_map(file).collect())
}
