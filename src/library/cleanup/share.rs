//! Two files of the same content that share its space, and parting them again.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::files;
use crate::atomic_file;
use crate::library::walk::open;
use domain::storage::Sharing;

/// Bytes that are compared at once.
const CHUNK: usize = 1 << 20;

/// Whether two paths are one file.
pub(super) fn are_one(one: &Path, other: &Path) -> bool {
    match (one.symlink_metadata(), other.symlink_metadata()) {
        (Ok(one), Ok(other)) => files::identity(&one) == files::identity(&other),
        _ => false,
    }
}

/// Whether two files have the same content, byte by byte. What can't be read is not alike.
pub(super) fn are_identical(one: &Path, other: &Path) -> bool {
    are_one(one, other) || compare(one, other).unwrap_or(false)
}

fn compare(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (open(one)?, open(other)?);
    let length = one.metadata()?.len();
    if length != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut rest = length;
    while rest > 0 {
        let count = CHUNK.min(usize::try_from(rest).unwrap_or(CHUNK));
        one.read_exact(&mut left[..count])?;
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
        rest -= count as u64;
    }
    Ok(true)
}

/// Let `path` share the content of `source`. A hash is what a name claims; the bytes are compared before one is let go.
pub(super) fn share(
    path: &Path,
    source: &Path,
    temporary: &Path,
    how: Sharing,
    modified: (i64, i64),
    mode: u32,
) -> io::Result<()> {
    if are_one(path, source) {
        return Ok(());
    }
    if !compare(path, source)? {
        return Err(io::Error::other(format!("its content differs from {}", files::shown(source))));
    }
    match how {
        Sharing::HardLink => fs::hard_link(source, temporary)?,
        Sharing::Reflink => {
            clone(source, temporary)?;
            dress(temporary, modified, mode)?;
        }
    }
    atomic_file::publish(temporary, path)
}

/// Give `path` content of its own again.
pub(super) fn part(path: &Path, temporary: &Path, modified: (i64, i64), mode: u32) -> io::Result<()> {
    if let Some(folder) = temporary.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(path, temporary)?;
    dress(temporary, modified, mode)?;
    atomic_file::publish(temporary, path)
}

/// Whether the file system of a folder is of a kind that can share blocks. Nothing is written to find out: where one that
/// could does not, the sharing itself fails, and changes nothing.
#[cfg(target_os = "linux")]
pub(super) fn may_clone(folder: &Path) -> bool {
    /// Of btrfs, XFS, bcachefs, OCFS2 and ZFS.
    const CLONING: [u64; 5] = [0x9123_683e, 0x5846_5342, 0xca45_1a4e, 0x7461_636f, 0x2fc1_2fc1];
    let existing = folder.ancestors().find(|folder| folder.is_dir());
    let system = existing.and_then(|folder| rustix::fs::statfs(folder).ok());
    system.is_some_and(|system| CLONING.contains(&(system.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn may_clone(_: &Path) -> bool {
    false
}

/// Remove what earlier versions left in a folder when they were killed while they tried whether it can share blocks.
pub(super) fn remove_old_probes(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(".probe.")?.rsplit_once('.'))
            .and_then(|(pid, part)| ["one", "two"].contains(&part).then(|| pid.parse::<i32>().ok()).flatten());
        // A link, or anything that holds more than the byte that was tried, is somebody else's.
        let is_probe = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= 1);
        if is_probe && pid.is_some_and(|pid| !is_alive(pid)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_alive(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(target_os = "linux")]
fn clone(source: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(source)?;
    let file = File::create_new(to)?;
    rustix::fs::ioctl_ficlone(&file, &source).map_err(|error| {
        let _ = fs::remove_file(to);
        match error {
            rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOTTY => {
                io::Error::other("its file system can't share blocks after all")
            }
            error => error.into(),
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn clone(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The permissions and the time that a file had.
fn dress(path: &Path, (seconds, nanoseconds): (i64, i64), mode: u32) -> io::Result<()> {
    let since = Duration::new(seconds.unsigned_abs(), nanoseconds.unsigned_abs() as u32);
    let modified = if seconds < 0 { SystemTime::UNIX_EPOCH - since } else { SystemTime::UNIX_EPOCH + since };
    let file = File::options().write(true).open(path)?;
    file.set_times(FileTimes::new().set_modified(modified))?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_run_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let own = format!(".probe.{}.one", std::process::id());
        fs::write(path(&own), "t").unwrap();
        // No process has the highest number that Linux gives.
        fs::write(path(".probe.4194304.one"), "t").unwrap();
        fs::write(path(".probe.4194304.two"), "").unwrap();
        fs::write(path(".probe.4194304.three"), "t").unwrap();
        fs::write(path(".probe.4194303.one"), "more than a byte").unwrap();
        std::os::unix::fs::symlink(path(&own), path(".probe.4194302.one")).unwrap();
        remove_old_probes(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected = [own.as_str(), ".probe.4194302.one", ".probe.4194303.one", ".probe.4194304.three"];
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}
