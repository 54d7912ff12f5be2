//! Frames on the socket: a `u32` length in little-endian bytes, then that many bytes.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The most bytes of a frame: a snapshot with ten thousand models is well below.
pub(super) const MAX_FRAME: usize = 128 << 20;

/// The most bytes of the first frame either way, from somebody who is not known yet.
pub(super) const MAX_HELLO: usize = 64 << 10;

/// A message as a frame.
pub(super) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let frame = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    finish(frame, MAX_FRAME)
}

/// The first frame, in a format that every version reads.
pub(super) fn encode_hello<T: Serialize>(hello: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, hello)?;
    finish(frame, MAX_HELLO)
}

fn finish(mut frame: Vec<u8>, most: usize) -> io::Result<Vec<u8>> {
    let length = frame.len() - 4;
    if length > most {
        return Err(too_long(length, most));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

fn too_long(length: usize, most: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes is above the limit of {most}"))
}

/// The body of the next frame; `None` at a clean end. Nothing is reserved from a declared length.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin), most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    let mut n_read = 0;
    while n_read < head.len() {
        match from.read(&mut head[n_read..]).await? {
            0 if n_read == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => n_read += n,
        }
    }
    let length = u32::from_le_bytes(head) as usize;
    if length > most {
        return Err(too_long(length, most));
    }
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Some(body)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_read_as_they_were_written_and_bounded() {
        let mut bytes = encode(&"one").unwrap();
        bytes.extend(encode(&"two").unwrap());
        let mut from = bytes.as_slice();
        for text in ["one", "two"] {
            let body = read(&mut from, MAX_FRAME).await.unwrap().unwrap();
            assert_eq!(postcard::from_bytes::<String>(&body).unwrap(), text);
        }
        assert!(read(&mut from, MAX_FRAME).await.unwrap().is_none());
        for cut in [2, 6] {
            let error = read(&mut &bytes[..cut], MAX_FRAME).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
        let error = read(&mut u32::MAX.to_le_bytes().as_slice(), MAX_FRAME).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
