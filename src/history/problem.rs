//! What is wrong with the history, in words for the user. Absent: what is done about it.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

/// Why the history can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Its folder or file can't be made or opened.
    #[error("the history {} can't be opened: {reason}", .path.display())]
    Closed {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Another process holds it.
    #[error("the history {} is locked by another process", .path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error("the history {} is damaged: {reason}", .path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// `SQLite`'s reason.
        reason: String,
    },
    /// One of its records is damaged; the others are not affected.
    #[error("a record of the history {} is damaged: {reason}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer version of the program has changed it.
    #[error("the history {} is of version {found}, this program knows {known}", .path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// There is no room for more.
    #[error("the disk of the history {} is full", .path.display())]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// Something else.
    #[error("the history {} failed: {reason}", .path.display())]
    Other {
        /// Which file.
        path: PathBuf,
        /// `SQLite`'s reason.
        reason: String,
    },
}

impl HistoryError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Closed { .. } => {
                "check who may write there, or set `history.keep` to false; nothing is kept until then".to_owned()
            }
            Self::Locked { .. } => "it continues when the other process is done".to_owned(),
            Self::Corrupt { path, .. } => format!(
                "it is left as it is; `sqlite3 {0} .recover` reads what can be saved; move it away to start a new one",
                path.display()
            ),
            Self::Newer { .. } => "update taffrail; the file is left as it is".to_owned(),
            Self::Full { .. } => "make room; what is in the history stays".to_owned(),
            Self::Damaged { .. } => "`taffrail history --delete NUMBER` removes it".to_owned(),
            Self::Other { .. } => return None,
        })
    }
}

/// `SQLite`'s error on this file, in our words.
pub(super) fn problem(path: &Path, error: &rusqlite::Error) -> HistoryError {
    let path = path.to_owned();
    let reason = match error {
        rusqlite::Error::SqliteFailure(failure, text) => text.clone().unwrap_or_else(|| failure.to_string()),
        error => error.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => HistoryError::Locked { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => HistoryError::Corrupt { path, reason },
        Some(ErrorCode::DiskFull) => HistoryError::Full { path },
        Some(ErrorCode::SystemIoFailure) if lacks_room(error) => HistoryError::Full { path },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            HistoryError::Closed { path, reason }
        }
        None if is_damage(error) => HistoryError::Damaged { path, reason },
        // A table that is not there.
        _ => HistoryError::Other { path, reason },
    }
}

/// Whether an error is about what a row holds, and not about the file.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

/// Whether the index that processes share (`-shm`) could not be made long enough, which `SQLite` calls an I/O error.
fn lacks_room(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
