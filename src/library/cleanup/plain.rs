//! Stores where a model is a file or a folder of its own: LM Studio, llama.cpp's flat cache, Jan, `GPT4All`, `LocalAI`, and
//! plain folders.
//!
//! What names the file goes first: llama.cpp's `manifest=…json`, `LocalAI`'s `.yaml`, Jan's `model.yml`. A folder that
//! would be left empty goes whole. A link goes as a link; what it leads to stays.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::{self, is_there, shown};
use crate::library::trash_folder::TRASH;
use crate::library::yaml;
use domain::model::Store;
use domain::storage::{Item, Kind, Operation, Step};

/// Endings of unfinished downloads: LM Studio's, llama.cpp's, `LocalAI`'s, the hub's.
const PARTIAL: [&str; 4] = [".part", ".downloadInProgress", ".partial", ".incomplete"];
/// What `GPT4All`'s begin with.
const INCOMPLETE: &str = "incomplete-";
/// How deep downloads lie: publisher, repository, file.
const MAX_DEPTH: usize = 6;
/// The longest file that may name a model.
const MAX_NAMING: u64 = 1 << 20;

/// What deletes the model `what` that consists of these files. `id` is the model's id without its store.
pub(super) fn remove(store: Store, root: &Path, what: String, id: &str, model_files: &[PathBuf]) -> Item {
    let mut paths = Vec::new();
    let mut note = None;
    let mut model_files = model_files.to_vec();
    match store {
        Store::LlamaCpp => paths.extend(model_files.iter().flat_map(|file| llama_cpp_companions(file))),
        Store::LocalAi => paths.extend(model_files.iter().flat_map(|file| local_ai_settings(root, file))),
        Store::Jan => {
            // Its `model.yml` may name a file anywhere on the disk: that one stays.
            let is_inside = |file: &PathBuf| file.starts_with(root) && !file.iter().any(|part| part == "..");
            let (inside, outside): (Vec<_>, Vec<_>) = model_files.into_iter().partition(is_inside);
            if !outside.is_empty() {
                let text = outside.iter().map(|file| shown(file)).collect::<Vec<_>>().join(", ");
                note = Some(format!("only Jan's entry is deleted; {text} is outside its store and is kept"));
            }
            let entry = ["", "models", "llamacpp/models"]
                .map(|folder| root.join(folder).join(id))
                .into_iter()
                .find(|folder| folder.join("model.yml").is_file());
            let beside = inside.iter().filter_map(|file| file.parent()).map(|folder| folder.join("model.yml"));
            paths.extend(beside.chain(entry.map(|folder| folder.join("model.yml"))).filter(|path| is_there(path)));
            model_files = inside;
        }
        _ => {}
    }
    paths.extend(model_files);
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    if store != Store::Folder {
        // Jan's models lie deeper in its folder than those of the others.
        let models = Some(root.join("llamacpp/models")).filter(|models| store == Store::Jan && models.is_dir());
        paths = whole_folders(paths, models.as_deref().unwrap_or(root));
    }
    let links = paths.iter().filter(|path| path.is_symlink()).count();
    if links > 0 && note.is_none() {
        note = Some("the link is deleted; its target stays".to_owned());
    }
    let steps = paths.into_iter().map(|path| Step::new(Operation::Move, path)).collect();
    Item { what, kind: Kind::Model, store, root: root.to_owned(), steps, note }
}

/// Downloads that were broken off.
pub(super) fn partials(store: Store, root: &Path, now: SystemTime) -> Vec<Item> {
    let mut items = Vec::new();
    let mut waiting = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        for entry in files::entries(&folder).unwrap_or_default() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth < MAX_DEPTH && name != TRASH {
                waiting.push((path, depth + 1));
            } else if !is_folder && is_partial(&name) && files::is_old(&path, now) {
                let steps = vec![Step::new(Operation::Move, path)];
                let what = gguf::clean(&name, 200);
                items.push(Item { what, kind: Kind::Partial, store, root: root.to_owned(), steps, note: None });
            }
        }
    }
    items
}

fn is_partial(name: &str) -> bool {
    name.starts_with(INCOMPLETE) || PARTIAL.iter().any(|ending| name.ends_with(ending))
}

/// Folders below the root that these paths would leave empty stand for what is in them.
fn whole_folders(paths: Vec<PathBuf>, root: &Path) -> Vec<PathBuf> {
    let mut goes: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    let mut paths = paths;
    loop {
        let emptied = paths.iter().filter_map(|path| path.parent()).find(|folder| {
            *folder != root
                && folder.starts_with(root)
                && files::entries(folder).is_ok_and(|entries| entries.iter().all(|entry| goes.contains(&entry.path())))
        });
        let Some(folder) = emptied.map(Path::to_owned) else { return paths };
        paths.retain(|path| path.parent() != Some(&folder));
        goes.insert(folder.clone());
        paths.push(folder);
    }
}

/// `manifest=owner=name=tag.json` that names the file, and the file's own `.etag` and `.json`.
fn llama_cpp_companions(file: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().map(|name| name.to_string_lossy().into_owned()))
    else {
        return Vec::new();
    };
    let names_it = |manifest: &str| {
        let mut parts = manifest.strip_prefix("manifest=")?.strip_suffix(".json")?.split('=');
        let (owner, repository) = (parts.next()?, parts.next()?);
        let text = files::small(&folder.join(manifest), MAX_NAMING).ok()?;
        let document: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let inside = document.get("ggufFile")?.get("rfilename")?.as_str()?;
        (name == format!("{owner}_{repository}_{}", inside.replace('/', "_"))).then_some(())
    };
    let entries = files::entries(folder).unwrap_or_default();
    let manifests = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
    let manifests = manifests.filter(|manifest| names_it(manifest).is_some()).map(|manifest| folder.join(manifest));
    let own = ["etag", "json"].map(|ending| folder.join(format!("{name}.{ending}")));
    manifests.chain(own.into_iter().filter(|path| is_there(path))).collect()
}

/// The `.yaml` files at the top of the store whose `model:` is the file.
fn local_ai_settings(root: &Path, file: &Path) -> Vec<PathBuf> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let names_it = |path: &Path| {
        let bytes = files::small(path, MAX_NAMING).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let entries = yaml::mapping(&text).into_iter().chain(yaml::nested(&text, "parameters"));
        entries
            .filter(|(name, _)| name == "model")
            .any(|(_, value)| value.word().is_some_and(|it| Path::new(it) == inside))
    };
    let entries = files::entries(root).unwrap_or_default().into_iter().map(|entry| entry.path());
    entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"))
        .filter(|path| names_it(path))
        .collect()
}
