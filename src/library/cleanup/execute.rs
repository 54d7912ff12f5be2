//! Executes cleanup plans, undoes them, and recovers from interrupted ones.
//!
//! All steps are journaled on disk before the first one is executed. An unfinished journal record is rolled back, or
//! completed if only its final mark is missing, so that the stores end up either as before or as planned.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::files::{self, is_there, shown};
use super::journal::{Journal, JournalEntry, Phase, Record, SCHEMA};
use super::{ollama_server, share, trash};
use crate::atomic_file;
use crate::library::trash_folder::TRASH;
use domain::storage::{CleanupPlan, Operation, Sharing};
use domain::units::Bytes;

/// Why an operation failed. The stores are unchanged unless the message says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// Another taffrail process is cleaning up.
    #[error("another taffrail is cleaning up at the moment")]
    Busy,
    /// The journal can't be written. Nothing is changed without it.
    #[error("nothing was done, since the journal can't be written: {0}")]
    Journal(io::Error),
    /// The data folder is unknown.
    #[error("nothing was done, since there is no folder for the journal: neither HOME nor XDG_DATA_HOME is set")]
    NoJournal,
    /// A step failed; the steps before it were undone.
    #[error("{what}; the steps before it were undone")]
    Step {
        /// The step and the reason.
        what: String,
    },
    /// A step failed, and undoing the steps before it failed as well.
    #[error("{what}; undoing the steps before it failed too: {then}")]
    Torn {
        /// The step and the reason.
        what: String,
        /// Why the undo failed.
        then: String,
    },
    /// What prevents an undo.
    #[error("{0}")]
    InTheWay(String),
    /// There is nothing to undo.
    #[error("there is nothing to undo")]
    NothingToUndo,
}

/// A progress callback: the number of completed steps, the total, and a description of the last step.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize, &str);

/// Execute a plan; returns its record. If the trash is emptied at once, the plan can't be undone.
pub(super) fn perform(
    journal: &Journal,
    plan: &CleanupPlan,
    title: String,
    at_once: bool,
    now: i64,
    progress: Progress<'_>,
) -> Result<Record, CleanupError> {
    let _lock = journal.lock().map_err(CleanupError::Journal)?.ok_or(CleanupError::Busy)?;
    let mut record = record(journal, plan, title, at_once, now)?;
    journal.write(&record).map_err(CleanupError::Journal)?;
    for (index, operation) in record.operations.iter().enumerate() {
        if let Err(error) = act(operation) {
            let what = format!("{}: {}", operation.shown(), files::reason(&error));
            return Err(match take_back(&record, &mut |_, _, _| ()) {
                Ok(()) => {
                    clear(journal, &record);
                    CleanupError::Step { what }
                }
                Err(then) => CleanupError::Torn { what, then },
            });
        }
        progress(index + 1, record.operations.len(), &operation.shown());
    }
    record.settle();
    record.phase = if at_once { Phase::Emptying } else { Phase::Done };
    journal.write(&record).map_err(CleanupError::Journal)?;
    if at_once {
        empty(journal, &record).map_err(|error| CleanupError::Step { what: error.to_string() })?;
    }
    Ok(record)
}

/// Undo the last command, or the command with this id.
pub(super) fn undo(journal: &Journal, id: Option<&str>, progress: Progress<'_>) -> Result<Record, CleanupError> {
    let _lock = journal.lock().map_err(CleanupError::Journal)?.ok_or(CleanupError::Busy)?;
    let (records, _) = journal.read();
    let found = records
        .into_iter()
        .rev()
        .find(|record| record.phase == Phase::Done && id.is_none_or(|id| record.id == id))
        .filter(Record::can_undo);
    let Some(mut record) = found else { return Err(CleanupError::NothingToUndo) };
    if let Some(obstacle) =
        record.operations.iter().find_map(|operation| operation.obstacle().or_else(|| operation.loss()))
    {
        return Err(CleanupError::InTheWay(obstacle));
    }
    record.phase = Phase::Undoing;
    journal.write(&record).map_err(CleanupError::Journal)?;
    if let Err(error) = take_back(&record, progress) {
        record.phase = Phase::Done;
        journal.write(&record).map_err(CleanupError::Journal)?;
        return Err(CleanupError::InTheWay(error));
    }
    clear(journal, &record);
    Ok(record)
}

