//! What a cleanup asks of the file system, in terms that can't lose anything.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Access, CWD, RenameFlags};

/// Device and inode: what makes a file the same under two names.
pub(super) type Identity = (u64, u64);

/// A block, bytes: the unit of `st_blocks` everywhere.
const BLOCK: u64 = 512;

/// Entries below one folder that are looked at; a repository has some thousands at most.
const MAX_ENTRIES: usize = 200_000;

pub(super) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Space that a file takes; a sparse one takes less than it is long.
pub(super) fn allocated(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(BLOCK)
}

/// Whether a name is there, a link to nothing too.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Rename, never over something. The check and the rename are one where the system can.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) if !is_there(to) => {
            fs::rename(from, to)
        }
        result => Ok(result?),
    }
}

/// Whether a file came before this time, seconds since 1970, and was not read since it was written. Only of file systems
/// on this machine that write down the time of reading; of all others it can't be told.
pub(super) fn never_read_since(path: &Path, before: i64) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    let is_unread = (metadata.atime(), metadata.atime_nsec()) <= (metadata.mtime(), metadata.mtime_nsec());
    // What was unpacked or copied keeps an older time of writing; the time of the last change of its entry is its own.
    is_unread && metadata.mtime().max(metadata.ctime()) < before && tells_reading(path)
}

/// Whether the file system is one of this machine that writes down when a file is read.
#[cfg(target_os = "linux")]
pub(super) fn tells_reading(path: &Path) -> bool {
    /// Of ext2 to ext4, XFS and btrfs.
    const LOCAL: [u64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];
    let is_local = rustix::fs::statfs(path).is_ok_and(|system| LOCAL.contains(&(system.f_type as u64)));
    let flags = rustix::fs::statvfs(path).map(|system| system.f_flag);
    is_local && flags.is_ok_and(|flags| !flags.contains(rustix::fs::StatVfsMountFlags::NOATIME))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn tells_reading(_: &Path) -> bool {
    false
}

/// Where a rename can go: within one mount of one file system.
pub(super) fn mount(path: &Path) -> io::Result<(u64, u64)> {
    let device = path.symlink_metadata()?.dev();
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, StatxFlags};
        let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID);
        Ok((device, found.map_or(0, |found| found.stx_mnt_id)))
    }
    #[cfg(not(target_os = "linux"))]
    Ok((device, 0))
}

/// Why entries of this folder can't be moved; `None` where they can.
pub(super) fn not_writable(folder: &Path) -> Option<String> {
    match rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => None,
        Err(rustix::io::Errno::ROFS) => Some("its file system is read only".to_owned()),
        Err(rustix::io::Errno::ACCESS) => Some(format!("you may not change {}", shown(folder))),
        Err(error) => Some(format!("{}: {}", shown(folder), reason(&error.into()))),
    }
}

/// All regular files at `path` and below, links not followed.
pub(super) fn regular_files(path: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    let mut waiting = vec![path.to_owned()];
    let mut n_entries = 0;
    while let Some(path) = waiting.pop() {
        n_entries += 1;
        if n_entries > MAX_ENTRIES {
            return Err(io::Error::other(format!("more than {MAX_ENTRIES} entries")));
        }
        let metadata = path.symlink_metadata()?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if metadata.is_file() {
            files.push((path, metadata));
        }
    }
    Ok(files)
}

/// The entries of a folder by name, sorted; none where it is not there.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries.take(MAX_ENTRIES).collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// The whole of a small file; an error where it is larger.
pub(super) fn small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("longer than {most} bytes")));
    }
    Ok(bytes)
}

/// A path as it may stand in a sentence.
pub(super) fn shown(path: &Path) -> String {
    gguf::clean(&path.to_string_lossy(), 400)
}

/// The system's reason without its number.
pub(super) fn reason(error: &io::Error) -> String {
    crate::library::walk::reason(error)
}

/// The begin of a file of /proc, which has no length; empty where it can't be read.
pub(super) fn proc_text(path: &str, most: u64) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A download that was not written to for so long is broken off.
pub(super) const OLD: Duration = Duration::from_hours(24);

/// An entry of a folder that is older than the age of broken downloads.
pub(super) fn is_old(path: &Path, now: SystemTime) -> bool {
    let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age >= OLD))
}
