//! Which model of a repository is offered first.

use super::hub::{Choice, Files, Repository, pick};
use crate::admission::free_memory;
use crate::state::Domain;

/// Which of a repository's models is the best that fits here and now, and why. `None` while its files are not known.
pub fn preselected(domain: &Domain, repository: &Repository) -> Option<Choice> {
    let Files::Known(quants) = &repository.files else { return None };
    pick(quants, free_memory(domain).map(|memory| memory.free), domain.settings.session.context)
}
