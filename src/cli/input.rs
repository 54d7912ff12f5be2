//! Texts from files and from standard input, each of a bounded length.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::Exit;
use super::failure::Failure;
use domain::text;

/// The longest prompt that is read, in bytes.
pub(super) const MAX_PROMPT: u64 = 32 << 20;

/// The text of a file of at most so many bytes.
pub(super) fn read_text(file: &Path, most: u64) -> Result<String, Failure> {
    let name = file.display();
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::new(Exit::Usage, format!("{name} can't be read: {error}")))?;
    if bytes.len() as u64 > most {
        return Err(Failure::new(Exit::Usage, format!("{name} is longer than {most} bytes")));
    }
    text::decode(bytes).map_err(|error| Failure::new(Exit::Usage, format!("{name} can't be read: {error}")))
}

/// All that standard input holds.
pub(super) fn read_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().take(MAX_PROMPT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_PROMPT {
        return Err(io::Error::other(format!("it is longer than {} MiB", MAX_PROMPT >> 20)));
    }
    Ok(bytes)
}
