//! What must hold before a worker sees a file: it is there, and the header reader knows nothing that would end the worker.
//! A model that is forced goes to its worker as it is.

use std::path::PathBuf;

use crate::engine::Problem;
use crate::library;
use domain::model::Model;

/// What can be done about a file that the check refuses.
const FORCE: &str = "`--force`, or starting it from the Library once more, tries it anyway";

/// The file to load. Runs on a thread where it may block.
pub(super) fn prepare(model: &Model) -> Result<PathBuf, Problem> {
    let path = library::materialise(model).map_err(|error| Problem {
        reason: format!("{} could not be written out: {error}", model.name),
        hint: Some("the starter models need some megabytes in the data folder".to_owned()),
    })?;
    if model.overridden.is_some() {
        return Ok(path);
    }
    for file in model.files.iter().map(|file| &file.path).filter(|file| !file.as_os_str().is_empty()) {
        check(file)?;
    }
    check(&path)?;
    Ok(path)
}

fn check(path: &std::path::Path) -> Result<(), Problem> {
    match gguf::Header::open(path).map(|header| header.findings().fatal) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(Problem { hint: Some(FORCE.to_owned()), reason }),
        Err(error) => Err(Problem { hint: Some(error.hint().unwrap_or(FORCE).to_owned()), reason: error.to_string() }),
    }
}
