//! The lock on a blob, the same that `huggingface_hub` takes: `flock` on `.locks/models--owner--name/<etag>.lock`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// A lock that is held until it is dropped, also by a program that is killed.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Take the lock. `None` where another has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok((lock(&file)? && is_still(&file, path)).then_some(Self { _file: file }))
    }
}

/// Who has a lock, as far as the system tells: `hf (process 1234)`.
pub(super) fn holder(path: &Path) -> String {
    named_holder(path).unwrap_or_else(|| "another program".to_owned())
}

fn lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        // A file system may know no locks: go on, as the hub's own tools do.
        Ok(()) | Err(rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the path still names the locked file: who had it before may have removed it.
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

#[cfg(target_os = "linux")]
fn named_holder(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = fs::metadata(path).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF`
    let pid = locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_it = words.get(1) == Some(&"FLOCK") && words.get(5)?.rsplit(':').next() == Some(&inode);
        words.get(4).filter(|_| is_it)?.parse::<u32>().ok()
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (process {pid})", gguf::clean(name.trim(), 40)))
}

#[cfg(not(target_os = "linux"))]
fn named_holder(_path: &Path) -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_other_learns_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".locks/models--a--b/x.lock");
        let held = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::take(&path).unwrap().is_none());
        assert!(holder(&path).contains(&std::process::id().to_string()) || holder(&path) == "another program");
        // Who had it removes it on leaving, as some versions of filelock do: the old file's lock is worth nothing.
        let stale = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        drop(held);
        assert!(lock(&stale).unwrap() && !is_still(&stale, &path));
        assert!(Lock::take(&path).unwrap().is_some());
    }
}
