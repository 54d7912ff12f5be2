//! What is being fetched, written beside the part: an interrupted download is found again and can go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::api::Head;
use super::cache::Folder;
use super::lock::Lock;
use super::names;
use super::problem::HubError;
use crate::atomic_file;
use domain::download::Order;
use domain::download::hub::Interrupted;
use domain::model::Digest;
use domain::units::Bytes;

/// The longest journal: an order of some hundred parts.
const MAX_JOURNAL: u64 = 256 << 10;
/// The most files of an order.
pub(super) const MAX_FILES: usize = 1000;
/// The most interrupted downloads that are offered.
const MAX_INTERRUPTED: usize = 100;

/// A journal.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// The version of its shape.
    version: u32,
    /// What is fetched.
    order: Order,
    /// The commit that it is of.
    commit: String,
    /// Bytes of the order's other files that are complete.
    before: u64,
}

const VERSION: u32 = 1;

/// Note that this part belongs to an order, of which so many bytes were there before it.
pub(super) fn write(folder: &Folder, head: &Head, order: &Order, before: u64) -> Result<(), HubError> {
    let path = folder.journal(head.digest);
    let journal = Journal { version: VERSION, order: order.clone(), commit: head.commit.clone(), before };
    let text = serde_json::to_vec(&journal).map_err(std::io::Error::from);
    text.and_then(|text| atomic_file::replace(&path, &text)).map_err(HubError::at(&path))
}

/// Forget the journals of an order, with what is left of its parts: where its files changed on the hub meanwhile, older
/// parts are of no use. What another program fetches stays. Gives the commits that they were of.
pub(super) fn clear(cache: &Path, order: &Order) -> Vec<String> {
    let folder = Folder::new(cache, &order.repository);
    let mut commits = Vec::new();
    for (digest, journal) in journals(&folder) {
        if journal.order.is_same(order)
            && let Ok(Some(_lock)) = Lock::take(&folder.lock(digest))
        {
            let _ = fs::remove_file(folder.part(digest));
            let _ = fs::remove_file(folder.journal(digest));
            commits.extend(names::commit(&journal.commit).ok());
        }
    }
    commits
}

/// Throw away what came of an order that nobody works on.
pub fn discard(cache: &Path, order: &Order) {
    let commits = clear(cache, order);
    // Only folders with nothing in them can be removed this way: they were made for this order.
    let folder = Folder::new(cache, &order.repository);
    if fs::remove_dir(folder.blobs()).is_ok() {
        for file in &order.files {
            for commit in &commits {
                folder.forget(commit, &file.path);
            }
        }
    }
}

/// The downloads that were left unfinished in a cache and that nobody works on.
pub fn interrupted(cache: &Path) -> Vec<Interrupted> {
    let mut orders: BTreeMap<String, Interrupted> = BTreeMap::new();
    let Ok(entries) = fs::read_dir(cache) else { return Vec::new() };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let repository = name.to_str().and_then(|name| name.strip_prefix("models--")?.split_once("--"));
        let Some(repository) = repository.map(|(owner, name)| format!("{owner}/{name}")) else { continue };
        if names::check_repository(&repository).is_err() {
            continue;
        }
        let folder = Folder::new(cache, &repository);
        for (digest, journal) in journals(&folder) {
            let is_right = journal.order.repository == repository && is_order(&journal.order);
            // Somebody fetches it now.
            if !is_right || !matches!(Lock::take(&folder.lock(digest)), Ok(Some(_))) {
                continue;
            }
            let part = fs::metadata(folder.part(digest)).map_or(0, |metadata| metadata.len());
            let done = Bytes(journal.before.saturating_add(part).min(journal.order.size().0));
            let key = format!("{} {}", journal.order.name(), journal.order.revision);
            let known = orders.entry(key).or_insert(Interrupted { order: journal.order, done });
            known.done = known.done.max(done);
        }
        if orders.len() >= MAX_INTERRUPTED {
            break;
        }
    }
    orders.into_values().collect()
}

/// Whether nothing in an order leaves its place.
pub(super) fn is_order(order: &Order) -> bool {
    names::check_revision(&order.revision).is_ok()
        && (1..=MAX_FILES).contains(&order.files.len())
        && order.files.iter().all(|file| names::check_path(&file.path).is_ok())
}

fn journals(folder: &Folder) -> Vec<(Digest, Journal)> {
    let Ok(entries) = fs::read_dir(folder.blobs()) else { return Vec::new() };
    let digests = entries.flatten().filter_map(|entry| Folder::journal_of(entry.file_name().to_str()?));
    digests.filter_map(|digest| Some((digest, read(&folder.journal(digest))?))).collect()
}

fn read(path: &Path) -> Option<Journal> {
    let is_short = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_JOURNAL);
    let bytes = is_short.then(|| fs::read(path).ok()).flatten()?;
    serde_json::from_slice(&bytes).ok().filter(|journal: &Journal| journal.version == VERSION)
}
