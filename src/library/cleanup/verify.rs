//! Whether files are there and are what their stores say they are, without a network.
//!
//! A store says it by the name of a blob (Ollama, the Hugging Face cache), by the hub's listing of a revision
//! (`trees/COMMIT.json`), or by llama.cpp's `.etag`. Where none does there is nothing to compare with.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::companions::Companions;
use super::files::Identity;
use super::{files, hash, hub};
use crate::library::digest::{self, MAX_TREE};
use domain::model::{Digest, Model};
use domain::units::Bytes;

/// The longest `.etag`.
const MAX_ETAG: u64 = 256;

/// How a file fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is what its store says.
    Right,
    /// It is not: what it should be and what it is.
    Wrong {
        /// The hash that its store names.
        expected: Digest,
        /// The hash of what is there.
        found: Digest,
    },
    /// It is not there, although its store says so: a blob, what a link leads to, or a part.
    Missing,
    /// Its store says no hash.
    Unknown,
    /// It can't be read: the system's reason.
    Unreadable(String),
}

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Of which model, by its id.
    pub model: String,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// How it fared.
    pub verdict: Verdict,
}

/// A file that is to be looked at.
struct Waiting<'a> {
    model: &'a Model,
    path: PathBuf,
    size: Bytes,
    /// What its store says.
    expected: Option<Digest>,
    /// Which file it truly is, or how it fares without being read.
    same: Result<Option<Identity>, Verdict>,
}

/// Verify all files of these models; a file of several names is read once. `progress` is told how many bytes of how many are done, and the
/// file at work; `tell` each verdict.
pub fn verify(
    models: &[Arc<Model>],
    progress: &mut dyn FnMut(Bytes, Bytes, &Path),
    tell: &mut dyn FnMut(&Checked),
) -> Vec<Checked> {
    let mut waiting = Vec::new();
    let mut companions = Companions::default();
    for model in models.iter().flat_map(|model| model.places()) {
        let own = model.files.iter().filter(|file| !file.path.as_os_str().is_empty());
        let own: Vec<_> = own.map(|file| (file.path.clone(), file.size, file.digest)).collect();
        let beside = companions.of(model).into_iter().map(|path| {
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            (path, Bytes(size), None)
        });
        for (path, size, digest) in own.iter().cloned().chain(beside) {
            let same = match path.metadata() {
                Ok(metadata) => Ok(Some(files::identity(&metadata))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Verdict::Missing),
                Err(_) => Ok(None),
            };
            let expected = digest.or_else(|| known(&path)).filter(|_| same.is_ok());
            waiting.push(Waiting { model, path, size, expected, same });
        }
    }
    // A file of several names is read once for each kind of hash.
    let mut found = HashMap::new();
    let kind = |digest: &Digest| matches!(digest, Digest::Sha256(_));
    let mut counted = HashSet::new();
    let is_read = |one: &&Waiting<'_>| {
        let same = one.same.as_ref().ok().copied().flatten();
        one.expected.is_some_and(|expected| counted.insert((same, kind(&expected))))
    };
    let total: Bytes = waiting.iter().filter(is_read).map(|one| one.size).sum();
    let mut before = Bytes(0);
    let mut checked = Vec::new();
    for Waiting { model, path, size, expected, same } in waiting {
        let same = match same {
            Ok(same) => same,
            Err(verdict) => {
                let one = Checked { model: model.id.clone(), path, size, verdict };
                tell(&one);
                checked.push(one);
                continue;
            }
        };
        let mut read = |expected: Digest| {
            if let Some(digest) = found.get(&(same, kind(&expected))) {
                return Ok(*digest);
            }
            let done = hash::file(&path, expected, &mut |done| progress(before + Bytes(done), total, &path));
            before = before + size;
            if let (Ok(digest), Some(_)) = (&done, same) {
                found.insert((same, kind(&expected)), *digest);
            }
            done
        };
        let verdict = match expected.map(|expected| (expected, read(expected))) {
            None => Verdict::Unknown,
            Some((expected, Ok(found))) if found == expected => Verdict::Right,
            Some((expected, Ok(found))) => Verdict::Wrong { expected, found },
            // It went while others were read.
            Some((_, Err(error))) if error.kind() == io::ErrorKind::NotFound => Verdict::Missing,
            Some((_, Err(error))) => Verdict::Unreadable(files::reason(&error)),
        };
        let one = Checked { model: model.id.clone(), path, size, verdict };
        tell(&one);
        checked.push(one);
    }
    checked
}

/// What the store says a file hashes to.
pub(super) fn known(path: &Path) -> Option<Digest> {
    by_blob(path).or_else(|| by_tree(path)).or_else(|| by_etag(path))
}

/// The name of a blob, and of what a link leads to.
fn by_blob(path: &Path) -> Option<Digest> {
    let path = std::fs::canonicalize(path).ok()?;
    let is_blob = path.parent()?.file_name() == Some(OsStr::new("blobs"));
    path.file_name()?.to_str().filter(|_| is_blob)?.parse().ok()
}

/// What the hub's listing of the revision says.
fn by_tree(path: &Path) -> Option<Digest> {
    let folder = hub::folder_of(path)?;
    let inside = path.strip_prefix(folder.join("snapshots")).ok()?;
    let commit = inside.components().next()?.as_os_str();
    let file = inside.strip_prefix(commit).ok()?.to_str()?;
    let mut name = commit.to_owned();
    name.push(".json");
    let text = files::small(&folder.join("trees").join(name), MAX_TREE).ok()?;
    let listed = digest::listed(&text, |name| name == file);
    listed.into_iter().next().map(|(_, _, digest)| digest)
}

/// What llama.cpp wrote down when it fetched the file, where that is a SHA-256.
fn by_etag(path: &Path) -> Option<Digest> {
    let mut name = path.as_os_str().to_owned();
    name.push(".etag");
    let text = files::small(Path::new(&name), MAX_ETAG).ok()?;
    let digest = String::from_utf8(text).ok()?.trim().trim_start_matches("W/").trim_matches('"').parse().ok()?;
    Some(digest).filter(|digest| matches!(digest, Digest::Sha256(_)))
}
