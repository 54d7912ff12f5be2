//! `LocalAI`'s models: files in one folder, beside configurations that name them.
//!
//! A configuration is a `.yaml` at the top of the folder: `name`, `parameters.model` and `mmproj` are read. A model goes by
//! the name that its configuration gives it, several by several; one that has none goes by its file's. What a
//! configuration names need not end in `.gguf`, since what `LocalAI` fetches from an address is called after that.
//!
//! Absent: lists of configurations in one file, addresses of what is yet to be fetched, and which file is called after
//! which address, which only `LocalAI` knows.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use super::folder::{Naming, walk_named};
use crate::library::candidate::{Candidate, DigestSource, NAME_CHARS, id_text, is_gguf};
use crate::library::env::Env;
use crate::library::walk::{Kind, Walk, open};
use crate::library::yaml;
use domain::model::Store;

/// The longest configuration.
const MAX_CONFIG: u64 = 1 << 20;
/// Configurations that are read; a gallery has about a thousand.
const MAX_CONFIGS: usize = 10_000;

/// `LocalAI`'s models folder: its launcher's, and its service's.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    if let Some(path) = env.path("LOCALAI_MODELS_PATH").or_else(|| env.path("MODELS_PATH")) {
        return vec![path];
    }
    let service = env.system("usr/share/local-ai/models").filter(|path| path.is_dir());
    env.home(".localai/models").into_iter().chain(service).collect()
}

/// All models in `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let inside = |path: &Path| id_text(path.strip_prefix(root).unwrap_or(path).as_os_str());
    let found = walk_named(root, &mut HashSet::new(), walk, &Naming { id: &inside, repository: &|_| None });
    let named: Vec<_> = configurations(root, walk).iter().flat_map(|config| of_config(root, config, &found)).collect();
    let is_named = |candidate: &Candidate| named.iter().any(|named| named.parts == candidate.parts);
    let rest: Vec<_> = found.into_iter().filter(|candidate| !is_named(candidate)).collect();
    rest.into_iter().chain(named).collect()
}

/// What a configuration says: the name, the model's file, and the projector's.
type Config = (String, Option<String>, Option<String>);

/// The configurations at the top of `root`. One without a name is another tool's.
fn configurations(root: &Path, walk: &Walk<'_>) -> Vec<Config> {
    let is_config = |name: &Path| name.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let entries = walk.list_all_if_there(root).into_iter();
    let entries = entries.filter(|entry| entry.kind == Kind::File && is_config(entry.name.as_ref()));
    let read = |path: PathBuf| walk.small_file(&path, MAX_CONFIG, |bytes| (parse(bytes), true)).ok().flatten();
    entries.take(MAX_CONFIGS).filter_map(|entry| read(root.join(entry.name))).collect()
}

fn parse(bytes: &[u8]) -> Option<Config> {
    let text = String::from_utf8_lossy(bytes);
    let word = |entries: &[(String, yaml::Value)], name: &str| {
        entries.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.word().map(str::to_owned))
    };
    let entries = yaml::mapping(&text);
    let model = word(&yaml::nested(&text, "parameters"), "model");
    Some((word(&entries, "name")?, model, word(&entries, "mmproj")))
}

/// The models of one configuration that are there. Those that it has yet to fetch are no models on this machine.
fn of_config(root: &Path, (name, model, projector): &Config, found: &[Candidate]) -> Vec<Candidate> {
    let name = id_text(name.as_ref());
    let of_file = |what: &str, file: &Option<String>| {
        let file = Path::new(file.as_deref()?);
        // Anything else could lead out of the store.
        if !file.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let path = root.join(file);
        let known = found.iter().find(|candidate| candidate.parts.iter().any(|part| part.path == path));
        let new = || Candidate::new(Store::LocalAi, String::new(), "", path.clone(), DigestSource::Nowhere);
        let candidate = known.cloned().or_else(|| (!is_gguf(file.as_os_str()) && is_gguf_inside(&path)).then(new))?;
        Some(Candidate {
            id: format!("localai:{name}{}{what}", if what.is_empty() { "" } else { "#" }),
            name: gguf::clean(format!("{name} {what}").trim_end(), NAME_CHARS),
            ..candidate
        })
    };
    of_file("", model).into_iter().chain(of_file("projector", projector)).collect()
}

/// Whether a file begins as a GGUF does.
fn is_gguf_inside(path: &Path) -> bool {
    let Ok(file) = open(path) else { return false };
    let mut magic = [0; 4];
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && gguf::ReadAt::read_at(&file, &mut magic, 0).is_ok_and(|count| count == 4) && magic == *b"GGUF"
}
