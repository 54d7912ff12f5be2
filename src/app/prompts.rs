//! Where states of prompts are kept on disk, over unload and restart. The workers write and read them.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::library::Env;
use domain::settings::Settings;
use domain::units::Bytes;
use wire::KeptPrompts;

/// The folder; `None` where the user has no cache folder.
pub fn folder() -> Option<PathBuf> {
    Env::read().cache.map(|cache| cache.join("prompts"))
}

/// What a worker is told of it; `None` where nothing is to be kept.
pub(super) fn kept(settings: &Settings) -> Option<KeptPrompts> {
    let Bytes(max_bytes) = settings.engine.prompt_cache_disk;
    (max_bytes > 0).then_some(())?;
    Some(KeptPrompts { folder: folder()?, max_bytes })
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Files.
    pub n_files: usize,
    /// Their sizes together.
    pub n_bytes: Bytes,
}

/// What is kept in a folder, left-overs included; nothing where it isn't there.
pub fn disk_use(folder: &Path) -> io::Result<DiskUse> {
    each(folder, |_| Ok(()))
}

/// Remove what is kept in a folder; what it was. Workers that run notice that it is gone.
pub fn clear(folder: &Path) -> io::Result<DiskUse> {
    each(folder, |path| fs::remove_file(path))
}

fn each(folder: &Path, act: impl Fn(&Path) -> io::Result<()>) -> io::Result<DiskUse> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DiskUse::default()),
        entries => entries?,
    };
    let mut all = DiskUse::default();
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        match act(&entry.path()) {
            // A worker was first.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            done => done?,
        }
        all.n_files += 1;
        all.n_bytes = all.n_bytes + Bytes(metadata.len());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        assert_eq!((disk_use(&missing).unwrap(), clear(&missing).unwrap()), Default::default());
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("a.kv"), "four").unwrap();
        fs::write(folder.path().join("b.kv"), "seven b").unwrap();
        let all = DiskUse { n_files: 2, n_bytes: Bytes(11) };
        assert_eq!(disk_use(folder.path()).unwrap(), all);
        assert_eq!(clear(folder.path()).unwrap(), all);
        assert_eq!(disk_use(folder.path()).unwrap(), DiskUse::default());
    }

    #[test]
    fn nothing_is_kept_unless_it_is_wanted() {
        let mut settings = Settings::default();
        assert_eq!(kept(&settings), None);
        settings.engine.prompt_cache_disk = Bytes(5);
        assert!(kept(&settings).is_none_or(|kept| kept.max_bytes == 5 && kept.folder.ends_with("prompts")));
    }
}
