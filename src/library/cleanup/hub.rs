//! A repository of the Hugging Face cache: what refers to what in it, and what goes with what.
//!
//! Order: links of a snapshot, snapshots, refs, then the blobs that no other snapshot of the repository uses. Where no
//! weights would be left the whole folder goes. A blob outside of the repository's own `blobs` is never touched, and
//! nothing that leads nowhere is left, for that hides the whole repository from the hub's own tools.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::{self, is_there, shown};
use domain::model::Store;
use domain::storage::{Item, Kind, Operation, Skipped, Step};

/// The longest ref; a commit's hash has 40 characters.
const MAX_REF: u64 = 256;
/// Entries of one repository's snapshots.
const MAX_ENTRIES: usize = 100_000;
/// How deep refs and snapshots go.
const MAX_DEPTH: usize = 16;
/// Endings of unfinished downloads.
const PARTIAL: [&str; 4] = [".incomplete", ".downloadInProgress", ".sync.part", ".partial"];
/// Endings of weights: a repository without any is of no use to anybody.
const WEIGHTS: [&str; 11] =
    ["gguf", "safetensors", "bin", "pt", "pth", "onnx", "ckpt", "h5", "msgpack", "npz", "tflite"];

/// An entry of a snapshot.
struct Entry {
    /// Its path from the snapshot.
    inside: PathBuf,
    path: PathBuf,
    target: Target,
}

/// What an entry leads to.
#[derive(PartialEq)]
enum Target {
    /// A blob of this repository, by its name.
    Blob(OsString),
    /// It is a file itself, where links are not to be had.
    File,
    /// A file elsewhere.
    Outside,
    /// Nothing.
    Nothing,
}

struct Revision {
    commit: OsString,
    folder: PathBuf,
    entries: Vec<Entry>,
}

/// A repository as it lies on disk.
pub(super) struct Repository {
    folder: PathBuf,
    revisions: Vec<Revision>,
    /// Each ref's file with the commit that it names.
    refs: Vec<(PathBuf, OsString)>,
    blobs: BTreeMap<OsString, fs::Metadata>,
}

/// The repository that a file of a snapshot belongs to.
pub(super) fn folder_of(file: &Path) -> Option<PathBuf> {
    let snapshots = file.ancestors().find(|folder| folder.file_name() == Some(OsStr::new("snapshots")))?;
    let folder = snapshots.parent()?;
    folder.file_name()?.to_str()?.starts_with("models--").then(|| folder.to_owned())
}

