//! Two files of the same content that share its space, and parting them again.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::walk::open;
use super::files;
use crate::core::house::Sharing;

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
pub(super) fn are_alike(one: &Path, other: &Path) -> bool {
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
    fs::rename(temporary, path)
}

/// Give `path` content of its own again.
pub(super) fn part(path: &Path, temporary: &Path, modified: (i64, i64), mode: u32) -> io::Result<()> {
    if let Some(folder) = temporary.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(path, temporary)?;
    dress(temporary, modified, mode)?;
    fs::rename(temporary, path)
}

/// Whether the file system of a folder can share blocks: tried with a byte.
pub(super) fn can_clone(folder: &Path) -> bool {
    let Ok(probe) = tempfile_in(folder) else { return false };
    let (from, to) = probe;
    let can = fs::write(&from, b"t").and_then(|()| clone(&from, &to)).is_ok();
    let _ = fs::remove_file(&from);
    let _ = fs::remove_file(&to);
    can
}

fn tempfile_in(folder: &Path) -> io::Result<(std::path::PathBuf, std::path::PathBuf)> {
    let name = |part: &str| folder.join(format!(".probe.{}.{part}", std::process::id()));
    fs::create_dir_all(folder)?;
    Ok((name("one"), name("two")))
}

#[cfg(target_os = "linux")]
fn clone(source: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(source)?;
    let file = File::create_new(to)?;
    rustix::fs::ioctl_ficlone(&file, &source).map_err(|error| {
        let _ = fs::remove_file(to);
        error.into()
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
