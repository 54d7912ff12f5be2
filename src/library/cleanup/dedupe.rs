//! Files of the same content, and how they could share its space.
//!
//! The key is the SHA-256: free from the name of a blob, else read, of files only that have the size and the
//! fingerprint of another. Sharing is by blocks where the file system can, else one file under two names; on one mount
//! and of one owner.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Identity, identity, shown};
use super::stores::CleanupContext;
use super::{hash, share, trash, verify};
use domain::model::{Digest, Model, Store};
use domain::storage::{CleanupPlan, Item, Kind, Operation, Sharing, Step};

/// A smaller file is not worth a link.
const LEAST: u64 = 1 << 16;

/// How far files are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// By the hashes that their stores tell alone.
    Known,
    /// Those without a hash by their size and both ends: a guess.
    Ends,
    /// Those without a hash whole.
    Whole,
}

/// A file with all its names that we know.
struct Copy {
    names: Vec<(Store, PathBuf, String)>,
    metadata: Metadata,
    digest: Option<Digest>,
}

pub(super) fn plan(
    cleanup: &CleanupContext,
    models: &[Arc<Model>],
    compare: Compare,
    link_folders: bool,
    plan: &mut CleanupPlan,
) {
    let mut by_size = BTreeMap::<u64, Vec<Copy>>::new();
    for copy in copies(models) {
        by_size.entry(copy.metadata.len()).or_default().push(copy);
    }
    let mut can_clone = HashMap::new();
    for (_, copies) in by_size.into_iter().rev().filter(|(_, copies)| copies.len() > 1) {
        for mut same in identical(copies, compare, plan) {
            // Ollama's content is never a target, and a folder of the user's own rather than a store is.
            same.sort_by_key(|copy| copy.names.iter().map(|(store, ..)| preference(*store)).min());
            let mut rest = same.into_iter();
            let Some(first) = rest.next() else { continue };
            for copy in rest {
                join(cleanup, &first, &copy, link_folders, &mut can_clone, plan);
            }
        }
    }
}

/// Who keeps the content: the lowest.
fn preference(store: Store) -> u8 {
    match store {
        Store::Ollama => 0,
        Store::HuggingFace => 1,
        Store::Folder => 3,
        _ => 2,
    }
}

/// All weight files that may share, by what they truly are.
fn copies(models: &[Arc<Model>]) -> impl Iterator<Item = Copy> {
    let mut found = BTreeMap::<Identity, Copy>::new();
    for model in models.iter().flat_map(|model| model.places()) {
        if matches!(model.store, Store::Starter | Store::RamaLama | Store::Docker) {
            continue;
        }
        for file in &model.files {
            let Ok(path) = fs::canonicalize(&file.path) else { continue };
            let Ok(metadata) = path.metadata() else { continue };
            if !metadata.is_file() || metadata.len() < LEAST {
                continue;
            }
            let digest =
                file.digest.or_else(|| verify::known(&file.path)).filter(|digest| matches!(digest, Digest::Sha256(_)));
            let copy =
                found.entry(identity(&metadata)).or_insert_with(|| Copy { names: Vec::new(), metadata, digest: None });
            copy.digest = copy.digest.or(digest);
            // A link in one store to a file of another is that file, and belongs where it lies.
            let store = owner(&path).unwrap_or(model.store);
            if !copy.names.iter().any(|(_, known, _)| *known == path) {
                copy.names.push((store, path, model.name.clone()));
            }
        }
    }
    found.into_values()
}

/// The store whose layout a path shows.
fn owner(path: &Path) -> Option<Store> {
    let blobs = path.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "blobs"))?;
    let above = blobs.parent()?;
    if above.join("manifests").is_dir() {
        return Some(Store::Ollama);
    }
    above.file_name()?.to_str()?.starts_with("models--").then_some(Store::HuggingFace)
}