impl Repository {
    /// Read it whole. What can't be read is an error, for then nobody knows what is used.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let blobs_folder = folder.join("blobs");
        let own_blobs = fs::canonicalize(&blobs_folder).ok();
        let mut revisions = Vec::new();
        for snapshot in files::entries(&folder.join("snapshots"))? {
            if snapshot.file_type()?.is_dir() {
                let mut entries = Vec::new();
                walk(&snapshot.path(), Path::new(""), 0, &mut |path, inside| {
                    let target = target(&path, own_blobs.as_deref())?;
                    entries.push(Entry { inside, path, target });
                    if entries.len() > MAX_ENTRIES { Err(io::Error::other("too many files")) } else { Ok(()) }
                })?;
                revisions.push(Revision { commit: snapshot.file_name(), folder: snapshot.path(), entries });
            }
        }
        let mut refs = Vec::new();
        walk(&folder.join("refs"), Path::new(""), 0, &mut |path, _| {
            let text = files::small(&path, MAX_REF)?;
            refs.push((path, String::from_utf8_lossy(&text).trim().to_owned().into()));
            Ok(())
        })?;
        let mut blobs = BTreeMap::new();
        for blob in files::entries(&blobs_folder)? {
            blobs.insert(blob.file_name(), blob.path().symlink_metadata()?);
        }
        Ok(Self { folder: folder.to_owned(), revisions, refs, blobs })
    }

    /// The entries of its snapshots that lead nowhere.
    pub(super) fn dangling(&self) -> Vec<PathBuf> {
        self.entries().filter(|entry| entry.target == Target::Nothing).map(|entry| entry.path.clone()).collect()
    }

    /// What deletes the model that consists of these files.
    pub(super) fn remove(&self, what: String, model_files: &[PathBuf]) -> Result<Item, Skipped> {
        if let Some(lock) = self.held_lock() {
            return Err(Skipped {
                what,
                reason: format!("a download into its repository is under way ({} is locked)", shown(&lock)),
                hint: Some("try again when it has ended".to_owned()),
            });
        }
        // The model by name and by content: its older revisions go with it.
        let mut names = BTreeSet::new();
        let mut contents = BTreeSet::new();
        for entry in self.entries().filter(|entry| model_files.contains(&entry.path)) {
            names.insert(&entry.inside);
            if let Target::Blob(blob) = &entry.target {
                contents.insert(blob);
            }
        }
        let goes = |entry: &Entry| {
            names.contains(&entry.inside) || matches!(&entry.target, Target::Blob(blob) if contents.contains(blob))
        };
        if !self.entries().any(|entry| !goes(entry) && is_weight(&entry.inside)) {
            return Ok(self.item(what, Kind::Model, vec![self.folder.clone()]));
        }
        Ok(self.item(what, Kind::Model, self.without(|_| false, goes)))
    }

    /// What `prune` would do of these kinds, each with its own item.
    pub(super) fn prune(&self, kinds: &[Kind], now: SystemTime) -> Vec<Item> {
        let is_old = |metadata: &fs::Metadata| {
            metadata.modified().is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age >= files::OLD))
        };
        let name = self.name();
        let mut items = Vec::new();
        if self.held_lock().is_some() {
            return items;
        }
        let named: BTreeSet<&OsString> = self.refs.iter().map(|(_, commit)| commit).collect();
        let has_named = self.revisions.iter().any(|revision| named.contains(&revision.commit));
        let is_detached = |revision: &Revision| has_named && !named.contains(&revision.commit);
        if kinds.contains(&Kind::Detached) && self.revisions.iter().any(&is_detached) {
            let commits: Vec<_> = self.revisions.iter().filter(|revision| is_detached(revision)).collect();
            let short = |revision: &&Revision| revision.commit.to_string_lossy().chars().take(8).collect::<String>();
            let what = format!("{name} {}", commits.iter().map(short).collect::<Vec<_>>().join(", "));
            items.push(self.item(what, Kind::Detached, self.without(is_detached, |_| false)));
        }
        if kinds.contains(&Kind::Dangling) {
            let mut paths = self.without(|_| false, |entry| entry.target == Target::Nothing);
            let to_nothing = self
                .refs
                .iter()
                .filter(|(_, commit)| !self.revisions.iter().any(|revision| revision.commit == *commit));
            paths.extend(to_nothing.map(|(path, _)| path.clone()));
            paths.dedup();
            items.extend(Some(self.item(name.clone(), Kind::Dangling, paths)).filter(|item| !item.steps.is_empty()));
        }
        let used: BTreeSet<&OsString> = self.used(|_| true).collect();
        for (blob, metadata) in self.blobs.iter().filter(|(blob, _)| !used.contains(blob)) {
            let kind = if is_partial(blob) { Kind::Partial } else { Kind::Orphan };
            // A download writes its blob first and the link to it last.
            if kinds.contains(&kind) && is_old(metadata) {
                let what = format!("{name} {}", short_name(blob));
                items.push(self.item(what, kind, vec![self.folder.join("blobs").join(blob)]));
            }
        }
        items
    }

    /// `owner/name`.
    fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        gguf::clean(&name.trim_start_matches("models--").replacen("--", "/", 1), 200)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.revisions.iter().flat_map(|revision| &revision.entries)
    }

    /// The blobs that entries of this kind use.
    fn used(&self, is_asked: impl Fn(&Entry) -> bool) -> impl Iterator<Item = &OsString> {
        self.entries().filter(move |entry| is_asked(entry)).filter_map(|entry| match &entry.target {
            Target::Blob(blob) => Some(blob),
            _ => None,
        })
    }

    /// What goes with these revisions and these entries, in order.
    fn without(&self, revision_goes: impl Fn(&Revision) -> bool, entry_goes: impl Fn(&Entry) -> bool) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let mut late = Vec::new();
        let (mut freed, mut kept) = (BTreeSet::new(), BTreeSet::new());
        for revision in &self.revisions {
            // A snapshot without files goes whole, with all that names it.
            let is_whole =
                revision_goes(revision) || (!revision.entries.is_empty() && revision.entries.iter().all(&entry_goes));
            for entry in &revision.entries {
                let goes = is_whole || entry_goes(entry);
                if goes && !is_whole {
                    paths.push(entry.path.clone());
                }
                if let Target::Blob(blob) = &entry.target {
                    if goes { &mut freed } else { &mut kept }.insert(blob);
                }
            }
            if is_whole {
                paths.push(revision.folder.clone());
                let names_it = self.refs.iter().filter(|(_, commit)| *commit == revision.commit);
                late.extend(names_it.map(|(path, _)| path.clone()));
                let mut tree = revision.commit.clone();
                tree.push(".json");
                let beside =
                    [self.folder.join("trees").join(tree), self.folder.join(".no_exist").join(&revision.commit)];
                late.extend(beside.into_iter().filter(|path| is_there(path)));
            }
        }
        paths.extend(late);
        paths.extend(freed.difference(&kept).map(|blob| self.folder.join("blobs").join(blob)));
        paths
    }

    fn item(&self, what: String, kind: Kind, paths: Vec<PathBuf>) -> Item {
        Item {
            what,
            kind,
            store: Store::HuggingFace,
            root: self.folder.parent().unwrap_or(&self.folder).to_owned(),
            steps: paths.into_iter().map(|path| Step::new(Operation::Move, path)).collect(),
            note: None,
        }
    }

    /// A lock of the hub's tools that somebody holds: a download is under way.
    fn held_lock(&self) -> Option<PathBuf> {
        let folder = self.folder.parent()?.join(".locks").join(self.folder.file_name()?);
        let locks = files::entries(&folder).ok()?.into_iter().map(|entry| entry.path());
        locks
            .filter(|lock| lock.extension() == Some(OsStr::new("lock")))
            .find(|lock| File::open(lock).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock))))
    }
}

