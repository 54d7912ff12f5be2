//! A file that is on its way: what came so far, and its hash.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::problem::HubError;
use crate::library::hash::Hasher;
use domain::model::Digest;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// A part.
pub(super) struct PartFile {
    file: File,
    path: PathBuf,
    digest: Digest,
    size: u64,
    hasher: Hasher,
    /// Bytes that are there and hashed.
    pub(super) len: u64,
}

impl PartFile {
    /// Open or make a part of a file of this hash and size. What is in it must be hashed before it counts.
    pub(super) fn open(path: &Path, digest: Digest, size: u64) -> Result<Self, HubError> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.map_err(HubError::at(path))?;
        Ok(Self { file, path: path.to_owned(), digest, size, hasher: Hasher::new(digest, size), len: 0 })
    }

    /// Hash what an earlier run left; `each` hears how much after each piece, and lets others go on meanwhile.
    pub(super) async fn take_up(&mut self, mut each: impl AsyncFnMut(u64)) -> Result<(), HubError> {
        let there = self.file.metadata().map_err(HubError::at(&self.path))?.len();
        if there > self.size {
            return self.restart();
        }
        let mut piece = vec![0; PIECE];
        loop {
            let count = self.file.read(&mut piece).map_err(HubError::at(&self.path))?;
            let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
            self.hasher.update(read);
            self.len += count as u64;
            each(self.len).await;
        }
    }

    /// Write what came.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        if self.len + bytes.len() as u64 > self.size {
            let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.restart()?;
            return Err(HubError::Length { file });
        }
        // A disk that becomes full in the middle leaves some of it there: that counts only when it is hashed, and is
        // cut off so that the next attempt goes on from what is.
        if let Err(error) = self.file.write_all(bytes) {
            let _ = self.file.set_len(self.len);
            let _ = self.file.seek(SeekFrom::Start(self.len));
            return Err(HubError::at(&self.path)(error));
        }
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Throw away what is there.
    pub(super) fn restart(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(HubError::at(&self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(HubError::at(&self.path))?;
        self.hasher = Hasher::new(self.digest, self.size);
        self.len = 0;
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.len == self.size
    }

    /// Whether a complete part is what was promised; if so, it lasts. It begins anew otherwise.
    pub(super) fn verify(&mut self) -> Result<bool, HubError> {
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(self.digest, self.size));
        if hasher.finish() != self.digest {
            self.restart()?;
            return Ok(false);
        }
        self.file.sync_all().map_err(HubError::at(&self.path))?;
        Ok(true)
    }
}