/// Delete what a record moved to the trash.
pub(super) fn empty_record(journal: &Journal, id: &str) -> Result<(), CleanupError> {
    let _lock = journal.lock().map_err(CleanupError::Journal)?.ok_or(CleanupError::Busy)?;
    let (records, _) = journal.read();
    let Some(mut record) = records.into_iter().find(|record| record.id == id && record.phase == Phase::Done) else {
        return Err(CleanupError::NothingToUndo);
    };
    record.phase = Phase::Emptying;
    journal.write(&record).map_err(CleanupError::Journal)?;
    empty(journal, &record).map_err(|error| CleanupError::Step { what: files::reason(&error) })
}

/// Recover from interrupted operations; returns a sentence for each.
pub(super) fn recover(journal: &Journal) -> Vec<String> {
    if !journal.is_there() {
        return Vec::new();
    }
    let (records, mut said) = journal.read();
    if records.iter().all(|record| record.phase == Phase::Done) {
        return said;
    }
    // If another process has the lock, its operation is not interrupted.
    let Ok(Some(_lock)) = journal.lock() else { return said };
    let (records, _) = journal.read();
    for mut record in records {
        let title = record.title.clone();
        match record.phase {
            Phase::Done => {}
            Phase::ApplyOptions if record.operations.iter().all(JournalEntry::is_done) => {
                record.settle();
                record.phase = if record.at_once { Phase::Emptying } else { Phase::Done };
                let written = journal.write(&record);
                let emptied = if record.at_once { empty(journal, &record) } else { Ok(()) };
                said.push(match written.and(emptied) {
                    Ok(()) => format!("{title} was interrupted at its end; it is complete"),
                    Err(error) => format!("{title} was interrupted, and can't be completed: {}", files::reason(&error)),
                });
            }
            Phase::ApplyOptions => said.push(match take_back(&record, &mut |_, _, _| ()) {
                Ok(()) => {
                    clear(journal, &record);
                    format!("{title} was interrupted; it was undone, and everything is as before")
                }
                Err(error) => format!("{title} was interrupted, and can't be undone: {error}"),
            }),
            Phase::Undoing => said.push(match take_back(&record, &mut |_, _, _| ()) {
                Ok(()) => {
                    clear(journal, &record);
                    format!("the undo of {title} was interrupted; it has been completed")
                }
                Err(error) => format!("the undo of {title} was interrupted, and can't be completed: {error}"),
            }),
            Phase::Emptying => said.push(match empty(journal, &record) {
                Ok(()) => {
                    format!("deleting what {title} had put into the trash was interrupted; it has been completed")
                }
                Err(error) => format!("what {title} put into the trash can't be deleted: {}", files::reason(&error)),
            }),
        }
    }
    said
}

