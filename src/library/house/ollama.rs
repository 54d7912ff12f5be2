//! Ollama's store: manifests that name layers, and the layers.
//!
//! A manifest goes first, then the layers that no other manifest names. Where one manifest can't be read nobody knows
//! what is used, and nothing is deleted. Nothing foreign is ever put into `blobs`: Ollama deletes it when it starts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::files::{self, is_there, shown};
use super::hub::OLD;
use super::ollama_server;
use crate::core::house::{Act, Item, Kind, Plan, Step};
use crate::core::model::{Model, Store};
use crate::core::units::Bytes;

/// The longest manifest; they have some kilobytes.
const MAX_MANIFEST: u64 = 4 << 20;
/// How deep they lie: host, namespace, model, tag.
const MAX_DEPTH: usize = 8;

/// One model of the store.
struct Manifest {
    path: PathBuf,
    /// `namespace/model:tag` without what is usual.
    name: String,
    /// SHA-256 of the manifest, as the server tells it.
    digest: String,
    /// File names of its layers in `blobs`.
    layers: BTreeSet<String>,
}

/// The store as it lies on disk.
pub(super) struct Ollama {
    root: PathBuf,
    manifests: Vec<Manifest>,
}

#[derive(Deserialize)]
struct Document {
    config: Option<Layer>,
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
}

/// The store that a blob belongs to.
pub(super) fn root_of(blob: &Path) -> Option<PathBuf> {
    let blobs = blob.parent().filter(|folder| folder.file_name() == Some(OsStr::new("blobs")))?;
    blobs.parent().filter(|root| root.join("manifests").is_dir()).map(Path::to_owned)
}

impl Ollama {
    /// Read all manifests. One that can't be read is an error.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut manifests = Vec::new();
        let mut waiting = vec![(root.join("manifests"), 0)];
        while let Some((folder, depth)) = waiting.pop() {
            let wrong = |path: &Path, reason: &str| {
                format!("the manifest {} can't be read ({reason}), so nobody knows what is used", shown(path))
            };
            let entries = files::entries(&folder).map_err(|error| wrong(&folder, &files::reason(&error)))?;
            for entry in entries {
                let path = entry.path();
                // The system's own litter is no manifest.
                if entry.file_name() == ".DS_Store" {
                    continue;
                }
                if path.is_dir() {
                    if depth >= MAX_DEPTH {
                        return Err(wrong(&path, "it lies too deep"));
                    }
                    waiting.push((path, depth + 1));
                } else {
                    manifests.push(manifest(root, &path).map_err(|reason| wrong(&path, &reason))?);
                }
            }
        }
        manifests.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { root: root.to_owned(), manifests })
    }

    /// What deletes these models, each with its files; through the server at `host` where it answers and has them.
    pub(super) fn remove(&self, models: &[(&Model, &[PathBuf])], host: &str, plan: &mut Plan) {
        let mut goes: Vec<&Manifest> = Vec::new();
        for (model, blobs) in models {
            let found = self.manifests_of(model, blobs);
            if found.is_empty() {
                plan.refuse(&model.name, "no manifest of Ollama's names it", None);
            }
            goes.extend(
                found.into_iter().filter(|new| !goes.iter().any(|old| old.path == new.path)).collect::<Vec<_>>(),
            );
        }
        if goes.is_empty() {
            return;
        }
        let at_server = ollama_server::models(host).unwrap_or_default();
        let mut gone: BTreeSet<&Path> = BTreeSet::new();
        for manifest in goes {
            gone.insert(&manifest.path);
            let paths: Vec<_> = std::iter::once(manifest.path.clone()).chain(self.only_of(manifest, &gone)).collect();
            let known = at_server.iter().find(|(_, digest)| *digest == manifest.digest);
            let (steps, note) = match known {
                Some((name, _)) => through_server(&paths, &manifest.path, host, name),
                None => (paths.into_iter().map(|path| Step::new(Act::Move, path)).collect(), None),
            };
            plan.items.push(self.item(manifest.name.clone(), Kind::Model, steps, note));
        }
    }

    /// The manifests with these weights. Several tags can have the same: the one that is named is meant, or else all.
    fn manifests_of(&self, model: &Model, blobs: &[PathBuf]) -> Vec<&Manifest> {
        let wanted: BTreeSet<_> = blobs.iter().filter_map(|blob| blob.file_name()?.to_str()).collect();
        // All of them: two models may share a projector.
        let holds =
            |manifest: &&Manifest| !wanted.is_empty() && wanted.iter().all(|blob| manifest.layers.contains(*blob));
        let found: Vec<&Manifest> = self.manifests.iter().filter(holds).collect();
        let names = [Some(&model.name), model.repository.as_ref()];
        // A projector's row is of the model that it belongs to.
        let in_id = model.id.split_once(':').and_then(|(_, rest)| rest.split('#').next());
        let names: Vec<&str> = in_id.into_iter().chain(names.into_iter().flatten().map(String::as_str)).collect();
        let meant = found.iter().find(|manifest| names.iter().any(|name| manifest.is_called(name)));
        meant.map(|manifest| vec![*manifest]).unwrap_or(found)
    }

    /// What `prune` would do of these kinds.
    pub(super) fn prune(&self, kinds: &[Kind], now: SystemTime) -> Vec<Item> {
        let used: BTreeSet<&String> = self.manifests.iter().flat_map(|manifest| &manifest.layers).collect();
        let mut items = Vec::new();
        for entry in files::entries(&self.root.join("blobs")).unwrap_or_default() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_old = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age >= OLD));
            let kind = if name.contains("-partial") { Kind::Partial } else { Kind::Orphan };
            if name.starts_with("sha256-") && !used.contains(&name) && is_old && kinds.contains(&kind) {
                let what: String = name.chars().take(19).collect();
                items.push(self.item(what, kind, vec![Step::new(Act::Move, entry.path())], None));
            }
        }
        items
    }

    /// Layers of a manifest that are there and that none but the gone ones name.
    fn only_of<'a>(
        &'a self,
        manifest: &'a Manifest,
        gone: &BTreeSet<&Path>,
    ) -> impl Iterator<Item = PathBuf> + use<'a> {
        let others = self.manifests.iter().filter(|other| !gone.contains(other.path.as_path()));
        let used: BTreeSet<&String> = others.flat_map(|other| &other.layers).collect();
        let blobs = self.root.join("blobs");
        manifest
            .layers
            .iter()
            .filter(move |layer| !used.contains(layer))
            .map(move |layer| blobs.join(layer))
            .filter(|path| is_there(path))
    }

    fn item(&self, what: String, kind: Kind, steps: Vec<Step>, note: Option<String>) -> Item {
        Item { what, kind, store: Store::Ollama, root: self.root.clone(), steps, note }
    }
}

