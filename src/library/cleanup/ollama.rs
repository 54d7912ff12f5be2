//! Ollama's store: manifests that name layers, and the layers.
//!
//! A manifest goes first, then the layers that no other manifest names. Where one manifest can't be read, what it may use
//! stays: every layer that nothing else names, and the weights of all models unless it still shows which its own are.
//! Nothing foreign is ever put into `blobs`: Ollama deletes it when it starts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::{self, is_there, shown};
use super::ollama_manifests::{Manifest, Manifests};
use super::ollama_server;
use domain::model::{Model, Store};
use domain::storage::{CleanupPlan, Item, Kind, Operation, Step};
use domain::units::Bytes;

/// Stray files of one store that are named.
const MAX_STRAYS: usize = 10;

/// The store as it lies on disk.
pub(super) struct Ollama {
    root: PathBuf,
    found: Manifests,
}

/// The store that a blob belongs to.
pub(super) fn root_of(blob: &Path) -> Option<PathBuf> {
    let blobs = blob.parent().filter(|folder| folder.file_name() == Some(OsStr::new("blobs")))?;
    blobs.parent().filter(|root| root.join("manifests").is_dir()).map(Path::to_owned)
}

impl Ollama {
    /// Read all manifests.
    pub(super) fn read(root: &Path) -> Self {
        Self { root: root.to_owned(), found: Manifests::read(root) }
    }

    /// What deletes these models, each with its files; through the server at `host` where it answers and has them.
    pub(super) fn remove(&self, models: &[(&Model, &[PathBuf])], host: &str, plan: &mut CleanupPlan) {
        let mut goes: Vec<&Manifest> = Vec::new();
        for (model, blobs) in models {
            let found = self.manifests_of(model, blobs);
            if found.is_empty() {
                plan.refuse(&model.name, "no manifest of Ollama refers to it", None);
            }
            goes.extend(
                found.into_iter().filter(|new| !goes.iter().any(|old| old.path == new.path)).collect::<Vec<_>>(),
            );
        }
        if goes.is_empty() {
            return;
        }
        self.remark(plan);
        let is_whole = self.found.broken.is_empty();
        let at_server = if is_whole { ollama_server::models(host).unwrap_or_default() } else { Vec::new() };
        let mut gone: BTreeSet<&Path> = BTreeSet::new();
        for manifest in goes {
            if let Some(broken) = self.found.broken.iter().find(|broken| !broken.shows_weights) {
                let reason = format!("{} and may use the same weights", broken.describe());
                let hint = "repair or delete that manifest with Ollama itself; no model of the store is deleted before";
                plan.refuse(&manifest.name, &reason, Some(hint.to_owned()));
                continue;
            }
            gone.insert(&manifest.path);
            let paths: Vec<_> = std::iter::once(manifest.path.clone()).chain(self.only_of(manifest, &gone)).collect();
            let known = at_server.iter().find(|(_, digest)| *digest == manifest.digest);
            let (steps, note) = match known {
                Some((name, _)) => through_server(&paths, &manifest.path, host, name),
                None => (paths.into_iter().map(|path| Step::new(Operation::Move, path)).collect(), None),
            };
            let broken =
                self.found.broken.first().map(|broken| format!("only its weights are deleted: {}", broken.describe()));
            plan.items.push(self.item(manifest.name.clone(), Kind::Model, steps, note.or(broken)));
        }
    }

    /// Name what lies among the manifests and is none.
    fn remark(&self, plan: &mut CleanupPlan) {
        let strays = &self.found.strays;
        let named =
            strays.iter().take(MAX_STRAYS).map(|stray| format!("{} {}, and stays", shown(&stray.path), stray.reason));
        plan.remarks.extend(named);
        if let Some(more) = strays.len().checked_sub(MAX_STRAYS).filter(|more| *more > 0) {
            plan.remarks.push(format!("{more} more files among Ollama's manifests are not manifests"));
        }
    }

    /// Paths of all layers that the manifests of a model name.
    pub(super) fn layers_of(&self, model: &Model) -> Vec<PathBuf> {
        let blobs: Vec<_> = model.files.iter().map(|file| file.path.clone()).collect();
        let layers: BTreeSet<_> =
            self.manifests_of(model, &blobs).into_iter().flat_map(|found| &found.layers).collect();
        layers.into_iter().map(|layer| self.root.join("blobs").join(layer)).collect()
    }

