//! Hashes of files, at the speed of the processor's own instructions for them, in one pass. Where the system allows it
//! a file's time of reading stays as it is: what is verified or compared has not been used.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::library::hash::Hasher;
use crate::library::walk::open;
use domain::model::Digest;

/// Bytes read at once: they stay in the processor's cache between the reading and the hashing.
const BUFFER: usize = 256 << 10;
/// Bytes between two tellings of progress.
const STEP: u64 = 32 << 20;

/// The hash of a file of the same kind as `like`. `progress` is told how many bytes are done, some times a second.
pub(super) fn file(path: &Path, like: Digest, progress: &mut dyn FnMut(u64)) -> io::Result<Digest> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut hasher = Hasher::new(like, metadata.len());
    read(file, &mut |bytes| hasher.update(bytes), progress)?;
    Ok(hasher.finish())
}

/// A hash of the file's begin and end: what differs here differs.
pub(super) fn fingerprint(path: &Path) -> io::Result<[u8; 32]> {
    use std::os::unix::fs::FileExt as _;
    const PART: u64 = 16 << 10;
    let file = open(path)?;
    let length = file.metadata()?.len();
    let mut hash = Sha256::new();
    for start in [0, length.saturating_sub(PART)] {
        let mut part = vec![0; PART.min(length - start) as usize];
        file.read_exact_at(&mut part, start)?;
        hash.update(&part);
    }
    Ok(hash.finalize().into())
}

fn read(mut file: File, take: &mut dyn FnMut(&[u8]), progress: &mut dyn FnMut(u64)) -> io::Result<()> {
    // The system then reads twice as far ahead; where it can't, it reads as it does.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
    let mut buffer = vec![0; BUFFER];
    let (mut done, mut told) = (0, 0);
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        take(&buffer[..count]);
        done += count as u64;
        if done - told >= STEP {
            told = done;
            progress(done);
        }
    }
    progress(done);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_the_tools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        // `sha256sum` and `git hash-object`.
        for expected in [
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "ce013625030ba8dba906f756967f9e9ca394464a",
        ] {
            let expected: Digest = expected.parse().unwrap();
            let mut told = 0;
            assert_eq!(file(&path, expected, &mut |done| told = done).unwrap(), expected);
            assert_eq!(told, 6);
        }
    }
}
