//! What the file system tells of a path without opening it.
//!
//! Owned here: one such look, and a store's folder that is held open, from where its files are a shorter way than from the
//! file system's root: of a cache's thousand files the way there is what takes longest. Absent: reading.

use std::fs;
use std::io;
use std::path::Path;

const DAY: i64 = 86_400;
const NANOSECONDS: i64 = 1_000_000_000;

/// Nanoseconds since 1970; 0 where the system does not tell.
pub(super) fn nanoseconds(time: io::Result<std::time::SystemTime>) -> i64 {
    time.ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| since.as_nanos().try_into().ok())
        .unwrap_or(0)
}

/// What one look tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) is_directory: bool,
    pub(super) is_file: bool,
    /// Bytes.
    pub(super) size: u64,
    /// Last change, nanoseconds since 1970.
    pub(super) modified: i64,
    /// Last reading, nanoseconds since 1970.
    pub(super) accessed: i64,
    /// The file system's number; 0 where there is none.
    pub(super) device: u64,
    /// The file's number in its file system; 0 where there is none.
    pub(super) inode: u64,
}

impl Stat {
    /// Last change, seconds since 1970.
    pub(super) fn modified_seconds(&self) -> i64 {
        self.modified / NANOSECONDS
    }

    /// Last reading, seconds since 1970; `None` where nothing has read it since it was written, or the time can't be true.
    pub(super) fn used(&self, now: i64) -> Option<i64> {
        let accessed = self.accessed / NANOSECONDS;
        (self.accessed > self.modified && accessed <= now + DAY).then_some(accessed)
    }
}

impl From<&fs::Metadata> for Stat {
    fn from(metadata: &fs::Metadata) -> Self {
        let (device, inode) = {
            use std::os::unix::fs::MetadataExt as _;
            (metadata.dev(), metadata.ino())
        };
        Self {
            is_directory: metadata.is_dir(),
            is_file: metadata.is_file(),
            size: metadata.len(),
            modified: nanoseconds(metadata.modified()),
            accessed: nanoseconds(metadata.accessed()),
            device,
            inode,
        }
    }
}

/// A store's folder, held open where the system can look from there.
#[derive(Debug)]
pub(super) struct Root<'a> {
    path: &'a Path,
    #[cfg(target_os = "linux")]
    folder: Option<rustix::fd::OwnedFd>,
}

impl<'a> Root<'a> {
    /// Hold a folder, which need not be there.
    pub(super) fn hold(path: &'a Path) -> Self {
        Self {
            path,
            #[cfg(target_os = "linux")]
            folder: {
                use rustix::fs::{Mode, OFlags, open};
                open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
            },
        }
    }

    /// The folder.
    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// Look at a path, in the folder or elsewhere; links are followed.
    pub(super) fn stat(&self, path: &Path) -> io::Result<Stat> {
        #[cfg(target_os = "linux")]
        if let (Some(folder), Some(inside)) = (&self.folder, self.inside(path)) {
            use rustix::fs::{AtFlags, FileType, StatxFlags, StatxTimestamp, makedev, statx};
            let found = statx(folder, inside, AtFlags::empty(), StatxFlags::BASIC_STATS)?;
            let kind = FileType::from_raw_mode(found.stx_mode.into());
            let time = |time: StatxTimestamp| {
                // As where the time comes from the standard library: what no number of ours holds is no time.
                let nanoseconds = time.tv_sec.checked_mul(NANOSECONDS)?.checked_add(time.tv_nsec.into())?;
                (nanoseconds >= 0).then_some(nanoseconds)
            };
            return Ok(Stat {
                is_directory: kind.is_dir(),
                is_file: kind.is_file(),
                size: found.stx_size,
                modified: time(found.stx_mtime).unwrap_or(0),
                accessed: time(found.stx_atime).unwrap_or(0),
                device: makedev(found.stx_dev_major, found.stx_dev_minor),
                inode: found.stx_ino,
            });
        }
        fs::metadata(path).map(|metadata| Stat::from(&metadata))
    }

    /// The way from the folder to a path below it.
    #[cfg(target_os = "linux")]
    fn inside<'p>(&self, path: &'p Path) -> Option<&'p std::ffi::OsStr> {
        use std::os::unix::ffi::OsStrExt as _;
        // Byte by byte, since a comparison part by part takes half as long as the look that it saves. The paths come from
        // joining names to this one, so that they begin alike or lie elsewhere.
        let rest = path.as_os_str().as_bytes().strip_prefix(self.path.as_os_str().as_bytes())?.strip_prefix(b"/")?;
        (!rest.is_empty() && rest[0] != b'/').then(|| std::ffi::OsStr::from_bytes(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_same_from_the_folder_as_from_the_root() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        fs::create_dir_all(store.join("blobs")).unwrap();
        fs::write(store.join("blobs/a"), "abc").unwrap();
        fs::write(home.path().join("store-like"), "abcd").unwrap();
        {
            std::os::unix::fs::symlink("blobs/a", store.join("link")).unwrap();
            std::os::unix::fs::symlink("nothing", store.join("dangling")).unwrap();
            std::os::unix::fs::symlink("loop", store.join("loop")).unwrap();
        }
        let with_slash = home.path().join("store/");
        for root in [Root::hold(&store), Root::hold(&with_slash), Root::hold(Path::new("/nowhere"))] {
            for name in
                ["store", "store/", "store/blobs", "store/blobs/a", "store/link", "store/dangling", "store/loop"]
                    .into_iter()
                    .chain(["store-like", "store/../store-like", "store//blobs/a", "store/none/a", ""])
            {
                let path = home.path().join(name);
                let expected = fs::metadata(&path).map(|metadata| Stat::from(&metadata));
                match (root.stat(&path), expected) {
                    (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}"),
                    (Err(found), Err(expected)) => {
                        assert_eq!(found.raw_os_error(), expected.raw_os_error(), "{name}");
                    }
                    (found, expected) => panic!("{name}: {found:?}, {expected:?}"),
                }
            }
        }
    }
}
