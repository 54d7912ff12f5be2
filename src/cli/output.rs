//! What a command writes to standard output.
//!
//! A disk that is full, and any other error, ends the command with exit code 1 and a word about it. A reader that has gone
//! away, as `head` does, wants no more, and that is no error.

use std::io::{self, StdoutLock, Write};

use super::Exit;
use super::failure::Failure;

/// Standard output, with the first error that writing to it gave.
#[derive(Debug, Default)]
pub struct Output {
    error: Option<io::Error>,
}

impl Output {
    /// Write something, unless that failed before; whether all has gone well so far.
    pub fn print(&mut self, write: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>) -> bool {
        if self.error.is_none() {
            let mut out = io::stdout().lock();
            self.error = write(&mut out).and_then(|()| out.flush()).err();
        }
        self.error.is_none()
    }

    /// How the command ends that would end so.
    pub fn end(self, exit: Exit) -> Exit {
        ended(self.error.map_or(Ok(()), Err), exit)
    }
}

/// How a command ends that would end so, after what it wrote.
pub fn ended(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Failure::new(Exit::Failed, format!("the output can't be written: {error}")).print()
        }
        _ => exit,
    }
}
