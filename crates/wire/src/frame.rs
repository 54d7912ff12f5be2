//! Frames: a `u32` length in little-endian bytes, then that many bytes of JSON.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// Maximum size of a frame's body in bytes; even a long conversation is far smaller.
pub const MAX_FRAME: usize = 64 << 20;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The length is above [`MAX_FRAME`]; the peer does not speak this protocol.
    #[error("frame of {0} bytes is above the limit of {MAX_FRAME}")]
    TooLong(usize),
    /// The body is not a valid message.
    #[error("frame is not a message of this protocol: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The pipe failed, or ended inside a frame.
    #[error("pipe failed: {0}")]
    Io(#[from] io::Error),
}

/// Encode a message as one frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(Error::TooLong(length));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Write a message as one frame, with one call to `write_all`.
pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), Error> {
    Ok(to.write_all(&encode(message)?)?)
}

/// Read the next message; `None` at a clean end.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, Error> {
    let mut decoder = Decoder::default();
    let mut chunk = [0; 4096];
    loop {
        if let Some(message) = decoder.next()? {
            return Ok(Some(message));
        }
        let want = decoder.missing().min(chunk.len());
        match from.read(&mut chunk[..want]) {
            Ok(0) if decoder.is_empty() => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => decoder.push(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Collects bytes as they arrive and returns complete messages.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Add bytes. The buffer never holds more than what was pushed: nothing is reserved from a declared length.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message, if there is one. After an error the stream can't be trusted any more.
    #[expect(clippy::should_implement_trait, reason = "the message's type is the caller's choice at each call")]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let pending = &self.buffer[self.start..];
        let Some((head, body)) = pending.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*head) as usize;
        if length > MAX_FRAME {
            return Err(Error::TooLong(length));
        }
        let Some(body) = body.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(body)?;
        self.start += 4 + length;
        if self.start * 2 > self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        Ok(Some(message))
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Bytes still needed before [`Decoder::next`] can return a message, at least 1.
    fn missing(&self) -> usize {
        let pending = &self.buffer[self.start..];
        match pending.split_first_chunk::<4>() {
            None => 4 - pending.len(),
            Some((head, body)) => (u32::from_le_bytes(*head) as usize).saturating_sub(body.len()).max(1),
        }
    }
}