    /// The manifests with these weights. Several tags can have the same: the one that is named is meant, or else all.
    fn manifests_of(&self, model: &Model, blobs: &[PathBuf]) -> Vec<&Manifest> {
        let wanted: BTreeSet<_> = blobs.iter().filter_map(|blob| blob.file_name()?.to_str()).collect();
        // All of them: two models may share a projector.
        let holds =
            |manifest: &&Manifest| !wanted.is_empty() && wanted.iter().all(|blob| manifest.layers.contains(*blob));
        let found: Vec<&Manifest> = self.found.whole.iter().filter(holds).collect();
        let names = [Some(&model.name), model.repository.as_ref()];
        // A projector's row is of the model that it belongs to.
        let in_id = model.id.split_once(':').and_then(|(_, rest)| rest.split('#').next());
        let names: Vec<&str> = in_id.into_iter().chain(names.into_iter().flatten().map(String::as_str)).collect();
        let meant = found.iter().find(|manifest| names.iter().any(|name| manifest.is_called(name)));
        meant.map(|manifest| vec![*manifest]).unwrap_or(found)
    }

    /// What `prune` would do of these kinds.
    pub(super) fn prune(&self, kinds: &[Kind], now: SystemTime, plan: &mut CleanupPlan) {
        let used: BTreeSet<&String> = self.found.whole.iter().flat_map(|manifest| &manifest.layers).collect();
        let (mut n_kept, mut is_remarked) = (0, false);
        for entry in files::entries(&self.root.join("blobs")).unwrap_or_default() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_old = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age >= files::OLD));
            let kind = if name.contains("-partial") { Kind::Partial } else { Kind::Orphan };
            if !name.starts_with("sha256-") || used.contains(&name) || !is_old || !kinds.contains(&kind) {
                continue;
            }
            let what: String = name.chars().take(19).collect();
            // What is not whole yet is in no manifest.
            if kind == Kind::Orphan && !self.found.broken.is_empty() {
                n_kept += 1;
            } else if let Some(stray) = self.found.strays.iter().find(|stray| stray.mentions(&name)) {
                plan.remarks.push(format!("{what} is named in {}, and stays", shown(&stray.path)));
            } else {
                is_remarked = true;
                plan.items.push(self.item(what, kind, vec![Step::new(Operation::Move, entry.path())], None));
            }
        }
        if is_remarked {
            self.remark(plan);
        }
        if let Some(broken) = self.found.broken.first().filter(|_| n_kept > 0) {
            let what = format!("orphans in {}", shown(&self.root.join("blobs")));
            plan.refuse(&what, &format!("{}, so whether it uses them is unknown", broken.describe()), None);
        }
    }

    /// Whether no broken manifest may use this layer of a manifest. Of those that show their weights the rest is not known.
    fn may_go(&self, manifest: &Manifest, layer: &str) -> bool {
        let broken = &self.found.broken;
        broken.is_empty() || (manifest.weights.contains(layer) && !broken.iter().any(|broken| broken.mentions(layer)))
    }

    /// Layers of a manifest that are there and that none but the gone ones name.
    fn only_of<'a>(
        &'a self,
        manifest: &'a Manifest,
        gone: &BTreeSet<&Path>,
    ) -> impl Iterator<Item = PathBuf> + use<'a> {
        let others = self.found.whole.iter().filter(|other| !gone.contains(other.path.as_path()));
        let used: BTreeSet<&String> = others.flat_map(|other| &other.layers).collect();
        let blobs = self.root.join("blobs");
        manifest
            .layers
            .iter()
            .filter(move |layer| !used.contains(layer) && self.may_go(manifest, layer))
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
        act: Operation::Ask { host: host.to_owned(), model: name.to_owned() },
        path: manifest.to_owned(),
        frees,
    };
    // Half of a model is nothing to bring back.
    if paths.iter().all(|path| is_ours(path)) {
        let keeps = paths.iter().map(|path| Step::new(Operation::Keep, path.clone()));
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
