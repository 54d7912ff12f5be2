//! What earlier scans read, so that the next one need not: folders by their time, headers by their file's stamp.
//!
//! An index is a convenience. One that is missing, damaged, of another build or not writable costs time, nothing else.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::Hasher as _;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::replace::replace;
use super::walk::Kind;

/// Names the file's layout, before the number of the build.
const MAGIC: &[u8; 16] = b"taffrail index 1";
/// Magic, build, checksum.
const HEAD: usize = 32;
/// A longer index is not read: 100,000 models take about half.
const MAX_INDEX: u64 = 128 << 20;
/// What changed this shortly before it was looked at may change again within the same tick of the file system's clock,
/// and is not remembered. Nanoseconds; FAT has ticks of two seconds.
const UNSETTLED: i64 = 2_500_000_000;

/// What tells one content of a file or folder from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Bytes; 0 for a folder.
    pub(super) size: u64,
    /// Last change, nanoseconds since 1970.
    pub(super) modified: i64,
    /// The file's number in its file system; 0 where there is none.
    pub(super) inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        Self { size, modified: nanoseconds(metadata.modified()), inode }
    }
}

/// Nanoseconds since 1970; 0 where the system does not tell.
pub(super) fn nanoseconds(time: io::Result<std::time::SystemTime>) -> i64 {
    time.ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| since.as_nanos().try_into().ok())
        .unwrap_or(0)
}

/// What a file's header said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub(super) stamp: Stamp,
    /// The summary, or the reader's reason.
    pub(super) outcome: Result<gguf::Summary, String>,
    /// When it had been read last before we read its header, seconds since 1970.
    pub(super) used: Option<i64>,
    /// The time of reading that our own reading left, nanoseconds since 1970.
    pub(super) accessed: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DirectoryRecord {
    stamp: Stamp,
    entries: Vec<(String, Kind)>,
}

/// A record, and whether this scan came upon it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<T> {
    record: T,
    #[serde(skip)]
    seen: AtomicBool,
}

impl<T> Kept<T> {
    fn new(record: T) -> Self {
        Self { record, seen: AtomicBool::new(true) }
    }

    fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    directories: HashMap<String, Kept<DirectoryRecord>>,
    files: HashMap<String, Kept<FileRecord>>,
}

/// The index during one scan. Threads share it: what is known stays as it was, what is new is collected beside it.
#[derive(Debug)]
pub(super) struct Index {
    place: Option<PathBuf>,
    build: u64,
    /// Nanoseconds since 1970.
    now: i64,
    known: Table,
    fresh: Mutex<Table>,
}

impl Index {
    /// Read the index of this build from `place`; an empty one where there is none.
    pub(super) fn load(place: Option<PathBuf>, build: u64, now: i64) -> Self {
        let known = place.as_deref().and_then(|place| decode(&read(place)?, build)).unwrap_or_default();
        Self { place, build, now: now.saturating_mul(1_000_000_000), known, fresh: Mutex::default() }
    }

    /// The entries of a folder that has not changed.
    pub(super) fn directory(&self, path: &Path, stamp: Stamp) -> Option<&[(String, Kind)]> {
        let kept = self.known.directories.get(path.to_str()?).filter(|kept| kept.record.stamp == stamp)?;
        kept.seen.store(true, Ordering::Relaxed);
        Some(&kept.record.entries)
    }

    /// What the header of a file that has not changed said.
    pub(super) fn file(&self, path: &Path, stamp: Stamp) -> Option<&FileRecord> {
        let kept = self.known.files.get(path.to_str()?).filter(|kept| kept.record.stamp == stamp)?;
        kept.seen.store(true, Ordering::Relaxed);
        Some(&kept.record)
    }

    /// Remember a folder. Names that are no Unicode are not remembered, and the folder is read again next time.
    pub(super) fn add_directory(&self, path: &Path, stamp: Stamp, entries: Option<Vec<(String, Kind)>>) {
        if let (Some(path), Some(entries), true) = (path.to_str(), entries, self.is_settled(stamp)) {
            let record = Kept::new(DirectoryRecord { stamp, entries });
            self.lock_fresh().directories.insert(path.to_owned(), record);
        }
    }

    /// Remember a file's header.
    pub(super) fn add_file(&self, path: &Path, record: FileRecord) {
        if let (Some(path), true) = (path.to_str(), self.is_settled(record.stamp)) {
            self.lock_fresh().files.insert(path.to_owned(), Kept::new(record));
        }
    }

    /// Write down what this scan saw, if it differs from what is written already.
    pub(super) fn save(self) -> io::Result<()> {
        let Self { place, build, mut known, fresh, .. } = self;
        let fresh = fresh.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_unchanged = fresh.directories.is_empty()
            && fresh.files.is_empty()
            && known.directories.values().all(Kept::is_seen)
            && known.files.values().all(Kept::is_seen);
        let Some(place) = place.filter(|_| !is_unchanged) else { return Ok(()) };
        known.directories.retain(|_, kept| kept.is_seen());
        known.files.retain(|_, kept| kept.is_seen());
        known.directories.extend(fresh.directories);
        known.files.extend(fresh.files);
        let bytes = encode(&known, build)?;
        replace(&place, |file| file.write_all(&bytes))
    }

