//! A folder for what lies on the disk while a text is weighed, gone with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the folders' names begin with; the process's number follows.
const PREFIX: &str = "taffrail-quality-";

/// A folder of this program alone.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Make it. It must not be there: a folder in a place where everyone may write could be another's.
    pub fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
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

/// Remove the folders of runs that were killed.
pub(super) fn remove_left(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<i32>().ok());
        if pid.is_some_and(|pid| is_ours(&entry) && !is_alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether it is a folder of this user: not a link, nor what another put there.
fn is_ours(entry: &fs::DirEntry) -> bool {
    let Ok(metadata) = entry.metadata() else { return false };
    let is_mine = std::os::unix::fs::MetadataExt::uid(&metadata) == rustix::process::geteuid().as_raw();
    metadata.is_dir() && is_mine
}

fn is_alive(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_runs_go_and_no_others() {
        let temporary = tempfile::tempdir().unwrap();
        let own = format!("{PREFIX}{}", std::process::id());
        // No process has a number as high as these.
        let dead = format!("{PREFIX}4194304");
        for name in [own.as_str(), &dead, "taffrail-quality-x", "other-4194304"] {
            fs::create_dir(temporary.path().join(name)).unwrap();
        }
        fs::write(temporary.path().join(&dead).join("distributions"), "x").unwrap();
        std::os::unix::fs::symlink(temporary.path().join(&own), temporary.path().join(format!("{PREFIX}4194303")))
            .unwrap();
        remove_left(temporary.path());
        assert!(!temporary.path().join(&dead).exists());
        assert!(temporary.path().join(&own).exists() && temporary.path().join("other-4194304").exists());
        assert!(temporary.path().join("taffrail-quality-x").exists());
    }
}
