//! Where exports go: a folder in the data folder of the platform. Each file is complete before it gets its name.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

/// Write files, given by name and text; gives their folder.
pub(super) fn save(files: &[(String, String)]) -> io::Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    let folder = strategy.data_dir().join("taffrail").join("exports");
    fs::create_dir_all(&folder)?;
    for (name, text) in files {
        let part = folder.join(format!(".{name}.part"));
        let mut file = fs::File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, folder.join(name))?;
    }
    Ok(folder)
}