/// All that is no folder at `folder` and below: its path, and its path from the first folder.
fn walk(
    folder: &Path,
    inside: &Path,
    depth: usize,
    take: &mut dyn FnMut(PathBuf, PathBuf) -> io::Result<()>,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!("{} is nested too deeply", shown(folder))));
    }
    for entry in files::entries(folder)? {
        let inside = inside.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &inside, depth + 1, take)?;
        } else {
            take(entry.path(), inside)?;
        }
    }
    Ok(())
}

fn target(path: &Path, own_blobs: Option<&Path>) -> io::Result<Target> {
    if !path.symlink_metadata()?.is_symlink() {
        return Ok(Target::File);
    }
    // One hop only: the hub's tools let a blob itself be a link to one that several repositories share.
    let link = path.parent().unwrap_or(path).join(fs::read_link(path)?);
    let is_own = link.parent().and_then(|folder| fs::canonicalize(folder).ok()).as_deref() == own_blobs;
    Ok(match path.metadata() {
        Ok(_) if own_blobs.is_some() && is_own => Target::Blob(link.file_name().unwrap_or_default().to_owned()),
        Ok(_) => Target::Outside,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Target::Nothing,
        Err(error) => return Err(error),
    })
}

fn is_weight(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| WEIGHTS.contains(&extension.as_str()))
}

pub(super) fn is_partial(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    PARTIAL.iter().any(|ending| name.ends_with(ending))
}

/// A hash by its beginning, as people know them.
fn short_name(blob: &OsStr) -> String {
    let name = blob.to_string_lossy();
    let hash: String = name.chars().take_while(char::is_ascii_hexdigit).collect();
    if hash.len() >= 40 {
        name.replacen(&hash, &hash.chars().take(12).collect::<String>(), 1)
    } else {
        name.into_owned()
    }
}
