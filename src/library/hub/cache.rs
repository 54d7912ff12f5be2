//! The Hugging Face cache as it is written: `models--owner--name/{blobs,snapshots,refs}`, as `huggingface_hub` does.
//!
//! The order keeps it valid at every instant: the whole file as a blob, then its name in the snapshot, then the ref.
//! What other tools read is never half there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo};

use super::problem::HubError;
use crate::atomic_file;
use domain::model::Digest;
use domain::units::Bytes;

/// Room that is left on a disk beside what is fetched: a full disk harms other programs.
const SPARE: u64 = 64 << 20;

/// What a part's name ends in: other tools take it for unfinished.
const PART: &str = ".taffrail.incomplete";
/// What a journal's name ends in.
const JOURNAL: &str = ".taffrail.journal.incomplete";

/// One repository in the cache.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    cache: PathBuf,
    repository: Repo,
}

impl Folder {
    /// Of a repository whose name was checked.
    pub(super) fn new(cache: &Path, repository: &str) -> Self {
        Self { cache: cache.to_owned(), repository: Repo::model(repository.to_owned()) }
    }

    fn path(&self) -> PathBuf {
        self.cache.join(self.repository.folder_name())
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path().join("blobs")
    }

    pub(super) fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.to_string())
    }

    pub(super) fn part(&self, digest: Digest) -> PathBuf {
        self.blobs().join(format!("{digest}{PART}"))
    }

    pub(super) fn journal(&self, digest: Digest) -> PathBuf {
        self.blobs().join(format!("{digest}{JOURNAL}"))
    }

    /// The digest whose journal a file's name says it is.
    pub(super) fn journal_of(file_name: &str) -> Option<Digest> {
        file_name.strip_suffix(JOURNAL)?.parse().ok()
    }

    /// The lock that `huggingface_hub` takes before it writes this blob.
    pub(super) fn lock(&self, digest: Digest) -> PathBuf {
        self.cache.join(".locks").join(self.repository.folder_name()).join(format!("{digest}.lock"))
    }

    fn snapshot(&self, commit: &str, path: &str) -> PathBuf {
        let snapshot = Cache::new(self.cache.clone()).repo(self.repository.clone()).pointer_path(commit);
        path.split('/').fold(snapshot, |folder, part| folder.join(part))
    }

    /// Make the folders that a file needs. The snapshot's is there before the file is, since without it the hub's own
    /// tools call the repository corrupted.
    pub(super) fn prepare(&self, commit: &str, path: &str) -> Result<(), HubError> {
        let snapshot = self.snapshot(commit, path);
        let folders = [self.blobs(), snapshot.parent().unwrap_or(&self.cache).to_owned()];
        folders.iter().try_for_each(|folder| fs::create_dir_all(folder).map_err(HubError::at(folder)))
    }

    /// Remove the folders of a file that is not there, as far as nothing is in them.
    pub(super) fn forget(&self, commit: &str, path: &str) {
        let snapshot = self.snapshot(commit, path);
        let folders = snapshot.ancestors().skip(1).take_while(|folder| folder.starts_with(self.path()));
        for folder in folders {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Whether a blob of this size is there.
    pub(super) fn has(&self, digest: Digest, size: u64) -> bool {
        fs::metadata(self.blob(digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
    }

    /// Whether a file is there, as a link to its blob or as itself. Gives its path in the snapshot.
    pub(super) fn find(&self, commit: &str, path: &str, size: u64) -> Option<PathBuf> {
        let file = self.snapshot(commit, path);
        fs::metadata(&file).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size).then_some(file)
    }

    /// Give a complete part its name, and make that last.
    pub(super) fn publish(&self, digest: Digest) -> Result<(), HubError> {
        let blob = self.blob(digest);
        atomic_file::publish(&self.part(digest), &blob).map_err(HubError::at(&blob))
    }

    /// Let a file of a snapshot be this blob; gives its path. `link` makes symbolic links.
    pub(super) fn point(
        &self,
        commit: &str,
        path: &str,
        digest: Digest,
        link: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<PathBuf, HubError> {
        let pointer = self.snapshot(commit, path);
        let folder = pointer.parent().unwrap_or(&self.cache);
        fs::create_dir_all(folder).map_err(HubError::at(folder))?;
        let depth = path.split('/').count() + 1;
        let mut target: PathBuf = std::iter::repeat_n("..", depth).collect();
        target.push("blobs");
        target.push(digest.to_string());
        if fs::read_link(&pointer).is_ok_and(|old| old == target) {
            return Ok(pointer);
        }
        let temporary = folder.join(format!(".{digest}.{}.taffrail", std::process::id()));
        let _ = fs::remove_file(&temporary);
        let made = match link(&target, &temporary) {
            Ok(()) => atomic_file::publish(&temporary, &pointer),
            // No links here: the snapshot has the file itself, as the hub's own tools do it then.
            Err(_) => atomic_file::publish(&self.blob(digest), &pointer),
        };
        if made.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        made.map_err(HubError::at(&pointer))?;
        Ok(pointer)
    }

    /// Let a revision be this commit.
    pub(super) fn name(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit {
            return Ok(());
        }
        let path = revision.split('/').fold(self.path().join("refs"), |folder, part| folder.join(part));
        if fs::read_to_string(&path).is_ok_and(|old| old == commit) {
            return Ok(());
        }
        atomic_file::replace(&path, commit.as_bytes()).map_err(HubError::at(&path))
    }
}

/// A symbolic link at `link` to `target`.
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Whether so many bytes more have room below a folder, which need not be there yet.
pub(super) fn check_space(folder: &Path, needed: u64) -> Result<(), HubError> {
    let Some(there) = folder.ancestors().find(|ancestor| ancestor.exists()) else { return Ok(()) };
    let Some(free) = free(there) else { return Ok(()) };
    if needed == 0 || needed.saturating_add(SPARE) <= free {
        return Ok(());
    }
    Err(HubError::Space { needed: Bytes(needed), free: Bytes(free), folder: there.to_owned() })
}

/// Bytes that a user may still write; `None` where the system does not tell.
fn free(folder: &Path) -> Option<u64> {
    {
        let status = rustix::fs::statvfs(folder).ok()?;
        status.f_bavail.checked_mul(status.f_frsize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_its_name_as_a_relative_link_or_as_itself() {
        let cache = tempfile::tempdir().unwrap();
        let folder = Folder::new(cache.path(), "owner/name");
        let digest: Digest = "ab".repeat(32).parse().unwrap();
        let commit = "c".repeat(40);
        for path in ["m.gguf", "Q8_0/deep/m.gguf"] {
            fs::create_dir_all(folder.blobs()).unwrap();
            fs::write(folder.part(digest), "whole").unwrap();
            folder.publish(digest).unwrap();
            let pointer = folder.point(&commit, path, digest, symlink).unwrap();
            assert!(fs::read_link(&pointer).unwrap().is_relative());
            assert_eq!(fs::read(&pointer).unwrap(), b"whole");
            // Again, and over what stands there.
            assert_eq!(folder.point(&commit, path, digest, symlink).unwrap(), pointer);
            fs::remove_file(&pointer).unwrap();
            fs::write(&pointer, "old").unwrap();
            folder.point(&commit, path, digest, symlink).unwrap();
            assert_eq!(fs::read(&pointer).unwrap(), b"whole");
            fs::remove_file(&pointer).unwrap();
            folder.point(&commit, path, digest, |_, _| Err(io::ErrorKind::PermissionDenied.into())).unwrap();
            assert!(!fs::symlink_metadata(&pointer).unwrap().is_symlink());
            assert_eq!(fs::read(&pointer).unwrap(), b"whole");
            assert!(!folder.blob(digest).exists());
        }
        folder.name("refs/pr/1", &commit).unwrap();
        assert_eq!(fs::read_to_string(cache.path().join("models--owner--name/refs/refs/pr/1")).unwrap(), commit);
    }

    #[test]
    fn room_is_looked_at_before() {
        let cache = tempfile::tempdir().unwrap();
        let below = cache.path().join("not/there/yet");
        assert!(check_space(&below, 1000).is_ok());
        assert!(matches!(check_space(&below, u64::MAX / 2), Err(HubError::Space { .. })));
    }
}
