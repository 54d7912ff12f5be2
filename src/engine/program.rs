//! The program that a worker is.

use std::ffi::OsString;
use std::path::PathBuf;

/// The program that a worker is: taffrail itself, but for tests.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The other machine that it runs the worker on, by its name; `None` where it is the worker itself.
    pub machine: Option<String>,
}

impl Program {
    /// This very program with its hidden subcommand.
    pub fn own() -> std::io::Result<Self> {
        // The running image, also where an update has replaced the file meanwhile.
        let own = PathBuf::from("/proc/self/exe");
        let path = if own.exists() { own } else { std::env::current_exe()? };
        Ok(Self { path, arguments: vec!["worker".into()], machine: None })
    }
}
