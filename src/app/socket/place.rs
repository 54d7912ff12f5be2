//! Where the server's socket is, and that one server at a time has it.
//!
//! The folder is this user's alone. A lock in it belongs to the server that runs, and the system takes it back however the
//! server ends, so a socket that is there while the lock is free is a stale one.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// The most bytes of the lock file that are read: a number.
const MAX_LOCK_BYTES: u64 = 32;

/// What others than the owner may do, as bits of a file's mode.
const OTHERS: u32 = 0o077;

/// Names of the files in the folder.
const SOCKET: &str = "server.sock";
const LOCK: &str = "server.lock";

/// Why the socket can't be had.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Another server has it.
    #[error("a server runs already{}", .pid.map_or_else(String::new, |pid| format!(" (pid {pid})")))]
    Taken {
        /// Its process, where it can be read.
        pid: Option<u32>,
    },
    /// The folder belongs to somebody else, or others may enter it.
    #[error("{} is not this user's alone", .0.display())]
    NotPrivate(PathBuf),
    /// The system refused.
    #[error("{}: {error}", .path.display())]
    Io {
        /// What could not be made.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The folder of the socket: `taffrail` in `XDG_RUNTIME_DIR` where that is a folder of this user, else one in the folder
/// for temporary files.
pub(super) fn folder() -> PathBuf {
    let own = rustix::process::getuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = runtime.filter(|path| path.metadata().is_ok_and(|found| found.is_dir() && found.uid() == own));
    runtime.map_or_else(|| std::env::temp_dir().join(format!("taffrail-{own}")), |path| path.join("taffrail"))
}

/// The path of the socket.
pub fn socket() -> PathBuf {
    folder().join(SOCKET)
}

/// The socket while this process is the server.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    /// Held as long as this lives.
    _lock: File,
    /// Device and number of the socket's file.
    socket: (u64, u64),
}

impl Place {
    /// Become the server of this folder.
    pub(crate) fn take(folder: PathBuf) -> Result<(Self, UnixListener), PlaceError> {
        create_private(&folder)?;
        let lock = lock(&folder.join(LOCK))?;
        let path = folder.join(SOCKET);
        let failed = |error| PlaceError::Io { path: path.clone(), error };
        // Nobody listens there: whoever did had the lock.
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(failed(error));
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        let socket = identity(&path).map_err(failed)?;
        Ok((Self { folder, _lock: lock, socket }, listener))
    }

    /// Whether the socket is still where clients look for it. A cleaner of old files, or the end of a login, may have
    /// removed the folder.
    pub(crate) fn is_there(&self) -> bool {
        identity(&self.folder.join(SOCKET)).is_ok_and(|found| found == self.socket)
    }

    /// The path of the socket.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Another server's is left alone.
        if self.is_there() {
            let _ = std::fs::remove_file(self.path());
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|found| (found.dev(), found.ino()))
}

/// Create a folder that only this user may enter, or see that it is one.
fn create_private(folder: &Path) -> Result<(), PlaceError> {
    let failed = |error| PlaceError::Io { path: folder.to_owned(), error };
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    // A link could lead to somebody else's.
    let found = folder.symlink_metadata().map_err(failed)?;
    let is_open = found.mode() & OTHERS != 0;
    let is_private = found.is_dir() && found.uid() == rustix::process::getuid().as_raw() && !is_open;
    if is_private { Ok(()) } else { Err(PlaceError::NotPrivate(folder.to_owned())) }
}

fn lock(path: &Path) -> Result<File, PlaceError> {
    let failed = |error| PlaceError::Io { path: path.to_owned(), error };
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    let mut file = open.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = (&mut file).take(MAX_LOCK_BYTES).read_to_string(&mut text);
            return Err(PlaceError::Taken { pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Whom others name as the owner.
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_server_at_a_time_has_the_socket_and_a_stale_one_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("taffrail");
        let (place, listener) = Place::take(folder.clone()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&place.path())), (0o700, 0o600));
        let taken = Place::take(folder.clone()).unwrap_err();
        assert!(matches!(taken, PlaceError::Taken { pid: Some(pid) } if pid == std::process::id()), "{taken}");
        drop((place, listener));
        // As after a kill: the lock is free, and the socket is there with nobody behind it.
        drop(std::os::unix::net::UnixListener::bind(folder.join(SOCKET)).unwrap());
        let (place, _listener) = Place::take(folder).unwrap();
        assert!(place.is_there());
        std::fs::remove_file(place.path()).unwrap();
        assert!(!place.is_there());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).unwrap();
        for folder in [open, link] {
            assert!(matches!(Place::take(folder), Err(PlaceError::NotPrivate(_))));
        }
        assert!(matches!(Place::take(home.path().join("a/b")), Err(PlaceError::Io { .. })));
    }
}
