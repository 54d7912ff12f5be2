//! The lines of an answer that comes piece by piece, within bounds.

use bytes::Bytes;

use super::RemoteError;

/// The longest line: a call of a tool with a whole file in it is shorter.
const MAX_LINE: usize = 4 << 20;

/// The most bytes of one answer. A million tokens with their timings take half of it.
const MAX_BYTES: u64 = 512 << 20;

/// Cuts what comes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    n_bytes: u64,
}

impl Lines {
    /// Take what has come; gives the lines that are whole now.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Result<Vec<String>, RemoteError> {
        self.n_bytes += chunk.len() as u64;
        if self.n_bytes > MAX_BYTES {
            return Err(RemoteError::new(format!("it sent more than {} MiB for one answer", MAX_BYTES >> 20)));
        }
        let mut lines = Vec::new();
        let mut parts = chunk.split(|byte| *byte == b'\n');
        let mut part = parts.next();
        while let Some(bytes) = part {
            if self.buffer.len() + bytes.len() > MAX_LINE {
                return Err(RemoteError::new(format!("it sent a line of more than {} MiB", MAX_LINE >> 20)));
            }
            self.buffer.extend_from_slice(bytes);
            part = parts.next();
            if part.is_some() {
                lines.push(String::from_utf8_lossy(&self.buffer).trim_end_matches('\r').to_owned());
                self.buffer.clear();
            }
        }
        Ok(lines)
    }

    /// What is left when nothing more comes.
    pub(super) fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.buffer);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_lines() {
        let mut lines = Lines::default();
        let mut push = |text: &'static str| lines.push(&Bytes::from_static(text.as_bytes())).unwrap();
        assert_eq!(push("data: {\"a\""), [""; 0]);
        assert_eq!(push(":1}\r\n\r\nx"), ["data: {\"a\":1}", ""]);
        assert_eq!(lines.rest().as_deref(), Some("x"));
    }

    #[test]
    fn a_line_without_end_and_an_answer_without_end_are_refused() {
        let mut lines = Lines::default();
        let chunk = Bytes::from(vec![b'x'; MAX_LINE]);
        assert!(lines.push(&chunk).is_ok());
        assert!(lines.push(&chunk).is_err());
        let mut lines = Lines::default();
        let chunk = Bytes::from([vec![b'x'; MAX_LINE - 1], vec![b'\n']].concat());
        let error = (0..200).find_map(|_| lines.push(&chunk).err());
        assert!(error.is_some_and(|error| error.reason.contains("512 MiB")));
    }
}
