//! Files that the user asks for, in the one folder for exports, which is told each time. Nothing is ever written over.

use std::io::{ErrorKind, Result, Write as _};
use std::path::{Path, PathBuf};

use crate::atomic_file;
use domain::Event;

/// How many names are tried.
const MAX_NAMES: u32 = 100;

/// Write it into the folder for exports under a name that is free there; gives its path.
///
/// # Errors
///
/// What the system says.
pub fn keep(name: &str, text: &str) -> Result<PathBuf> {
    let folder = super::save::folder()?;
    std::fs::create_dir_all(&folder)?;
    write(&folder, name, text)
}

/// Write it, and say where it is.
pub(super) fn write_new(name: &str, text: &str) -> Event {
    match keep(name, text) {
        Ok(file) => Event::Notice(format!("wrote {}", file.display())),
        Err(error) => Event::Failed(format!("{name} can't be written: {error}")),
    }
}

/// Write a file that is not there yet: complete, or not at all.
fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let name = Path::new(name);
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    let ending = name.extension().unwrap_or_default().to_string_lossy();
    for number in 1..=MAX_NAMES {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = folder.join(format!("{stem}{number}.{ending}"));
        match atomic_file::create(&path, |file| file.write_all(text.as_bytes())) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map(|()| path),
        }
    }
    Err(std::io::Error::new(ErrorKind::AlreadyExists, "all its names are taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"].map(|text| write(folder.path(), "graphs.csv", text).unwrap());
        let read = names.each_ref().map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(read, ["a", "b", "c"]);
        assert_eq!(names[2].file_name().unwrap(), "graphs-3.csv");
        assert!(write(&folder.path().join("missing"), "graphs.csv", "a").is_err());
    }
}