/// Of files of one size, those of one content together.
fn identical(copies: Vec<Copy>, compare: Compare, plan: &mut CleanupPlan) -> Vec<Vec<Copy>> {
    let mut by_hash = BTreeMap::<Digest, Vec<Copy>>::new();
    let mut by_print = BTreeMap::<[u8; 32], Vec<Copy>>::new();
    let all_known = copies.iter().all(|copy| copy.digest.is_some());
    for copy in copies {
        match copy.digest {
            Some(digest) if all_known || compare == Compare::Known => by_hash.entry(digest).or_default().push(copy),
            _ if compare == Compare::Known => {}
            _ => match hash::fingerprint(&copy.names[0].1) {
                Ok(print) => by_print.entry(print).or_default().push(copy),
                Err(error) => plan.refuse(&shown(&copy.names[0].1), &files::reason(&error), None),
            },
        }
    }
    let by_print = by_print.into_iter().filter(|(_, copies)| copies.len() > 1);
    if compare == Compare::Ends {
        for (print, copies) in by_print {
            // What has no hash may be any of those that have one.
            let like = copies.iter().find_map(|copy| copy.digest).unwrap_or(Digest::Sha256(print));
            for copy in copies {
                by_hash.entry(copy.digest.unwrap_or(like)).or_default().push(copy);
            }
        }
        return by_hash.into_values().filter(|copies| copies.len() > 1).collect();
    }
    for copy in by_print.flat_map(|(_, copies)| copies) {
        let path = &copy.names[0].1;
        let digest = copy.digest.map_or_else(|| hash::file(path, Digest::Sha256([0; 32]), &mut |_| ()), Ok);
        match digest {
            Ok(digest) => by_hash.entry(digest).or_default().push(copy),
            Err(error) => plan.refuse(&shown(path), &files::reason(&error), None),
        }
    }
    by_hash.into_values().filter(|copies| copies.len() > 1).collect()
}

/// Plan to let all names of `copy` share what `first` has.
fn join(
    cleanup: &CleanupContext,
    first: &Copy,
    copy: &Copy,
    link_folders: bool,
    can_clone: &mut HashMap<PathBuf, bool>,
    plan: &mut CleanupPlan,
) {
    let Some((first_store, source, _)) = first.names.first() else { return };
    for (store, path, name) in &copy.names {
        let what = format!("{name} in {}", store.name());
        let mut refuse = |reason: &str, hint: Option<&str>| plan.refuse(&what, reason, hint.map(str::to_owned));
        if *store == Store::Ollama {
            refuse("Ollama's content is left to Ollama", None);
            continue;
        }
        if files::mount(source).ok() != files::mount(path).ok() {
            refuse(&format!("its copy in {} is on another file system", first_store.name()), None);
            continue;
        }
        let (one, other) = (&first.metadata, &copy.metadata);
        if (one.uid(), one.gid()) != (other.uid(), other.gid()) {
            refuse(&format!("its copy in {} belongs to another user", first_store.name()), None);
            continue;
        }
        let root = cleanup.root(*store, path);
        let clones = trash::place(*store, &root, path).is_ok_and(|folder| {
            let parent = folder.parent().unwrap_or(&folder).to_owned();
            *can_clone.entry(parent).or_insert_with_key(|folder| share::may_clone(folder))
        });
        let how = if clones { Sharing::Reflink } else { Sharing::HardLink };
        let in_folder = [first_store, store].contains(&&Store::Folder);
        if how == Sharing::HardLink && in_folder && !link_folders {
            refuse(
                "a program that edits one of your own files in place would change both names",
                Some("`--link-folders` links them all the same"),
            );
            continue;
        }
        plan.items.push(Item {
            what: name.clone(),
            kind: Kind::Duplicate,
            store: *store,
            root,
            steps: vec![Step::new(Operation::Share { source: source.clone(), how }, path.clone())],
            note: Some(match how {
                Sharing::Reflink => format!("shares blocks with its copy in {}", first_store.name()),
                Sharing::HardLink => format!("becomes another name of its copy in {}", first_store.name()),
            }),
        });
    }
}
