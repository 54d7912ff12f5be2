//! A file that is mostly zeros.

use std::io;

use crate::source::ReadAt;

/// A file with only its header; after it come as many zeros as the weights would take.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// The header.
    pub header: Vec<u8>,
    /// The whole length, bytes.
    pub length: u64,
}

impl ReadAt for Sparse {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let here = usize::try_from(offset).ok().and_then(|offset| self.header.get(offset..)).unwrap_or_default();
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n_bytes = buffer.len().min(left);
        let buffer = &mut buffer[..n_bytes];
        buffer.fill(0);
        let n_here = here.len().min(n_bytes);
        buffer[..n_here].copy_from_slice(&here[..n_here]);
        Ok(n_bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}
