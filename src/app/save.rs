//! Where exports go: a folder in the data folder of the platform.

use std::io;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::atomic_file;

/// The folder for exports.
pub(super) fn folder() -> io::Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    Ok(strategy.data_dir().join("taffrail").join("exports"))
}

/// Write files, given by name and text; gives their folder.
pub(super) fn save(files: &[(String, String)]) -> io::Result<PathBuf> {
    let folder = folder()?;
    for (name, text) in files {
        atomic_file::replace(&folder.join(name), text.as_bytes())?;
    }
    Ok(folder)
}
