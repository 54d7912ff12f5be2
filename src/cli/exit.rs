//! How a command ends.

use std::process::ExitCode;

/// The exit codes, as the help names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Exit {
    Done,
    Failed,
    Usage,
    NotFound,
    Refused,
    Interrupted,
    /// That of another program, which was started.
    Program(u8),
}

impl Exit {
    /// That of another program.
    pub fn of_program(code: u8) -> Self {
        if code == 0 { Self::Done } else { Self::Program(code) }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::Refused => 4,
            Exit::Interrupted => 130,
            Exit::Program(code) => code,
        })
    }
}