/// Create the record of a plan for the current state of the disk.
fn record(
    journal: &Journal,
    plan: &CleanupPlan,
    title: String,
    at_once: bool,
    now: i64,
) -> Result<Record, CleanupError> {
    let id = journal.new_id(now);
    let mut folders = BTreeSet::new();
    let mut operations = Vec::new();
    let fail = |path: &Path, error: &io::Error| CleanupError::Step {
        what: format!("{}: {}", shown(path), files::reason(error)),
    };
    for (item, step) in plan.steps() {
        let number = operations.len();
        let mut place = || -> Result<PathBuf, CleanupError> {
            let trash = trash::place(item.store, &item.root, &step.path).map_err(|what| CleanupError::Step { what })?;
            let folder = trash.join(&id);
            folders.insert(folder.clone());
            // Without its extension, so that no program mistakes the file for a model.
            let name = step.path.file_stem().unwrap_or_default().to_string_lossy();
            let name: String =
                name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(80).collect();
            Ok(folder.join(format!("{number:05}-{name}.trash")))
        };
        let from = step.path.clone();
        operations.push(match &step.act {
            Operation::Move => JournalEntry::Move { to: place()?, from },
            Operation::Keep => JournalEntry::Keep { to: place()?, from },
            Operation::Ask { host, model } => {
                JournalEntry::Ask { host: host.clone(), model: model.clone(), manifest: from }
            }
            Operation::Share { source, how } => {
                let metadata = fs::metadata(&from).map_err(|error| fail(&from, &error))?;
                JournalEntry::Share {
                    temporary: place()?,
                    source: source.clone(),
                    how: *how,
                    modified: (metadata.mtime(), metadata.mtime_nsec()),
                    mode: metadata.permissions().mode(),
                    path: from,
                }
            }
            // Emptying the trash is not combined with other steps.
            Operation::Empty { .. } => continue,
        });
    }
    Ok(Record {
        schema: SCHEMA.to_owned(),
        id,
        title,
        began: now,
        phase: Phase::ApplyOptions,
        at_once,
        bytes: plan.frees(),
        trash: folders.into_iter().collect(),
        operations,
    })
}

fn act(operation: &JournalEntry) -> io::Result<()> {
    if let JournalEntry::Move { to, .. } | JournalEntry::Keep { to, .. } | JournalEntry::Share { temporary: to, .. } =
        operation
        && let Some(folder) = to.parent()
    {
        fs::create_dir_all(folder)?;
        // `folder` is the operation's own folder in the trash. The trash itself is where probes were written.
        if let JournalEntry::Share { .. } = operation
            && let Some(folder) = folder.ancestors().nth(2)
        {
            share::remove_old_probes(folder);
        }
    }
    match operation {
        JournalEntry::Move { from, to } => files::rename(from, to),
        JournalEntry::Keep { from, to } => fs::hard_link(from, to),
        JournalEntry::Ask { host, model, .. } => ollama_server::delete(host, model),
        JournalEntry::Share { path, source, temporary, how, modified, mode } => {
            share::share(path, source, temporary, *how, *modified, *mode)
        }
    }
}

/// Undo all completed steps, the last step first.
fn take_back(record: &Record, progress: Progress<'_>) -> Result<(), String> {
    let count = record.operations.len();
    for (index, operation) in record.operations.iter().rev().enumerate() {
        if let Some(obstacle) = operation.obstacle() {
            return Err(obstacle);
        }
        operation.take_back().map_err(|error| format!("{}: {}", operation.shown(), files::reason(&error)))?;
        progress(index + 1, count, &operation.shown());
    }
    record.settle();
    Ok(())
}

/// Remove a record whose trash is empty.
fn clear(journal: &Journal, record: &Record) {
    for folder in &record.trash {
        // A folder that is not empty stays: files that were not restored are never deleted here.
        let _ = fs::remove_dir(folder);
        let _ = folder.parent().map(fs::remove_dir);
    }
    let _ = journal.forget(record);
}

fn empty(journal: &Journal, record: &Record) -> io::Result<()> {
    for folder in &record.trash {
        let is_ours = folder.parent().and_then(Path::file_name).is_some_and(|name| name == TRASH)
            && folder.file_name().is_some_and(|name| name.to_str() == Some(&record.id));
        if !is_ours {
            return Err(io::Error::other(format!("{} is not taffrail's trash", shown(folder))));
        }
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let _ = folder.parent().map(fs::remove_dir);
    }
    journal.forget(record)
}

