//! What earlier scans read, so that the next one need not: folders by their time, headers by their file's stamp.
//!
//! An index is a convenience. One that is missing, damaged, of another build or not writable costs time, nothing else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::entry::Kind;
use super::stat::Stat;
use domain::model::Digest;

/// Names the file's layout, before the number of the build.
const MAGIC: &[u8; 16] = b"taffrail index 6";
/// Magic, build, checksum.
const HEAD: usize = 40;
/// A longer index is not read: 100,000 models take about half.
const MAX_INDEX: u64 = 128 << 20;
/// What changed this shortly before it was looked at may change again within the same tick of the file system's clock,
/// and is not remembered. Nanoseconds; FAT has ticks of two seconds.
const UNSETTLED: u64 = 2_500_000_000;

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
        Self::from(&Stat::from(metadata))
    }
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        let size = if stat.is_directory { 0 } else { stat.size };
        Self { size, modified: stat.modified, inode: stat.inode }
    }
}

/// What is remembered of a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Content {
    Directory(Vec<(String, Kind)>),
    File(Box<FileRecord>),
    /// What a reader made of a small file.
    Small(Vec<u8>),
}

/// What a file's header said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    /// The summary, or the reader's reason.
    pub(super) outcome: Result<gguf::Summary, String>,
    /// What its content hashes to, as its store said.
    pub(super) digest: Option<Digest>,
    /// When it had been read last before we read its header, seconds since 1970.
    pub(super) used: Option<i64>,
    /// The time of reading that our own reading left, nanoseconds since 1970.
    pub(super) accessed: i64,
}

/// A record in the index's own bytes. Its content is taken out only where the stamp still holds, on the thread that
/// wants it.
#[derive(Debug, Serialize, Deserialize)]
struct Record<'a> {
    stamp: Stamp,
    content: &'a [u8],
    /// This scan came upon it.
    #[serde(skip)]
    seen: AtomicBool,
}

/// The records by path. Most of a warm look's time goes into this table, so its hash is a fast one.
type Table<'a> = HashMap<&'a str, Record<'a>, foldhash::fast::RandomState>;

/// The index during one scan. Threads share it: what is known stays as it was, what is new is collected beside it.
#[derive(Debug)]
pub(super) struct Index<'a> {
    /// Nanoseconds since 1970.
    now: i64,
    known: Table<'a>,
    fresh: Mutex<HashMap<String, (Stamp, Vec<u8>)>>,
}

impl<'a> Index<'a> {
    /// The index of this build in `bytes`; an empty one where they hold none. `now` is in seconds since 1970.
    pub(super) fn new(bytes: &'a [u8], build: u128, now: i64) -> Self {
        let known = decode(bytes, build).unwrap_or_default();
        Self { now: now.saturating_mul(1_000_000_000), known, fresh: Mutex::default() }
    }

    /// The entries of a folder that has not changed.
    ///
    /// A folder is listed in two ways, whole or in what matters; each is remembered by itself.
    pub(super) fn directory(&self, path: &Path, is_whole: bool, stamp: Stamp) -> Option<Vec<(String, Kind)>> {
        match self.content(&key(path, if is_whole { WHOLE } else { "" })?, stamp)? {
            Content::Directory(entries) => Some(entries),
            _ => None,
        }
    }

    /// What the header of a file that has not changed said.
    pub(super) fn file(&self, path: &Path, stamp: Stamp) -> Option<FileRecord> {
        match self.content(&key(path, "")?, stamp)? {
            Content::File(record) => Some(*record),
            _ => None,
        }
    }

    /// What a reader made of a small file that has not changed; `None` too where it was another reader.
    pub(super) fn small_file<T: DeserializeOwned>(&self, path: &Path, stamp: Stamp) -> Option<T> {
        match self.content(&key(path, SMALL)?, stamp)? {
            Content::Small(bytes) => postcard::from_bytes(&bytes).ok(),
            _ => None,
        }
    }

    /// Remember what a reader made of a small file.
    pub(super) fn add_small_file<T: Serialize>(&self, path: &Path, stamp: Stamp, value: &T) {
        if let Ok(bytes) = postcard::to_stdvec(value) {
            self.add(key(path, SMALL), stamp, &Content::Small(bytes));
        }
    }

