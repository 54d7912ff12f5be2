//! The Hugging Face cache: `models--owner--name/{blobs,refs,snapshots,trees}`, read only.
//!
//! Of each repository the revision that `refs/main` names shows, else the newest; files that only other revisions hold
//! show too, since they take space and can be run. Partial downloads lie under other names and do not show.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::library::candidate::{Candidate, DigestSource, group, id_text, is_gguf};
use crate::library::env::Env;
use crate::library::index::Stamp;
use crate::library::spread::spread;
use crate::library::walk::{Entry, Kind, Walk};
use crate::library::{card, digest, safetensors};
use domain::units::Bytes;

/// Folders below a snapshot that are looked into.
const MAX_DEPTH: usize = 6;
/// The longest name of a file in a reason, characters.
const NAME_CHARS: usize = 100;
/// The longest ref; a commit's hash has 40 characters.
const MAX_REF: u64 = 256;

/// Where the cache is, after the hub's own rules.
pub(in crate::library) fn place(env: &Env) -> Option<PathBuf> {
    env.path("HF_HUB_CACHE")
        .or_else(|| env.path("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| env.path("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| env.path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
        .or_else(|| env.home.as_ref().map(|home| home.join(".cache/huggingface/hub")))
}

/// All models of the cache at `hub`.
pub(in crate::library) fn walk(hub: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    spread(walk.list_if_there(hub), |entries| {
        let mut candidates = Vec::new();
        for entry in entries {
            let name = id_text(&entry.name);
            if let Some(repository) = name.strip_prefix("models--").filter(|repository| !repository.is_empty()) {
                walk_repository(&hub.join(&entry.name), &repository.replacen("--", "/", 1), walk, &mut candidates);
            }
        }
        candidates
    })
}

/// A repository, and how deep the walk is in it.
#[derive(Clone, Copy)]
struct WalkContext<'a> {
    /// `owner/name`.
    repository: &'a str,
    /// The listing of the revision's files, which need not be there.
    tree: &'a Arc<PathBuf>,
    depth: usize,
}

fn walk_repository(folder: &Path, repository: &str, walk: &Walk<'_>, candidates: &mut Vec<Candidate>) {
    let snapshots = folder.join("snapshots");
    let mut revisions: Vec<_> =
        walk.list_if_there(&snapshots).into_iter().filter(|entry| entry.kind != Kind::File).collect();
    if let [revision] = &revisions[..] {
        return walk_revision(folder, &revision.name, repository, walk, candidates);
    }
    sort_revisions(folder, &snapshots, &mut revisions);
    let mut found = Vec::new();
    for revision in &revisions {
        walk_revision(folder, &revision.name, repository, walk, &mut found);
    }
    candidates.extend(once(found));
}

fn walk_revision(folder: &Path, revision: &OsStr, repository: &str, walk: &Walk<'_>, candidates: &mut Vec<Candidate>) {
    let mut tree = OsString::from(revision);
    tree.push(".json");
    let tree = Arc::new(folder.join("trees").join(tree));
    let snapshot = folder.join("snapshots").join(revision);
    let place = WalkContext { repository, tree: &tree, depth: 0 };
    let first = candidates.len();
    let card = walk_snapshot(&snapshot, OsStr::new(""), place, walk, candidates);
    compare(&mut candidates[first..], &snapshot, &tree, walk);
    if let Some(card) = card.filter(|_| candidates.len() > first) {
        let card = card::read_as(&snapshot.join("README.md"), card, walk);
        for candidate in &mut candidates[first..] {
            candidate.card.clone_from(&card);
        }
    }
}

/// Hold split files and those that nobody looks into against the revision's listing: their names tell how many there
/// should be, and only the listing how long each is.
fn compare(candidates: &mut [Candidate], snapshot: &Path, tree: &Path, walk: &Walk<'_>) {
    let is_split = |candidate: &&mut Candidate| candidate.count > 1 || candidate.other.is_some();
    let mut split = candidates.iter_mut().filter(|candidate| is_split(candidate)).peekable();
    let listed = if split.peek().is_some() { digest::listed_weights(tree, walk) } else { return };
    for candidate in split {
        candidate.short = candidate.parts.iter().find_map(|part| {
            let name = part.path.strip_prefix(snapshot).ok()?.to_str()?;
            let (_, size, _) = listed.iter().find(|(listed, _, _)| listed == name)?;
            let here = fs::metadata(&part.path).ok()?.len();
            (here != *size).then(|| {
                let name = gguf::clean(name, NAME_CHARS);
                format!("{name} has {} of {}", Bytes(here), Bytes(*size))
            })
        });
    }
}

/// What `refs/main` names first, then the newest.
fn sort_revisions(folder: &Path, snapshots: &Path, revisions: &mut [Entry]) {
    let main = read_ref(&folder.join("refs/main"));
    revisions.sort_by_cached_key(|revision| {
        let modified = fs::metadata(snapshots.join(&revision.name)).and_then(|metadata| metadata.modified()).ok();
        (main.as_deref() != Some(&*revision.name.to_string_lossy()), std::cmp::Reverse(modified))
    });
}

fn read_ref(path: &Path) -> Option<String> {
    let is_short = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_REF);
    is_short.then(|| fs::read_to_string(path).ok()).flatten().map(|text| text.trim().to_owned())
}