impl Record {
    /// Whether `undo` can restore anything of this record.
    pub fn can_undo(&self) -> bool {
        let asks = self.operations.iter().any(|operation| matches!(operation, JournalEntry::Ask { .. }));
        let keeps = self.operations.iter().any(|operation| matches!(operation, JournalEntry::Keep { .. }));
        self.phase == Phase::Done && (!asks || keeps)
    }

    /// The disk space used by its trash.
    pub fn in_trash(&self) -> Bytes {
        let moves = self
            .operations
            .iter()
            .any(|operation| matches!(operation, JournalEntry::Move { .. } | JournalEntry::Keep { .. }));
        if moves { self.bytes } else { Bytes(0) }
    }

    /// Sync the steps to disk, so that they survive a power failure.
    fn settle(&self) {
        let mut folders = BTreeSet::new();
        for operation in &self.operations {
            match operation {
                JournalEntry::Move { from, to } | JournalEntry::Keep { from, to } => {
                    folders.extend([from.parent(), to.parent()]);
                }
                JournalEntry::Share { path, .. } => folders.extend([path.parent()]),
                JournalEntry::Ask { .. } => {}
            }
        }
        for folder in folders.into_iter().flatten() {
            // The step is already done. If its folder can't be synced, the journal covers it at the next start.
            let _ = atomic_file::sync_folder(folder);
        }
    }
}

impl JournalEntry {
    /// The path that the step is about.
    fn shown(&self) -> String {
        match self {
            Self::Move { from, .. } | Self::Keep { from, .. } => shown(from),
            Self::Ask { model, .. } => format!("ollama rm {}", gguf::clean(model, 200)),
            Self::Share { path, .. } => shown(path),
        }
    }

    /// Whether the step was executed.
    fn is_done(&self) -> bool {
        match self {
            Self::Move { to, .. } | Self::Keep { to, .. } => is_there(to),
            Self::Ask { manifest, .. } => !is_there(manifest),
            Self::Share { path, source, temporary, how, .. } => match how {
                Sharing::HardLink => share::are_one(path, source),
                // A clone can't be distinguished from a copy and needs no undo.
                Sharing::Reflink => !is_there(temporary),
            },
        }
    }

    /// What prevents the undo of this step.
    fn obstacle(&self) -> Option<String> {
        match self {
            Self::Move { from, to } if is_there(to) && is_there(from) => {
                Some(format!("{} is there again; move it away first", shown(from)))
            }
            // The user may have created a file with the same content again; the file in the trash is then not needed.
            Self::Keep { from, to } if is_there(to) && is_there(from) && !share::are_identical(from, to) => {
                Some(format!("{} is there again; move it away first", shown(from)))
            }
            Self::Share { path, source, how: Sharing::HardLink, .. } if share::are_one(path, source) => {
                path.parent().and_then(files::not_writable)
            }
            _ => None,
        }
    }

    /// What can't be restored because somebody emptied the trash manually.
    fn loss(&self) -> Option<String> {
        match self {
            Self::Move { from, to } | Self::Keep { from, to } if !is_there(to) && !is_there(from) => {
                Some(format!("{} is no longer in the trash", shown(from)))
            }
            _ => None,
        }
    }

    fn take_back(&self) -> io::Result<()> {
        match self {
            Self::Move { from, to } | Self::Keep { from, to } if is_there(to) => {
                if is_there(from) {
                    return fs::remove_file(to);
                }
                if let Some(folder) = from.parent() {
                    fs::create_dir_all(folder)?;
                }
                files::rename(to, from)
            }
            Self::Move { .. } | Self::Keep { .. } | Self::Ask { .. } => Ok(()),
            Self::Share { path, source, temporary, how, modified, mode } => {
                if is_there(temporary) {
                    fs::remove_file(temporary)?;
                }
                match how {
                    Sharing::HardLink if share::are_one(path, source) => share::part(path, temporary, *modified, *mode),
                    _ => Ok(()),
                }
            }
        }
    }
}
