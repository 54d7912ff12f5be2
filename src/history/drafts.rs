//! Records that are not in the database yet, one file each, in a folder beside it.
//!
//! An answer that is still coming is a draft: its file is written again as the text grows, so that a killed program loses
//! no more than the last moment. A finished record is a draft until the database has it, so a locked or full database
//! loses nothing either. The next start takes in what it finds. Absent: when a draft is written, which is the domain's.
//!
//! Each run of the program holds a lock on a file of its own. A draft belongs to a run that has ended if nobody holds
//! that lock.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{History, HistoryError, MAX_BODY};
use crate::atomic_file;
use domain::record::Record;

/// The most drafts that are read at a start; the others wait for the next one.
const MAX_DRAFTS: usize = 10_000;
/// A lock file without drafts is removed once it is so old: its run may still be about to lock it.
const STALE: Duration = Duration::from_mins(1);

/// The folder of the drafts that belong to this history.
pub fn folder(history: &Path) -> PathBuf {
    history.with_extension("drafts")
}

/// The drafts of this run.
#[derive(Debug)]
pub struct Drafts {
    folder: PathBuf,
    /// Names this run among all that use the folder.
    run: String,
    /// Held while the program runs.
    _lock: File,
}

impl Drafts {
    /// Make the folder where there is none, and a place for this run in it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        make_private(folder)?;
        let run = format!("{:016x}", RandomState::new().build_hasher().finish());
        let lock = File::options().write(true).create_new(true).open(folder.join(format!("{run}.lock")))?;
        lock.lock()?;
        Ok(Self { folder: folder.to_owned(), run, _lock: lock })
    }

    /// What tells this draft from all others, also those of other runs.
    pub fn key(&self, id: u64) -> String {
        format!("{}-{id}", self.run)
    }

    /// Write a draft, over its earlier version. When this returns it outlives a loss of power; until then the earlier
    /// version does.
    pub fn put(&self, id: u64, record: &Record) -> io::Result<()> {
        let key = self.key(id);
        atomic_file::replace_private(&self.folder.join(format!("{key}.json")), &serde_json::to_vec(record)?)
    }

    /// Remove a draft. One that was never written is no error.
    pub fn remove(&self, id: u64) {
        let _ = fs::remove_file(self.folder.join(format!("{}.json", self.key(id))));
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        // A lock without drafts tells the next start nothing.
        let prefix = format!("{}-", self.run);
        let mut names = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        if !names.any(|name| name.to_string_lossy().starts_with(&prefix)) {
            let _ = fs::remove_file(self.folder.join(format!("{}.lock", self.run)));
        }
    }
}

/// What became of the drafts of runs that have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Records that are in the history now.
    pub n_records: usize,
    /// What could not be taken in, a sentence each. It stays where it is.
    pub problems: Vec<String>,
}

/// Put the drafts of runs that have ended into the history.
pub fn take_in(history: &mut History) -> Result<Recovered, HistoryError> {
    let folder = folder(history.path());
    let mut taken = Recovered::default();
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(taken) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    // Those of one run in the order in which they were made, as far as names tell.
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    let mut n_read = 0;
    for path in paths {
        let Some((stem, extension)) = parted(&path) else { continue };
        match (extension, stem.split_once('-')) {
            ("json", Some((run, _))) if n_read < MAX_DRAFTS && has_ended(&folder, run) => {
                n_read += 1;
                match read(&path) {
                    Ok(record) => {
                        history.add_draft(&record, stem)?;
                        taken.n_records += 1;
                        let _ = fs::remove_file(&path);
                    }
                    Err(error) => taken.problems.push(format!("{} can't be read: {error}", path.display())),
                }
            }
            // Half a version; the one before it is whole, or the draft had none yet.
            ("part", Some((run, _))) if has_ended(&folder, run.trim_start_matches('.')) => {
                let _ = fs::remove_file(&path);
            }
            ("lock", None) if is_stale(&path) && has_ended(&folder, stem) => {
                let _ = fs::remove_file(&path);
            }
            _ => {}
        }
    }
    Ok(taken)
}

