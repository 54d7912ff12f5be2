//! `RamaLama`'s store: `store/<transport>/<owner>/<name>/{refs/<tag>.json,snapshots,blobs}`, read only.
//!
//! Before there was JSON a tag's file had no ending and was of lines: the hash, then `file---kind` for each file of the
//! snapshot of that hash. Where both are there, the JSON counts, for `RamaLama` makes it of the lines.
//!
//! Absent: the layout of 2024, links in `models/` into `repos/`, which `RamaLama` itself moves into the store; nothing
//! certain is known of its names.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::library::candidate::{Candidate, CandidatePart, DigestSource, id_text, is_gguf, is_safetensors};
use crate::library::env::Env;
use crate::library::oci::object;
use crate::library::safetensors::Config;
use crate::library::walk::{Kind, Walk, reason};
use domain::model::{Digest, Store};

/// Folders below the store that are looked into: owners can have several parts.
const MAX_DEPTH: usize = 8;
/// The longest file of a tag.
const MAX_REF: u64 = 4 << 20;

/// Where `RamaLama` keeps its models: the user's, and root's.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
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
    /// The folder in `snapshots` where a link stands for the hash.
    #[serde(default)]
    snapshot: Option<String>,
}

/// What separates a file from its kind in a tag's file of lines.
const SEPARATOR: &str = "---";

/// A tag's file of lines, or why it is none.
fn lines(bytes: &[u8]) -> Result<Reference, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("no reference: {error}"))?;
    let mut lines = text.lines().map(str::trim);
    let hash = lines.next().filter(|hash| !hash.is_empty()).ok_or("no reference: it is empty")?;
    let snapshot = hash.replace(':', "-");
    let file = |line: &str| {
        let (name, kind) = line.split_once(SEPARATOR).unwrap_or((line, ""));
        File { hash: String::new(), name: name.to_owned(), kind: kind.to_owned(), snapshot: Some(snapshot.clone()) }
    };
    Ok(Reference { files: lines.filter(|line| !line.is_empty()).map(file).collect() })
}

/// All models of the store in `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
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
    let entries = walk.list_all_if_there(&refs);
    let json = |tag: &str| entries.iter().any(|entry| entry.name.to_str() == Some(&format!("{tag}.json")));
    for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
        let name = id_text(&entry.name);
        let path = refs.join(&entry.name);
        let read = match name.strip_suffix(".json") {
            Some(_) => walk.small_file(&path, MAX_REF, |bytes| (object::<Reference>(bytes, "reference"), true)),
            None if json(&name) => continue,
            None => walk.small_file(&path, MAX_REF, |bytes| (lines(bytes), true)),
        };
        match read {
            Ok(Ok(reference)) => {
                candidates.extend(models(folder, inside, name.trim_end_matches(".json"), &reference));
            }
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
    // Blobs go by what they hash to, and links by their names; everything else could lead out of the store.
    let part = |number: u32, file: &File| {
        if let Some(snapshot) = &file.snapshot {
            let inside = Path::new(snapshot).join(&file.name);
            let is_inside = inside.components().all(|part| matches!(part, Component::Normal(_)));
            let path = folder.join("snapshots").join(inside);
            return is_inside.then_some(CandidatePart { number, path, digest: DigestSource::Link });
        }
        let digest: Digest = file.hash.parse().ok()?;
        let path = folder.join("blobs").join(format!("sha256-{digest}"));
        matches!(digest, Digest::Sha256(_)).then_some(CandidatePart {
            number,
            path,
            digest: DigestSource::Known(digest),
        })
    };
    let of_kind = |is: &dyn Fn(&File) -> bool| -> Vec<CandidatePart> {
        (1..)
            .zip(reference.files.iter().filter(|file| is(file)))
            .filter_map(|(number, file)| part(number, file))
            .collect()
    };
    let is_projector = |file: &File| file.kind.contains("mmproj");
    let is_weights = |file: &File| {
        !is_projector(file) && (file.kind.contains("gguf") || file.kind == "model" || is_gguf(file.name.as_ref()))
    };
    let candidate = |what: &str, parts: Vec<CandidatePart>| {
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
