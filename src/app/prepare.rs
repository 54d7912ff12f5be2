//! What must hold before a worker sees a file: it is there, and the header reader has nothing against it.

use std::path::PathBuf;

use crate::core::model::Model;
use crate::engine::Problem;
use crate::library;

/// The file to load. Runs on a thread where it may block.
pub(super) fn prepare(model: &Model) -> Result<PathBuf, Problem> {
    let path = library::materialise(model).map_err(|error| Problem {
        reason: format!("{} could not be written out: {error}", model.name),
        hint: Some("the starter models need some megabytes in the data folder".to_owned()),
    })?;
    for file in model.files.iter().map(|file| &file.path).filter(|file| !file.as_os_str().is_empty()) {
        check(file)?;
    }
    check(&path)?;
    Ok(path)
}

fn check(path: &std::path::Path) -> Result<(), Problem> {
    match gguf::Header::open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem { hint: error.hint().map(str::to_owned), reason: error.to_string() }),
    }
}
