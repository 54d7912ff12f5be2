//! A folder for what lies on the disk while a text is weighed, gone with it.

use std::fs;
use std::io;
use std::path::PathBuf;

/// A folder of this program alone.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Make it. It must not be there: a folder in a place where everyone may write could be another's.
    pub fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("taffrail-quality-{}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        Ok(Self(folder))
    }

    /// Where a reference's distributions go.
    pub fn file(&self) -> PathBuf {
        self.0.join("distributions")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