    /// The fingerprint of a file that has not changed.
    pub(super) fn fingerprint(&self, path: &Path, stamp: Stamp) -> Option<[u8; 16]> {
        match self.content(&key(path, FINGERPRINT)?, stamp)? {
            Content::Small(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }

    /// Remember a file's fingerprint.
    pub(super) fn add_fingerprint(&self, path: &Path, stamp: Stamp, fingerprint: [u8; 16]) {
        self.add(key(path, FINGERPRINT), stamp, &Content::Small(fingerprint.to_vec()));
    }

    /// Remember a folder. Names that are no Unicode are not remembered, and the folder is read again next time.
    pub(super) fn add_directory(
        &self,
        path: &Path,
        is_whole: bool,
        stamp: Stamp,
        entries: Option<Vec<(String, Kind)>>,
    ) {
        if let Some(entries) = entries {
            let key = key(path, if is_whole { WHOLE } else { "" });
            self.add(key, stamp, &Content::Directory(entries));
        }
    }

    /// Remember a file's header.
    pub(super) fn add_file(&self, path: &Path, stamp: Stamp, record: FileRecord) {
        self.add(key(path, ""), stamp, &Content::File(Box::new(record)));
    }

    /// The bytes to write down after this look; `None` where they would say what is written already. What a whole look
    /// did not come upon is forgotten.
    pub(super) fn into_bytes(self, build: u128, is_whole: bool) -> Option<Vec<u8>> {
        let Self { known, fresh, .. } = self;
        let fresh = fresh.into_inner().unwrap_or_else(PoisonError::into_inner);
        // From here on it holds what is fresh too, which lives less long.
        let mut known: Table<'_> = known;
        if fresh.is_empty() && (!is_whole || known.values().all(Record::is_seen)) {
            return None;
        }
        known.retain(|_, record| !is_whole || record.is_seen());
        known.extend(fresh.iter().map(|(path, (stamp, content))| {
            (path.as_str(), Record { stamp: *stamp, content, seen: AtomicBool::new(true) })
        }));
        encode(&known, build)
    }

    fn content(&self, key: &str, stamp: Stamp) -> Option<Content> {
        let record = self.known.get(key).filter(|record| record.stamp == stamp)?;
        let content = postcard::from_bytes(record.content).ok()?;
        record.seen.store(true, Ordering::Relaxed);
        Some(content)
    }

    fn add(&self, key: Option<Cow<'_, str>>, stamp: Stamp, content: &Content) {
        let is_settled = self.now.abs_diff(stamp.modified) > UNSETTLED;
        if let (Some(key), true, Ok(content)) = (key, is_settled, postcard::to_stdvec(content)) {
            self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into_owned(), (stamp, content));
        }
    }
}

/// What stands behind a path in a key, for what is remembered of the path beside its header or its entries that matter. No
/// path has a NUL.
const WHOLE: &str = "\0*";
const SMALL: &str = "\0s";
const FINGERPRINT: &str = "\0f";

/// The key of a path; `None` where it is no Unicode, and nothing is remembered of it.
fn key<'p>(path: &'p Path, what: &str) -> Option<Cow<'p, str>> {
    let path = path.to_str()?;
    Some(if what.is_empty() { path.into() } else { format!("{path}{what}").into() })
}

impl Record<'_> {
    fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }
}

/// The bytes of the index at `place`; none where there is none, or none of a likely length.
pub(super) fn read(place: &Path) -> Vec<u8> {
    let is_likely = |metadata: &fs::Metadata| metadata.is_file() && metadata.len() <= MAX_INDEX;
    let Some(file) = File::open(place).ok() else { return Vec::new() };
    let Some(metadata) = file.metadata().ok().filter(is_likely) else { return Vec::new() };
    // One byte more, so that the end is found without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).map_or(0, |length| length + 1));
    let is_read = file.take(MAX_INDEX).read_to_end(&mut bytes).is_ok();
    if is_read { bytes } else { Vec::new() }
}

fn encode(table: &Table<'_>, build: u128) -> Option<Vec<u8>> {
    let mut bytes = postcard::to_extend(table, vec![0; HEAD]).ok()?;
    let sum = checksum(&bytes[HEAD..]);
    bytes[..16].copy_from_slice(MAGIC);
    bytes[16..32].copy_from_slice(&build.to_le_bytes());
    bytes[32..HEAD].copy_from_slice(&sum.to_le_bytes());
    Some(bytes)
}

fn decode(bytes: &[u8], build: u128) -> Option<Table<'_>> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    let is_ours = head[..16] == *MAGIC && head[16..32] == build.to_le_bytes();
    let is_ours = is_ours && head[32..] == checksum(body).to_le_bytes();
    if is_ours { postcard::from_bytes(body).ok() } else { None }
}

