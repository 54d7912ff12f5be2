//! A folder for what lies on the disk while a text is weighed, gone with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the folders' names begin with; the process's number follows, then a point and the folder's own.
const PREFIX: &str = "taffrail-perplexity-";

/// The number of the next folder of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of this program alone.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// Make it. It must not be there: a folder in a place where everyone may write could be another's.
    pub fn new() -> io::Result<Self> {
        // The one before may still be being removed.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}.{number}", std::process::id()));
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

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Remove the folders of runs that were killed.
pub(super) fn remove_left(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| {
            let name = name.strip_prefix(PREFIX)?;
            // Earlier versions had one folder for each process.
            name.split_once('.').map_or(name, |(pid, _)| pid).parse::<i32>().ok()
        });
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
    fn each_has_a_folder_of_its_own() {
        let (one, two) = (ScratchDir::new().unwrap(), ScratchDir::new().unwrap());
        assert_ne!(one.file(), two.file());
        let folder = two.0.clone();
        drop((one, two));
        assert!(!folder.exists());
    }

    #[test]
    fn folders_of_dead_runs_go_and_no_others() {
        let temporary = tempfile::tempdir().unwrap();
        let own = format!("{PREFIX}{}.0", std::process::id());
        // No process has a number as high as these.
        let dead = format!("{PREFIX}4194304");
        let numbered = format!("{dead}.1");
        for name in [own.as_str(), &dead, &numbered, "taffrail-perplexity-x", "other-4194304"] {
            fs::create_dir(temporary.path().join(name)).unwrap();
        }
        fs::write(temporary.path().join(&dead).join("distributions"), "x").unwrap();
        std::os::unix::fs::symlink(temporary.path().join(&own), temporary.path().join(format!("{PREFIX}4194303")))
            .unwrap();
        remove_left(temporary.path());
        assert!(!temporary.path().join(&dead).exists() && !temporary.path().join(&numbered).exists());
        assert!(temporary.path().join(&own).exists() && temporary.path().join("other-4194304").exists());
        assert!(temporary.path().join("taffrail-perplexity-x").exists());
    }
}