fn parted(path: &Path) -> Option<(&str, &str)> {
    Some((path.file_stem()?.to_str()?, path.extension()?.to_str()?))
}

/// Whether no process holds the lock of this run.
fn has_ended(folder: &Path, run: &str) -> bool {
    match File::open(folder.join(format!("{run}.lock"))) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn is_stale(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > STALE))
}

fn read(path: &Path) -> io::Result<Record> {
    // A record's text is escaped once more than its body, at most.
    let mut text = Vec::new();
    File::open(path)?.take(2 * MAX_BODY as u64).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// A folder that nobody else looks into.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::record::{Body, Filter, Page, RunDocument, RunRecord};

    fn record(text: &str) -> Record {
        let document = RunDocument { text: Some(text.to_owned()), ..RunDocument::default() };
        Record::new(1, text.to_owned(), Body::Run(Box::new(RunRecord { document, ..RunRecord::default() })))
    }

    fn titles(history: &mut History) -> Vec<String> {
        let entries = history.list(&Filter::default(), Page { before: None, rows: 99 }).unwrap();
        entries.into_iter().map(|entry| entry.title).collect()
    }

    #[test]
    fn a_run_that_has_ended_leaves_its_drafts_to_the_next_start() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        let drafts = Drafts::open(&folder(&path)).unwrap();
        drafts.put(1, &record("half")).unwrap();
        drafts.put(1, &record("half of it")).unwrap();
        drafts.put(2, &record("another")).unwrap();
        drafts.remove(2);
        drafts.remove(3);
        assert_eq!(take_in(&mut history).unwrap(), Recovered::default(), "the run goes on");
        assert!(titles(&mut history).is_empty());
        drop(drafts);
        assert_eq!(take_in(&mut history).unwrap().n_records, 1);
        assert_eq!(take_in(&mut history).unwrap().n_records, 0);
        assert_eq!(titles(&mut history), ["half of it"]);
    }

    #[test]
    fn a_record_that_the_history_has_is_not_added_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        let drafts = Drafts::open(&folder(&path)).unwrap();
        // Killed between the two steps.
        drafts.put(1, &record("whole")).unwrap();
        history.add_draft(&record("whole"), &drafts.key(1)).unwrap();
        drop(drafts);
        assert_eq!(take_in(&mut history).unwrap().n_records, 1);
        assert_eq!(titles(&mut history), ["whole"]);
    }

    /// A draft that an earlier version left is migrated as the history's own records are.
    #[test]
    fn a_draft_of_an_earlier_version_is_taken_in() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        fs::create_dir_all(folder(&path)).unwrap();
        let draft = r#"{"id":0,"kind":"run","at":5,"models":["m:a"],"title":"old","body":{"schema":"taffrail/run/1",
            "text":"half of","finish":"interrupted","turns":[{"role":"user","text":"why?"}]},"figures":[]}"#;
        fs::write(folder(&path).join("00-1.json"), draft).unwrap();
        assert_eq!(take_in(&mut history).unwrap(), Recovered { n_records: 1, problems: Vec::new() });
        let record = history.get(1).unwrap().unwrap();
        let run = record.body.run().unwrap();
        assert_eq!((record.title.as_str(), run.document.text.as_deref()), ("old", Some("half of")));
        assert!(record.body.is_interrupted() && run.turns[0].text == "why?");
    }

    #[test]
    fn what_cannot_be_read_stays_and_hides_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        let drafts = Drafts::open(&folder(&path)).unwrap();
        drafts.put(1, &record("good")).unwrap();
        drop(drafts);
        let bad = folder(&path).join("00-1.json");
        fs::write(&bad, "{").unwrap();
        let taken = take_in(&mut history).unwrap();
        assert_eq!((taken.n_records, taken.problems.len()), (1, 1));
        assert!(bad.exists());
    }
}