impl Manifest {
    fn is_called(&self, name: &str) -> bool {
        let name = name.strip_suffix(":latest").unwrap_or(name);
        name == self.name.strip_suffix(":latest").unwrap_or(&self.name)
    }
}

/// Have the server delete what a manifest names, after the trash got other names of all of it, where we may give such.
fn through_server(paths: &[PathBuf], manifest: &Path, host: &str, name: &str) -> (Vec<Step>, Option<String>) {
    let ask = |frees| Step {
        act: Act::Ask { host: host.to_owned(), model: name.to_owned() },
        path: manifest.to_owned(),
        frees,
    };
    // Half of a model is nothing to bring back.
    if paths.iter().all(|path| is_ours(path)) {
        let keeps = paths.iter().map(|path| Step::new(Act::Keep, path.clone()));
        return (keeps.chain([ask(Bytes(0))]).collect(), Some("Ollama's server deletes it".to_owned()));
    }
    let allocated = paths.iter().filter_map(|path| path.metadata().ok()).map(|found| files::allocated(&found)).sum();
    (vec![ask(Bytes(allocated))], Some("Ollama's server deletes it; it can't be brought back".to_owned()))
}

/// Whether we may give a file another name: the system lets only a file's owner do that.
fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let me = rustix::process::geteuid();
    me.is_root() || path.metadata().is_ok_and(|metadata| metadata.uid() == me.as_raw())
}

fn manifest(root: &Path, path: &Path) -> Result<Manifest, String> {
    let bytes = files::small(path, MAX_MANIFEST).map_err(|error| files::reason(&error))?;
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let mut layers = BTreeSet::new();
    for layer in document.layers.iter().chain(&document.config) {
        let hex = layer.digest.strip_prefix("sha256:").or_else(|| layer.digest.strip_prefix("sha256-"));
        let hex = hex.filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        // Whatever else it names would become part of a path.
        layers.insert(format!("sha256-{}", hex.ok_or("a layer without a sha256")?.to_lowercase()));
    }
    if layers.is_empty() {
        return Err("it names no layers".to_owned());
    }
    let inside = path.strip_prefix(root.join("manifests")).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    let name = match &parts[..] {
        [host, namespace, model, tag] => match (&**host, &**namespace) {
            ("registry.ollama.ai", "library") => format!("{model}:{tag}"),
            ("registry.ollama.ai", namespace) => format!("{namespace}/{model}:{tag}"),
            (host, namespace) => format!("{host}/{namespace}/{model}:{tag}"),
        },
        _ => inside.to_string_lossy().into_owned(),
    };
    let digest = Sha256::digest(&bytes);
    let digest = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Ok(Manifest { path: path.to_owned(), name: gguf::clean(&name, 200), digest, layers })
}