/// Guards against bits that turned, not against malice: who may write here may also write its checksum.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn stamps() -> impl Strategy<Value = Stamp> {
        // Long before now, so that it is settled.
        (any::<u64>(), i64::MIN..0, any::<u64>()).prop_map(|(size, modified, inode)| Stamp { size, modified, inode })
    }

    fn summary(label: &str) -> gguf::Summary {
        let bytes = gguf::testing::Builder::tiny_llama().string("general.size_label", label).build();
        gguf::Header::read(&bytes[..]).unwrap().summary()
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(
            files in prop::collection::hash_map(
                "f.{1,20}",
                (stamps(), prop::result::maybe_ok("[a-z]{1,8}", ".{0,40}"), any::<Option<i64>>(), any::<i64>()),
                0..6,
            ),
            folders in prop::collection::hash_map("d.{1,20}", (stamps(), prop::collection::vec(".{1,9}", 0..5)), 0..6),
        ) {
            let kinds = [Kind::Directory, Kind::File, Kind::Link].into_iter().cycle();
            let files: HashMap<_, _> = files
                .into_iter()
                .map(|(path, (stamp, outcome, used, accessed))| {
                    let outcome = outcome.map(|label| summary(&label));
                    (path, (stamp, FileRecord { outcome, digest: Some(Digest::GitSha1([7; 20])), used, accessed }))
                })
                .collect();
            let folders: HashMap<_, _> = folders
                .into_iter()
                .map(|(path, (stamp, names))| (path, (stamp, names.into_iter().zip(kinds.clone()).collect::<Vec<_>>())))
                .collect();
            let index = Index::new(&[], 7, NOW);
            for (path, (stamp, record)) in &files {
                index.add_file(Path::new(path), *stamp, record.clone());
            }
            for (path, (stamp, entries)) in &folders {
                index.add_directory(Path::new(path), false, *stamp, Some(entries.clone()));
            }
            let bytes = index.into_bytes(7, true).unwrap_or_default();

            let index = Index::new(&bytes, 7, NOW);
            for (path, (stamp, record)) in &files {
                prop_assert_eq!(index.file(Path::new(path), *stamp), Some(record.clone()));
                prop_assert_eq!(index.file(Path::new(path), Stamp { size: !stamp.size, ..*stamp }), None);
                prop_assert_eq!(index.directory(Path::new(path), false, *stamp), None);
            }
            for (path, (stamp, entries)) in &folders {
                prop_assert_eq!(index.directory(Path::new(path), false, *stamp), Some(entries.clone()));
            }
            prop_assert_eq!(index.into_bytes(7, true), None, "all was seen and nothing is new");
            prop_assert!(Index::new(&bytes, 8, NOW).known.is_empty());
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut with_head = MAGIC.to_vec();
            with_head.extend(7_u128.to_le_bytes());
            with_head.extend(checksum(&bytes).to_le_bytes());
            with_head.extend(&bytes);
            let _ = decode(&bytes, 7);
            let _ = decode(&with_head, 7);
        }
    }

    #[test]
    fn a_turned_bit_is_noticed() {
        let index = Index::new(&[], 7, NOW);
        let record = FileRecord { outcome: Err("empty file".to_owned()), digest: None, used: Some(5), accessed: 0 };
        index.add_file(Path::new("/a"), Stamp { size: 1, modified: 0, inode: 1 }, record);
        let bytes = index.into_bytes(7, true).unwrap();
        assert!(decode(&bytes, 7).is_some());
        for bit in 0..8 * bytes.len() {
            let mut turned = bytes.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&turned, 7).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn what_was_not_seen_is_forgotten() {
        let stamp = Stamp { size: 1, modified: 0, inode: 1 };
        let record = FileRecord { outcome: Err("empty file".to_owned()), digest: None, used: None, accessed: 0 };
        let index = Index::new(&[], 7, NOW);
        index.add_file(Path::new("/a"), stamp, record.clone());
        index.add_file(Path::new("/b"), stamp, record.clone());
        let bytes = index.into_bytes(7, true).unwrap();
        let index = Index::new(&bytes, 7, NOW);
        assert_eq!(index.file(Path::new("/a"), stamp), Some(record.clone()));
        let bytes = index.into_bytes(7, true).unwrap();
        let index = Index::new(&bytes, 7, NOW);
        assert_eq!(index.file(Path::new("/a"), stamp), Some(record));
        assert_eq!(index.file(Path::new("/b"), stamp), None);
    }
}
