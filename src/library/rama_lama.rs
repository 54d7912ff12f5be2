//! `RamaLama`'s store: `store/<transport>/<owner>/<name>/{refs/<tag>.json,snapshots,blobs}`, read only.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, DigestSource, Part, id_text, is_gguf, is_safetensors};
use super::env::Env;
use super::oci::object;
use super::safetensors::Config;
use super::walk::{Kind, Walk, reason};
use crate::core::model::{Digest, Store};

/// Folders below the store that are looked into: owners can have several parts.
const MAX_DEPTH: usize = 8;
/// The longest file of a tag.
const MAX_REF: u64 = 4 << 20;

/// Where `RamaLama` keeps its models: the user's, and root's.
pub(super) fn places(env: &Env) -> Vec<PathBuf> {
    if let Some(path) = env.path("RAMALAMA_STORE") {
        return vec![path];
    }
    let service = env.system("var/lib/ramalama").filter(|path| path.is_dir());
    env.data_home("ramalama").into_iter().chain(service).collect()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reference {
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct File {
    hash: String,
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// All models of the store in `root`.
pub(super) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let store = root.join("store");
    let mut waiting = vec![(store, String::new(), 0)];
    while let Some((folder, inside, depth)) = waiting.pop() {
        let entries = walk.list_if_there(&folder);
        let is_model = ["refs", "snapshots"].iter().all(|name| entries.iter().any(|entry| entry.name == *name));
        if is_model {
            walk_model(&folder, &inside, walk, &mut candidates);
            continue;
        }
        for entry in entries.into_iter().rev().filter(|entry| entry.kind == Kind::Directory) {
            let path = folder.join(&entry.name);
            if depth >= MAX_DEPTH {
                walk.too_deep(path);
                continue;
            }
            let separator = if inside.is_empty() { "" } else { "/" };
            let inside = format!("{inside}{separator}{}", id_text(&entry.name));
            waiting.push((path, inside, depth + 1));
        }
    }
    candidates
}

/// `inside` is the transport with the model's name: `ollama/library/tinyllama`.
fn walk_model(folder: &Path, inside: &str, walk: &Walk<'_>, candidates: &mut Vec<Candidate>) {
    let refs = folder.join("refs");
    for entry in walk.list_all_if_there(&refs) {
        let Some(tag) = Path::new(&entry.name).file_stem().filter(|_| entry.kind == Kind::File) else { continue };
        // Before there was JSON, a tag's file was of lines; RamaLama itself turns it into one of these.
        if Path::new(&entry.name).extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let path = refs.join(&entry.name);
        let parse = |bytes: &[u8]| (object::<Reference>(bytes, "reference"), true);
        match walk.small_file(&path, MAX_REF, parse) {
            Ok(Ok(reference)) => candidates.extend(models(folder, inside, &id_text(tag), &reference)),
            Ok(Err(reason)) => walk.broken_manifest(&path, &reason),
            Err(error) => walk.broken_manifest(&path, &reason(&error)),
        }
    }
}

fn models(folder: &Path, inside: &str, tag: &str, reference: &Reference) -> Vec<Candidate> {
    let (transport, name) = inside.split_once('/').unwrap_or(("", inside));
    let short = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".gguf");
    // A file of a repository stands behind the repository's name.
    let owner_and_name = name.match_indices('/').nth(1).map_or(name, |(end, _)| &name[..end]);
    // Blobs go by what they hash to; everything else could lead out of the store.
    let part = |number: u32, file: &File| {
        let digest: Digest = file.hash.parse().ok()?;
        let path = folder.join("blobs").join(format!("sha256-{digest}"));
        matches!(digest, Digest::Sha256(_)).then_some(Part { number, path, digest: DigestSource::Known(digest) })
    };
    let of_kind = |is: &dyn Fn(&File) -> bool| -> Vec<Part> {
        (1..)
            .zip(reference.files.iter().filter(|file| is(file)))
            .filter_map(|(number, file)| part(number, file))
            .collect()
    };
    let is_projector = |file: &File| file.kind.contains("mmproj");
    let is_weights = |file: &File| {
        !is_projector(file) && (file.kind.contains("gguf") || file.kind == "model" || is_gguf(file.name.as_ref()))
    };
    let candidate = |what: &str, parts: Vec<Part>| {
        (!parts.is_empty()).then(|| Candidate {
            repository: (transport == "huggingface").then(|| owner_and_name.to_owned()),
            count: parts.len() as u32,
            parts,
            is_declared: true,
            ..Candidate::new(
                Store::RamaLama,
                format!("ramalama:{inside}:{tag}{}{what}", if what.is_empty() { "" } else { "#" }),
                format!("{short}:{tag} {what}").trim_end(),
                PathBuf::new(),
                DigestSource::Nowhere,
            )
        })
    };
    let other = candidate("", of_kind(&|file| is_safetensors(file.name.as_ref())));
    let other = other.map(|other| Candidate { count: 0, other: Some(Config::unknown()), ..other });
    let whole = candidate("", of_kind(&is_weights)).or(other);
    whole.into_iter().chain(candidate("projector", of_kind(&is_projector))).collect()
}
