//! Docker Model Runner's store: `models.json`, `manifests/sha256/<hex>` and `blobs/sha256/<hex>`, read only.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::library::candidate::{Candidate, CandidatePart, DigestSource, id_text};
use crate::library::env::Env;
use crate::library::oci::{self, object};
use crate::library::safetensors::Config;
use crate::library::walk::{Walk, reason};
use domain::model::{Digest, Store};

/// The longest `models.json`.
const MAX_LIST: u64 = 16 << 20;
/// Models that it may name.
const MAX_MODELS: usize = 50_000;
/// What goes without saying before a name.
const HOSTS: [&str; 2] = ["docker.io/", "index.docker.io/"];

/// Where the runner keeps its models.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    env.path("MODELS_PATH").or_else(|| env.home(".docker/models")).into_iter().collect()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct List {
    #[serde(default)]
    models: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// All models of the store at `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    // Listed for the sake of who watches the folder.
    if walk.list_if_there(root).iter().all(|entry| entry.name != "models.json") {
        return Vec::new();
    }
    let list = root.join("models.json");
    let parse = |bytes: &[u8]| (object::<List>(bytes, "list of models"), true);
    let entries = match walk.small_file(&list, MAX_LIST, parse) {
        Ok(Ok(list)) => list.models,
        Ok(Err(reason)) => {
            walk.broken_manifest(&list, &reason);
            return Vec::new();
        }
        Err(error) => {
            walk.broken_manifest(&list, &reason(&error));
            return Vec::new();
        }
    };
    entries.iter().take(MAX_MODELS).flat_map(|entry| model(root, entry, walk)).collect()
}

fn model(root: &Path, entry: &Entry, walk: &Walk<'_>) -> Vec<Candidate> {
    let Ok(id @ Digest::Sha256(_)) = entry.id.parse::<Digest>() else {
        walk.broken_manifest(&root.join("models.json"), "names a model by no SHA-256 digest");
        return Vec::new();
    };
    let manifest = root.join("manifests/sha256").join(id.to_string());
    let layers = match walk.small_file(&manifest, oci::MAX_MANIFEST, |bytes| (oci::layers(bytes), true)) {
        Ok(Ok(layers)) => layers,
        Ok(Err(reason)) => {
            walk.broken_manifest(&manifest, &reason);
            return Vec::new();
        }
        Err(error) => {
            walk.broken_manifest(&manifest, &reason(&error));
            return Vec::new();
        }
    };
    let tag = entry.tags.iter().flatten().next();
    let name = tag.map_or_else(
        || format!("{id:.12}"),
        |tag| {
            let short = HOSTS.iter().find_map(|host| tag.strip_prefix(host)).unwrap_or(tag);
            id_text(short.as_ref())
        },
    );
    let repository = name.rsplit_once(':').map_or(&*name, |(repository, _)| repository);
    let shown = name.strip_prefix("ai/").unwrap_or(&name);
    let of_kind = |kind: &str| -> Vec<CandidatePart> {
        let layers = layers.iter().filter(|layer| layer.media_type.contains(kind));
        (1..)
            .zip(layers)
            .map(|(number, layer)| CandidatePart {
                number,
                path: root.join("blobs/sha256").join(layer.digest.to_string()),
                digest: DigestSource::Known(layer.digest),
            })
            .collect()
    };
    let candidate = |what: &str, parts: Vec<CandidatePart>| {
        (!parts.is_empty()).then(|| Candidate {
            repository: tag.is_some().then(|| repository.to_owned()),
            count: parts.len() as u32,
            parts,
            is_declared: true,
            ..Candidate::new(
                Store::Docker,
                format!("docker:{name}{}{what}", if what.is_empty() { "" } else { "#" }),
                format!("{shown} {what}").trim_end(),
                PathBuf::new(),
                DigestSource::Nowhere,
            )
        })
    };
    let other = candidate("", of_kind("safetensors"));
    let other = other.map(|other| Candidate { count: 0, other: Some(Config::unknown()), ..other });
    let whole = candidate("", of_kind("gguf")).or(other);
    whole.into_iter().chain(candidate("projector", of_kind("mmproj"))).collect()
}
