//! How much of a file is in the page cache.
//!
//! It is in this crate because `mincore` needs `unsafe`, and we know of no safe crate that wraps it. Reading with
//! `RWF_NOWAIT` would avoid that, but makes the kernel read ahead.

use std::io;
use std::path::Path;

/// Mapped and asked about at once, bytes.
#[cfg(target_os = "linux")]
const CHUNK: u64 = 1 << 20;

/// Maximum number of chunks to query: 4 GiB, a few milliseconds. In larger files this many are sampled evenly.
#[cfg(target_os = "linux")]
const MAX_CHUNKS: u64 = 4096;

/// The share of a file that is in memory, 0 to 1, and the file's length in bytes. Nothing is read.
///
/// # Errors
///
/// An error of the file system; or the kernel reports this only for files that the user owns or may write (since Linux
/// 5.2 it reports all pages of other files as present).
#[cfg(target_os = "linux")]
pub fn share(path: &Path) -> io::Result<(f64, u64)> {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

    let file = open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    let is_owner = metadata.uid() == rustix::process::geteuid().as_raw() || rustix::process::geteuid().is_root();
    if !is_owner && rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        return Err(io::Error::other("the kernel reports this for your own files only"));
    }
    if length == 0 {
        return Ok((0.0, 0));
    }
    let page = rustix::param::page_size() as u64;
    let n_chunks = length.div_ceil(CHUNK);
    let step = n_chunks.div_ceil(MAX_CHUNKS);
    let (mut n_present, mut n_pages) = (0_u64, 0_u64);
    for chunk in (0..n_chunks).step_by(step as usize) {
        let offset = chunk * CHUNK;
        let size = CHUNK.min(length - offset) as usize;
        let mut pages = vec![0_u8; (size as u64).div_ceil(page) as usize];
        // SAFETY: a new mapping at an address of the kernel's choice, which nothing is read from: the file may shrink.
        let address =
            unsafe { mmap(std::ptr::null_mut(), size, ProtFlags::READ, MapFlags::SHARED, file.as_fd(), offset) }?;
        // SAFETY: the range is the mapping above, and there is a byte for each of its pages.
        let told = unsafe { libc::mincore(address, size, pages.as_mut_ptr()) };
        let error = io::Error::last_os_error();
        // SAFETY: the mapping above, which nothing refers to any more.
        unsafe { munmap(address, size) }?;
        if told != 0 {
            return Err(error);
        }
        n_present += pages.iter().filter(|page| **page & 1 == 1).count() as u64;
        n_pages += pages.len() as u64;
    }
    Ok((n_present as f64 / n_pages.max(1) as f64, length))
}

/// Open a file whose time of reading stays as it is, though it is mapped, where the system allows that: to be asked about
/// is not to be used.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let quietly = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOATIME).open(path);
    quietly.or_else(|_| std::fs::File::open(path))
}

/// Elsewhere the system is not asked.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn share(_path: &Path) -> io::Result<(f64, u64)> {
    Err(io::Error::other("this system is not asked"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_just_written_is_in_memory_and_a_hole_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let mut file = std::fs::File::create(&path).unwrap();
        assert_eq!(share(&path).unwrap(), (0.0, 0));
        file.write_all(&vec![1; (2 << 20) + 5]).unwrap();
        let (present, length) = share(&path).unwrap();
        assert_eq!(length, (2 << 20) + 5);
        assert!(present > 0.99, "{present}");
        // As much again that was never written nor read: half of the whole.
        file.set_len(4 << 20).unwrap();
        let (present, length) = share(&path).unwrap();
        assert_eq!(length, 4 << 20);
        assert!((0.49..0.52).contains(&present), "{present}");
        // Far more than is asked about: a sample of it.
        file.set_len(64 << 30).unwrap();
        let (present, _) = share(&path).unwrap();
        assert!(present < 0.01, "{present}");
        assert!(share(&folder.path().join("none")).is_err());
        // Asking is no use of the file.
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(1);
        file.set_times(std::fs::FileTimes::new().set_accessed(long_ago)).unwrap();
        share(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().accessed().unwrap(), long_ago);
    }
}
