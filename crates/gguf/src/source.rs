//! Where bytes come from, and a cursor over them that holds one chunk at a time.

use std::{fs::File, io, path::Path};

use crate::error::{Error, HeaderPosition};

/// The longest header that is read, in bytes. The longest real ones, with vocabularies of 260,000 tokens, have 20 MiB.
pub(crate) const MAX_HEADER: u64 = 256 << 20;
/// The longest string, in bytes: as long as a whole header. Long ones are skipped and never held.
pub(crate) const MAX_STRING: u64 = MAX_HEADER;
/// Bytes read first: enough for a file without a tokenizer.
const FIRST_CHUNK: usize = 16 << 10;
/// Bytes read at a time after that. Small enough to stay in the processor's cache.
pub(crate) const CHUNK: usize = 64 << 10;

/// Something that can be read at any place, such as a file or a slice.
pub trait ReadAt {
    /// Read some bytes from `offset` into `buffer`; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Open a regular file without ever waiting for a FIFO's other end or waking a device.
pub(crate) fn open_regular(path: &Path) -> Result<File, Error> {
    refuse_others(std::fs::metadata(path)?.file_type())?;
    let file = {
        use rustix::fs::{Mode, OFlags};
        // The path may have become a FIFO meanwhile, and opening one for reading blocks by default.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?)
    };
    refuse_others(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_others(file_type: std::fs::FileType) -> Result<(), Error> {
    if file_type.is_file() {
        return Ok(());
    }
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return Err(Error::NotAFile("a FIFO"));
        }
        if file_type.is_socket() {
            return Err(Error::NotAFile("a socket"));
        }
    }
    Err(Error::NotAFile(if file_type.is_dir() { "a directory" } else { "a device" }))
}

/// The order of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first: nearly all files.
    Little,
    /// Most significant byte first: files for IBM Z and the like, which only such machines can run.
    Big,
}

impl Endian {
    /// That of this processor.
    pub(crate) const fn native() -> Self {
        if cfg!(target_endian = "big") { Self::Big } else { Self::Little }
    }

    /// A number from its four bytes.
    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// A number from its eight bytes.
    pub(crate) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// Reads forward through a source. It never holds more than a chunk, and never reads what is skipped over.
pub(crate) struct Cursor<'a, R: ?Sized> {
    source: &'a R,
    /// The source's length, bytes.
    length: u64,
    buffer: Vec<u8>,
    /// The source's offset of `buffer[0]`.
    start: u64,
    /// Position of the next byte in `buffer`.
    at: usize,
    /// The order of the numbers read.
    pub(crate) endian: Endian,
    /// What is being read, for errors.
    pub(crate) place: HeaderPosition,
}

impl<'a, R: ReadAt + ?Sized> Cursor<'a, R> {
    pub(crate) fn new(source: &'a R) -> Result<Self, Error> {
        let length = source.length()?;
        Ok(Self {
            source,
            length,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            endian: Endian::Little,
            place: HeaderPosition::Start,
        })
    }

