//! The journal: what is about to be done, written down before it is done.
//!
//! One record for each command, in taffrail's own data folder, so that the next start finds it whatever store it was
//! about. A step is one change of the file system that is done or not, which can be seen from the file system; so one
//! record written before the first step is enough to complete or take back all of them. While a record's owner lives
//! it holds the lock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{self, shown};
use crate::atomic_file;
use domain::storage::Sharing;
use domain::units::Bytes;

/// The longest record: some hundred bytes for each of ten thousand steps.
const MAX_RECORD: u64 = 64 << 20;
/// Records that are looked at.
const MAX_RECORDS: usize = 10_000;

/// How far a command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its steps are being done.
    ApplyOptions,
    /// All are done; it can be taken back.
    Done,
    /// They are being taken back.
    Undoing,
    /// What it put into the trash is being deleted.
    Emptying,
}

/// One change of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum JournalEntry {
    /// Move into the trash.
    Move {
        /// From where.
        #[serde(with = "as_text")]
        from: PathBuf,
        /// To where.
        #[serde(with = "as_text")]
        to: PathBuf,
    },
    /// Give another name in the trash.
    Keep {
        /// What.
        #[serde(with = "as_text")]
        from: PathBuf,
        /// The other name.
        #[serde(with = "as_text")]
        to: PathBuf,
    },
    /// Have Ollama's server delete a model.
    Ask {
        /// Its address.
        host: String,
        /// The model's name there.
        model: String,
        /// What is gone once it did.
        #[serde(with = "as_text")]
        manifest: PathBuf,
    },
    /// Replace a file by one that shares another's content.
    Share {
        /// The file.
        #[serde(with = "as_text")]
        path: PathBuf,
        /// The other.
        #[serde(with = "as_text")]
        source: PathBuf,
        /// Where the new one stands before it takes the file's place.
        #[serde(with = "as_text")]
        temporary: PathBuf,
        /// How.
        how: Sharing,
        /// When the file was changed last, seconds and nanoseconds since 1970.
        modified: (i64, i64),
        /// Its permissions.
        mode: u32,
    },
}

/// What one command does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `taffrail/journal/1`.
    pub schema: String,
    /// Its own name; later ones sort behind.
    pub id: String,
    /// What a person calls it.
    pub title: String,
    /// When it began, seconds since 1970.
    pub began: i64,
    /// How far it is.
    pub phase: Phase,
    /// Whether the trash is emptied as soon as it is done.
    pub at_once: bool,
    /// Space that it frees.
    pub bytes: Bytes,
    /// Its folders in the trash of each file system.
    #[serde(with = "as_texts")]
    pub trash: Vec<PathBuf>,
    /// The steps, in order.
    pub operations: Vec<JournalEntry>,
}

/// The only form that is read.
pub(super) const SCHEMA: &str = "taffrail/journal/1";

/// The folder of records.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    folder: PathBuf,
}

/// While it lives, no other process cleans up.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "unlocks when it is closed")] File);

impl Journal {
    pub(super) fn new(data: &Path) -> Self {
        // The folder's name is older than the word: journals that can be undone are in it.
        Self { folder: data.join("house") }
    }

    /// Take the lock; `None` where another taffrail has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        fs::create_dir_all(&self.folder)?;
        let file = File::options().create(true).append(true).open(self.folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether there is anything to read, for one look at the disk.
    pub(super) fn is_there(&self) -> bool {
        self.folder.is_dir()
    }

    /// All records, oldest first, and what can't be read.
    pub(super) fn read(&self) -> (Vec<Record>, Vec<String>) {
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        let entries = files::entries(&self.folder).unwrap_or_else(|error| {
            problems.push(format!("{}: {}", shown(&self.folder), files::reason(&error)));
            Vec::new()
        });
        for entry in entries.into_iter().take(MAX_RECORDS) {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(record) => records.push(record),
                Err(error) => problems.push(format!(
                    "the journal {} can't be read, so what it moved to the trash stays there: {error}",
                    shown(&path)
                )),
            }
        }
        (records, problems)
    }

    /// Write a record so that it is there whole whatever happens next.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(record)?;
        atomic_file::replace(&self.path(&record.id), &text)
    }

    pub(super) fn forget(&self, record: &Record) -> io::Result<()> {
        fs::remove_file(self.path(&record.id))?;
        atomic_file::sync_folder(&self.folder)
    }

    /// A name for a new record that sorts behind all others.
    pub(super) fn new_id(&self, now: i64) -> String {
        (0..MAX_RECORDS)
            .map(|number| format!("{now:012}-{number:04}"))
            .find(|id| !self.path(id).exists())
            .unwrap_or_else(|| format!("{now:012}"))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn read(path: &Path) -> io::Result<Record> {
    let record: Record = serde_json::from_slice(&files::small(path, MAX_RECORD)?)?;
    let is_named = path.file_stem().is_some_and(|stem| stem.to_str() == Some(&record.id));
    if record.schema != SCHEMA || !is_named {
        return Err(io::Error::other("it is of another version of taffrail"));
    }
    Ok(record)
}

/// A path as text where it is Unicode, as bytes where it is not.
mod as_text {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Form {
        Text(String),
        Bytes(Vec<u8>),
    }

    impl Form {
        pub(super) fn of(path: &Path) -> Self {
            let path: &OsStr = path.as_os_str();
            path.to_str().map_or_else(|| Self::Bytes(path.as_bytes().to_vec()), |text| Self::Text(text.to_owned()))
        }

        pub(super) fn path(self) -> PathBuf {
            match self {
                Self::Text(text) => text.into(),
                Self::Bytes(bytes) => OsString::from_vec(bytes).into(),
            }
        }
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        Form::of(path).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Form::deserialize(deserializer).map(Form::path)
    }
}

/// The same for a list.
mod as_texts {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::as_text::Form;

    pub(super) fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| Form::of(path)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<Form>::deserialize(deserializer)?.into_iter().map(Form::path).collect())
    }
}