/// Of what several revisions hold, each file name and each content once: the first, unless a later one has more parts.
fn once(found: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    let mut by_id = HashMap::<String, usize>::new();
    let mut contents = HashSet::new();
    for candidate in found {
        let content: Vec<_> = candidate.parts.iter().filter_map(|part| fs::canonicalize(&part.path).ok()).collect();
        match by_id.get(&candidate.id) {
            Some(&index) if kept[index].parts.len() < candidate.parts.len() => kept[index] = candidate,
            Some(_) => {}
            None if !content.is_empty() && !contents.insert(content) => {}
            None => {
                by_id.insert(candidate.id.clone(), kept.len());
                kept.push(candidate);
            }
        }
    }
    kept
}

/// `inside` is the path from the snapshot to `folder`, with a slash at its end unless it is empty. Gives the folder's stamp
/// where a model card lies in it: links change with their folder, and what they lead to does not.
fn walk_snapshot(
    folder: &Path,
    inside: &OsStr,
    place: WalkContext<'_>,
    walk: &Walk<'_>,
    candidates: &mut Vec<Candidate>,
) -> Option<Stamp> {
    let WalkContext { repository, tree, depth } = place;
    let (entries, stamp) = walk.list_with_stamp(folder);
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.kind == Kind::Directory);
    let card = files.iter().find(|entry| entry.name == "README.md");
    let card = card.and_then(|card| match card.kind {
        Kind::Link => stamp,
        _ => fs::metadata(folder.join("README.md")).ok().as_ref().map(Stamp::of),
    });
    // Where links are off, the files themselves are here, and only the repository's listing tells their digests.
    let real: HashSet<_> =
        files.iter().filter(|entry| entry.kind == Kind::File).map(|entry| entry.name.clone()).collect();
    let digest = |name: &OsStr| match inside.to_str().zip(name.to_str()).filter(|_| real.contains(name)) {
        Some((inside, name)) => DigestSource::Tree(Arc::clone(tree), format!("{inside}{name}")),
        None => DigestSource::Link,
    };
    let store = walk.store();
    let id = |name: &str| format!("{}:{repository}{name}", store.name());
    let inside_text = id_text(inside);
    let whole_name = match inside_text.trim_end_matches('/') {
        "" => String::new(),
        inside => format!("/{inside}"),
    };
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let other =
        safetensors::collect(folder, &files, store, id(&whole_name), &format!("{name}{whole_name}"), walk, digest);
    candidates.extend(other.map(|other| Candidate { repository: Some(repository.to_owned()), ..other }));
    let names = files.into_iter().map(|entry| entry.name).filter(|name| is_gguf(name));
    candidates.extend(group(
        folder,
        names,
        store,
        Some(repository),
        |file_name| id(&format!("/{inside_text}{}", id_text(file_name))),
        digest,
    ));
    for entry in folders {
        let path = folder.join(&entry.name);
        if depth >= MAX_DEPTH {
            walk.too_deep(path);
            continue;
        }
        let mut inside = OsString::from(inside);
        inside.push(&entry.name);
        inside.push("/");
        walk_snapshot(&path, &inside, WalkContext { depth: depth + 1, ..place }, walk, candidates);
    }
    card
}