    /// The source's length, bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// What is read.
    pub(crate) fn source(&self) -> &'a R {
        self.source
    }

    /// Bytes from here to the end.
    pub(crate) fn remaining(&self) -> u64 {
        self.length.saturating_sub(self.offset())
    }

    /// What is buffered from here on.
    fn buffered(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Refuse to go `bytes` further than the file or than any real header.
    fn check(&self, bytes: u64) -> Result<(), Error> {
        if bytes > self.remaining() {
            Err(Error::Truncated(self.place))
        } else if self.offset() + bytes > MAX_HEADER {
            Err(Error::HeaderTooLong(self.place))
        } else {
            Ok(())
        }
    }

    /// Have at least `bytes` buffered; only called for what fits a chunk.
    fn fill(&mut self, bytes: usize) -> Result<(), Error> {
        if self.buffered().len() >= bytes {
            return Ok(());
        }
        self.check(bytes as u64)?;
        let chunk = if self.buffer.is_empty() && self.start == 0 { FIRST_CHUNK } else { CHUNK };
        self.start += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let mut filled = self.buffer.len();
        self.buffer.resize(chunk.max(bytes), 0);
        while filled < self.buffer.len() {
            match self.source.read_at(&mut self.buffer[filled..], self.start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.buffer.truncate(filled);
        // The file may have shrunk since its length was taken.
        if filled < bytes { Err(Error::Truncated(self.place)) } else { Ok(()) }
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.fill(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.at..self.at + N]);
        self.at += N;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        Ok(self.endian.u32(self.bytes()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(self.endian.u64(self.bytes()?))
    }

    /// Go `bytes` further without reading them.
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<(), Error> {
        self.check(bytes)?;
        if bytes <= self.buffered().len() as u64 {
            self.at += bytes as usize;
        } else {
            self.start = self.offset() + bytes;
            self.buffer.clear();
            self.at = 0;
        }
        Ok(())
    }

    /// The next `length` bytes, a piece at a time.
    pub(crate) fn take(&mut self, length: u64, mut piece: impl FnMut(&[u8])) -> Result<(), Error> {
        self.check(length)?;
        let mut left = length;
        while left > 0 {
            self.fill(1)?;
            let size = left.min(self.buffered().len() as u64) as usize;
            piece(&self.buffer[self.at..self.at + size]);
            self.at += size;
            left -= size as u64;
        }
        Ok(())
    }

    /// The next `length` bytes, held.
    pub(crate) fn take_vec(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut held = Vec::new();
        self.take(length, |piece| held.extend_from_slice(piece))?;
        Ok(held)
    }

    /// Go over `count` strings, giving each one's bytes where it lies within a chunk, else `None`, and where it starts: the
    /// offset of its length in the source.
    pub(crate) fn strings(&mut self, count: u64, mut each: impl FnMut(u64, Option<&[u8]>)) -> Result<(), Error> {
        let mut left = count;
        while left > 0 {
            // Vocabularies have a hundred thousand strings: go through those that are buffered whole.
            let mut at = self.at;
            let mut rest = self.buffered();
            while left > 0
                && let Some((length, after)) = rest.split_first_chunk()
                && let Ok(length) = usize::try_from(self.endian.u64(*length))
                && let Some((text, after)) = after.split_at_checked(length)
            {
                each(self.start + at as u64, Some(text));
                rest = after;
                at = self.buffer.len() - rest.len();
                left -= 1;
            }
            self.at = at;
            if left == 0 {
                break;
            }
            let start = self.offset();
            let length = self.u64()?;
            if length <= CHUNK as u64 {
                self.fill(length as usize)?;
                each(start, Some(&self.buffer[self.at..self.at + length as usize]));
                self.at += length as usize;
            } else {
                self.skip(length)?;
                each(start, None);
            }
            left -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, after an interruption.
    struct Slow(Vec<u8>, std::cell::Cell<bool>);

    impl ReadAt for Slow {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            if self.1.replace(!self.1.get()) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = buffer.len().min(1);
            self.0.as_slice().read_at(&mut buffer[..length], offset)
        }

        fn length(&self) -> io::Result<u64> {
            self.0.as_slice().length()
        }
    }

    #[test]
    fn short_and_interrupted_reads_add_up() {
        let source = Slow((0..32).collect(), true.into());
        let mut cursor = Cursor::new(&source).unwrap();
        assert_eq!(cursor.u32().unwrap(), 0x0302_0100);
        cursor.skip(4).unwrap();
        cursor.endian = Endian::Big;
        assert_eq!(cursor.u64().unwrap(), 0x0809_0a0b_0c0d_0e0f);
        assert_eq!(cursor.offset(), 16);
        assert_eq!(cursor.take_vec(16).unwrap(), (16..32).collect::<Vec<u8>>());
        assert!(matches!(cursor.u32(), Err(Error::Truncated(HeaderPosition::Start))));
    }

    #[test]
    fn strings_cross_chunks() {
        let mut bytes = Vec::new();
        let lengths = [0, 5, FIRST_CHUNK - 3, 9, CHUNK, CHUNK + 1, 2 * CHUNK + 7, 1];
        for (index, &length) in lengths.iter().enumerate() {
            bytes.extend((length as u64).to_le_bytes());
            bytes.extend(std::iter::repeat_n(index as u8, length));
        }
        let mut cursor = Cursor::new(bytes.as_slice()).unwrap();
        let mut seen = Vec::new();
        let mut starts = Vec::new();
        cursor
            .strings(lengths.len() as u64, |start, text| {
                starts.push(start as usize);
                seen.push(text.map(|text| (text.len(), text.last().copied())));
            })
            .unwrap();
        for (start, length) in starts.into_iter().zip(lengths) {
            assert_eq!(bytes[start..start + 8], (length as u64).to_le_bytes());
        }
        let expected: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(index, &length)| (length <= CHUNK).then_some((length, (length > 0).then_some(index as u8))))
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(cursor.remaining(), 0);
    }

    #[test]
    fn a_file_that_shrinks_is_cut_off() {
        struct Shrunk;
        impl ReadAt for Shrunk {
            fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
                Ok(0)
            }
            fn length(&self) -> io::Result<u64> {
                Ok(1 << 30)
            }
        }
        let mut cursor = Cursor::new(&Shrunk).unwrap();
        assert!(matches!(cursor.u64(), Err(Error::Truncated(_))));
        assert!(matches!(cursor.skip(MAX_HEADER + 1), Err(Error::HeaderTooLong(_))));
    }
}
