//! Files that a store says belong to a model beside those that its row shows: parts that are missing, the small layers of
//! an Ollama model, links of a Hugging Face snapshot that lead nowhere.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::files;
use super::hub::{self, Repository};
use super::ollama::{self, Ollama};
use domain::model::{Format, Model, Status};

/// The longest listing of a repository's shards.
const MAX_INDEX: u64 = 64 << 20;
/// The most parts of one model.
const MAX_PARTS: u32 = 10_000;

/// What was read of the stores so far, and which files were given already: several models may have the same.
#[derive(Default)]
pub(super) struct Companions {
    ollamas: HashMap<PathBuf, Ollama>,
    repositories: HashMap<PathBuf, Vec<PathBuf>>,
    given: HashSet<PathBuf>,
}

impl Companions {
    /// What belongs to a model in its place and is in no list of its files.
    pub(super) fn of(&mut self, model: &Model) -> Vec<PathBuf> {
        let Some(first) = model.path().filter(|path| !path.as_os_str().is_empty()) else { return Vec::new() };
        let mut all = missing_parts(model, first);
        if let Some(root) = ollama::root_of(first) {
            let store = self.ollamas.entry(root).or_insert_with_key(|root| Ollama::read(root));
            all.extend(store.layers_of(model));
        } else if let Some(folder) = hub::folder_of(first) {
            let dangling = self.repositories.entry(folder).or_insert_with_key(|folder| {
                Repository::read(folder).map(|repository| repository.dangling()).unwrap_or_default()
            });
            all.extend(dangling.iter().cloned());
        }
        all.retain(|path| !model.files.iter().any(|file| file.path == *path) && self.given.insert(path.clone()));
        all
    }
}

/// Parts of a model in several files that are not there.
fn missing_parts(model: &Model, first: &Path) -> Vec<PathBuf> {
    // A whole file may be called like a part.
    if model.files.len() < 2 && !matches!(model.status, Status::Incomplete { .. }) {
        return Vec::new();
    }
    let mut parts = siblings(first).unwrap_or_default();
    if model.format != Format::Gguf {
        parts.extend(shards(first));
    }
    parts.retain(|path| !files::is_there(path));
    parts
}

/// All names of parts such as `m-00001-of-00003.gguf`.
fn siblings(part: &Path) -> Option<Vec<PathBuf>> {
    let (stem, ending) = part.file_name()?.to_str()?.rsplit_once('.')?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let n_parts: u32 = count.parse().ok().filter(|n_parts| *n_parts <= MAX_PARTS)?;
    let path = |number: u32| part.with_file_name(format!("{name}-{number:05}-of-{count}.{ending}"));
    (is_number(number) && is_number(count)).then(|| (1..=n_parts).map(path).collect())
}

/// The shards that `*.safetensors.index.json` beside the weights names.
fn shards(part: &Path) -> Vec<PathBuf> {
    let Some(folder) = part.parent() else { return Vec::new() };
    let entries = files::entries(folder).unwrap_or_default().into_iter().map(|entry| entry.path());
    let indices = entries.filter(|path| path.to_str().is_some_and(|path| path.ends_with(".safetensors.index.json")));
    let mut names = HashSet::new();
    for index in indices {
        let text = files::small(&index, MAX_INDEX).unwrap_or_default();
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let map = document.get("weight_map").and_then(serde_json::Value::as_object);
        names.extend(map.into_iter().flat_map(|map| map.values()).filter_map(|name| name.as_str().map(str::to_owned)));
    }
    // Anything else could lead out of the folder.
    let is_plain = |name: &String| Path::new(name).file_name().is_some_and(|file| file == name.as_str());
    let mut shards: Vec<_> = names.into_iter().filter(is_plain).map(|name| folder.join(name)).collect();
    shards.sort();
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_one_of_them() {
        for (part, expected) in [
            (
                "a/m-00002-of-00003.gguf",
                Some(["a/m-00001-of-00003.gguf", "a/m-00002-of-00003.gguf", "a/m-00003-of-00003.gguf"]),
            ),
            ("m-1-of-3.gguf", None),
            ("m.gguf", None),
            ("m-00001-of-99999.gguf", None),
        ] {
            let found = siblings(Path::new(part));
            assert_eq!(found, expected.map(|all| all.map(PathBuf::from).to_vec()), "{part}");
        }
    }
}