    fn is_settled(&self, stamp: Stamp) -> bool {
        self.now.abs_diff(stamp.modified) > UNSETTLED.unsigned_abs()
    }

    fn lock_fresh(&self) -> std::sync::MutexGuard<'_, Table> {
        self.fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn read(place: &Path) -> Option<Vec<u8>> {
    let file = File::open(place).ok()?;
    let length = file.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= MAX_INDEX)?.len();
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(MAX_INDEX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn encode(table: &Table, build: u64) -> io::Result<Vec<u8>> {
    let head = vec![0; HEAD];
    let mut bytes = postcard::to_extend(table, head).map_err(io::Error::other)?;
    let sum = checksum(&bytes[HEAD..]);
    bytes[..16].copy_from_slice(MAGIC);
    bytes[16..24].copy_from_slice(&build.to_le_bytes());
    bytes[24..HEAD].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

fn decode(bytes: &[u8], build: u64) -> Option<Table> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    let is_ours =
        head[..16] == *MAGIC && head[16..24] == build.to_le_bytes() && head[24..] == checksum(body).to_le_bytes();
    postcard::from_bytes(body).ok().filter(|_| is_ours)
}

/// Guards against bits that turned, not against malice. Another toolchain may compute another one; the index is then
/// made anew.
fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamps() -> impl Strategy<Value = Stamp> {
        (any::<u64>(), any::<i64>(), any::<u64>()).prop_map(|(size, modified, inode)| Stamp { size, modified, inode })
    }

    fn summary(label: &str) -> gguf::Summary {
        let bytes = gguf::testing::Builder::tiny_llama().string("general.size_label", label).build();
        gguf::Header::read(&bytes[..]).unwrap().summary()
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(
            files in prop::collection::hash_map(
                ".{1,20}",
                (stamps(), prop::result::maybe_ok("[a-z]{1,8}", ".{0,40}"), any::<Option<i64>>(), any::<i64>()),
                0..6,
            ),
            folders in prop::collection::hash_map(".{1,20}", (stamps(), prop::collection::vec(".{1,9}", 0..5)), 0..6),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join("index");
            // No time of a stamp is near this one.
            let now = i64::MIN / 1_000_000_000;
            let index = Index::load(Some(place.clone()), 7, now);
            let files: HashMap<_, _> = files
                .into_iter()
                .filter(|(_, (stamp, ..))| index.is_settled(*stamp))
                .map(|(path, (stamp, outcome, used, accessed))| {
                    (path, FileRecord { stamp, outcome: outcome.map(|label| summary(&label)), used, accessed })
                })
                .collect();
            for (path, record) in &files {
                index.add_file(Path::new(path), record.clone());
            }
            let kinds = [Kind::Directory, Kind::File, Kind::Link].into_iter().cycle();
            let folders: HashMap<_, _> = folders
                .into_iter()
                .filter(|(_, (stamp, _))| index.is_settled(*stamp))
                .map(|(path, (stamp, names))| (path, (stamp, names.into_iter().zip(kinds.clone()).collect::<Vec<_>>())))
                .collect();
            for (path, (stamp, entries)) in &folders {
                index.add_directory(Path::new(path), *stamp, Some(entries.clone()));
            }
            index.save().unwrap();

            let index = Index::load(Some(place.clone()), 7, now);
            for (path, record) in &files {
                prop_assert_eq!(index.file(Path::new(path), record.stamp), Some(record));
                let other = Stamp { size: !record.stamp.size, ..record.stamp };
                prop_assert_eq!(index.file(Path::new(path), other), None);
            }
            for (path, (stamp, entries)) in &folders {
                prop_assert_eq!(index.directory(Path::new(path), *stamp), Some(&entries[..]));
            }
            prop_assert!(Index::load(Some(place), 8, now).known.files.is_empty());
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut with_head = MAGIC.to_vec();
            with_head.extend(7_u64.to_le_bytes());
            with_head.extend(checksum(&bytes).to_le_bytes());
            with_head.extend(&bytes);
            let _ = decode(&bytes, 7);
            let _ = decode(&with_head, 7);
        }
    }

    #[test]
    fn what_was_not_seen_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("index");
        let stamp = Stamp { size: 1, modified: 0, inode: 1 };
        let record = FileRecord { stamp, outcome: Err("empty file".to_owned()), used: None, accessed: 0 };
        let open = || Index::load(Some(place.clone()), 7, 1_000_000);
        let index = open();
        index.add_file(Path::new("/a"), record.clone());
        index.add_file(Path::new("/b"), record.clone());
        index.save().unwrap();
        let index = open();
        assert!(index.file(Path::new("/a"), stamp).is_some());
        index.save().unwrap();
        let index = open();
        assert!(index.file(Path::new("/a"), stamp).is_some());
        assert!(index.file(Path::new("/b"), stamp).is_none());
    }
}
