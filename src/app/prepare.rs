//! What must hold before a worker sees a file: it is there, and the header reader knows nothing that would end the worker.
//! A model that is forced goes to its worker as it is.

use std::path::PathBuf;

use crate::engine::StartError;
use crate::library;
use domain::model::Model;

/// What can be done about a file that the check refuses.
const FORCE: &str = "`--force`, or starting it from the Library once more, tries it anyway";

/// The file to load; whether all layers are computed by this machine's processor. Runs on a thread where it may block.
pub(super) fn prepare(model: &Model, on_cpu: bool) -> Result<PathBuf, StartError> {
    let path = library::materialise(model).map_err(|error| StartError {
        reason: format!("{} could not be written out: {error}", model.name),
        hint: Some("the starter models need some megabytes in the data folder".to_owned()),
    })?;
    if path.to_str().is_none() {
        return Err(StartError {
            reason: "its path is not UTF-8, and llama.cpp is called with no other".to_owned(),
            hint: Some("rename the file, or link to it under another name".to_owned()),
        });
    }
    if model.overridden.is_some() {
        return Ok(path);
    }
    for file in model.files.iter().map(|file| &file.path).filter(|file| !file.as_os_str().is_empty()) {
        check(file, on_cpu)?;
    }
    check(&path, on_cpu)?;
    Ok(path)
}

fn check(path: &std::path::Path, on_cpu: bool) -> Result<(), StartError> {
    let fatal = |found: gguf::Findings| found.fatal.or(found.fatal_on_cpu.filter(|_| on_cpu));
    match gguf::Header::open(path).map(|header| fatal(header.findings())) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(StartError { hint: Some(FORCE.to_owned()), reason }),
        Err(error) => {
            Err(StartError { hint: Some(error.hint().unwrap_or(FORCE).to_owned()), reason: error.to_string() })
        }
    }
}
