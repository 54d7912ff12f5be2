//! From what an argument says to a model, wherever it is: on this machine, on another, or with an engine of another program.

use std::sync::Arc;

use super::failure::print_error;
use super::progress::Progress;
use super::{Exit, machine_agent};
use crate::app::remotes;
use crate::library;
use domain::model::Model;
use domain::settings::Settings;

/// What is told while the stores are looked through.
pub const SCANNING: &str = "scanning the model stores";

/// The model that an argument means, a file before one that an engine elsewhere has; says why there is none.
///
/// # Errors
///
/// The exit code, once the reason is printed.
pub fn find(argument: &str, settings: &Settings) -> Result<Arc<Model>, Exit> {
    if let Some(found) = machine_agent::find(argument, settings) {
        return found;
    }
    let found = Progress::during(SCANNING, || library::find(argument, &settings.library, &library::Env::read()));
    let found = found.or_else(|error| {
        let found = Progress::during("asking other engines", || remotes::find_blocking(settings));
        match library::resolve::resolve(&found.models, argument) {
            Ok(model) => Ok(model),
            Err(ambiguous @ library::Unresolved::Ambiguous { .. }) => Err(ambiguous),
            Err(_) => {
                // What is wrong with an engine that is named is the reason.
                let is_named = |problem: &&String| {
                    let name = argument.split_once(':').map(|(name, _)| name);
                    name.is_some_and(|name| problem.starts_with(&format!("{name}: ")))
                };
                let problems = found.stores.iter().flat_map(|store| &store.problems);
                problems.filter(is_named).for_each(|problem| print_error(problem, None));
                Err(error)
            }
        }
    });
    found.map_err(|error| {
        print_error(&error, error.hint().as_deref());
        Exit::NotFound
    })
}

/// What becomes of a command's exit code.
pub type ExitOf = fn(Exit) -> Exit;

/// The models of these names that are found, with what becomes of an exit code where some are not: they are named, and
/// what is done with the others is no whole success.
///
/// # Errors
///
/// The exit code, once the reason is printed.
pub fn find_those(names: &[String], settings: &Settings) -> Result<(Vec<Arc<Model>>, ExitOf), Exit> {
    let (mut models, mut missing) = (Vec::new(), None);
    for name in names {
        match find(name, settings) {
            Ok(model) => models.push(model),
            Err(exit) => missing = Some(exit),
        }
    }
    match missing {
        None => Ok((models, |exit| exit)),
        Some(exit) if models.is_empty() => Err(exit),
        Some(_) => Ok((models, |exit| if exit == Exit::Done { Exit::Failed } else { exit })),
    }
}
