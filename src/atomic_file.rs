//! Files that appear complete under their final name, or not at all.
//!
//! Owned here: the one way in which the program writes a whole file. The content goes to a temporary file in the same
//! folder, is synced, renamed, and then the folder is synced, so that a killed program or a loss of power leaves the
//! earlier version or the new one. Absent: files that grow line by line, and moves of files that others wrote.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Whoever the user's umask allows.
    Default,
    /// The user alone.
    Private,
}

/// Write a file, over its earlier version if there is one. Missing folders are created. On an error nothing is left
/// behind, and the earlier version stays.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with(path, |file| file.write_all(content))
}

/// The same for a path that the user typed: a folder that is missing is a mistake, and an error.
pub fn export(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, Access::Default, |file| file.write_all(content), |file| over(file, path))
}

/// The same as [`replace`], of a file that only the user may read.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    in_new_folders(path, || put(path, Access::Private, |file| file.write_all(content), |file| over(file, path)))
}

fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    in_new_folders(path, || put(path, Access::Default, write, |file| over(file, path)))
}

fn over(file: NamedTempFile, path: &Path) -> io::Result<File> {
    file.persist(path).map_err(|error| error.error)
}

/// Write a file that must not exist yet, in a folder that must. A file that does exist stays as it is, and the error is
/// [`AlreadyExists`](ErrorKind::AlreadyExists).
pub fn create(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // Only a shortcut: what decides is the last step.
    if path.symlink_metadata().is_ok() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "the file exists already"));
    }
    put(path, Access::Default, write, |file| match file.persist_noclobber(path) {
        // A file system without hard links that can't rename this way either: then a look has to do.
        Err(error)
            if matches!(
                error.error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) && path.symlink_metadata().is_err() =>
        {
            over(error.file, path)
        }
        result => result.map_err(|error| error.error),
    })
}

/// Give a file that is complete and synced its final name, over what has it, and have that survive a loss of power.
pub fn publish(complete: &Path, path: &Path) -> io::Result<()> {
    fs::rename(complete, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Have the names in a folder survive a loss of power, where the system and the file system can do that.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems refuse it, and a folder may be writable but not readable: then nobody can do better.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn put(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut File) -> io::Result<()>,
    persist: impl FnOnce(NamedTempFile) -> io::Result<File>,
) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "no file name"));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask is applied to it.
        let mode = if access == Access::Private { 0o600 } else { 0o666 };
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = builder.tempfile_in(folder)?;
    // An error from here on removes the temporary file.
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    persist(file)?;
    sync_folder(folder)
}

/// Create the folders that a path needs, and have them survive a loss of power with the file that `write` puts there.
fn in_new_folders(path: &Path, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let Some(folder) = path.parent() else { return write() };
    let missing: Vec<_> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).collect();
    fs::create_dir_all(folder)?;
    write()?;
    missing.iter().filter_map(|folder| folder.parent()).try_for_each(sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        replace(&path, b"old").unwrap();
        let error = replace_with(&path, |file| {
            file.write_all(b"ne")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(path.parent().unwrap()), ["file"]);
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn what_exists_is_not_replaced_by_create() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, |file| file.write_all(b"one")).unwrap();
        let error = create(&path, |file| file.write_all(b"two")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        // One that appears while the content is written.
        let late = folder.path().join("late");
        let error = create(&late, |file| {
            fs::write(&late, "theirs")?;
            file.write_all(b"ours")
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&path).unwrap(), fs::read(&late).unwrap()), (b"one".to_vec(), b"theirs".to_vec()));
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_the_users_alone_and_others_follow_the_umask() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        File::create(folder.path().join("plain")).unwrap();
        replace(&folder.path().join("default"), b"").unwrap();
        replace(&folder.path().join("private"), b"").unwrap();
        replace_private(&folder.path().join("private"), b"").unwrap();
        assert_eq!((mode("default"), mode("private")), (mode("plain"), 0o600));
    }

    #[test]
    fn a_folder_that_the_user_mistyped_is_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/file");
        assert_eq!(export(&path, b"").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(create(&path, |_| Ok(())).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(names(folder.path()), [""; 0]);
        export(&folder.path().join("file"), b"one").unwrap();
        export(&folder.path().join("file"), b"two").unwrap();
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"two");
    }

    #[test]
    fn a_path_without_a_name_is_an_error() {
        for path in ["", "/", ".."] {
            assert_eq!(replace(Path::new(path), b"").unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
        }
    }

    #[test]
    fn threads_that_write_one_file_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for byte in 0..4_u8 {
                let path = &path;
                scope.spawn(move || (0..10).for_each(|_| replace(path, &[byte; 9000]).unwrap()));
            }
        });
        let content = fs::read(&path).unwrap();
        assert!(content.len() == 9000 && content.iter().all(|byte| *byte == content[0]));
        assert_eq!(names(folder.path()), ["file"]);
    }
}
