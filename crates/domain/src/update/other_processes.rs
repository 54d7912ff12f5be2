//! What follows for other programs' processes: their models, and that one is asked to end.

use super::common::notify;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::machine::other_processes::{OtherProcess, name_in_library};
use crate::state::Domain;

/// Name the models of the processes that a sample found, before it becomes the state's; say which of those that were
/// asked to end have.
pub(super) fn found(domain: &mut Domain, foreign: &mut [OtherProcess]) {
    for one in foreign.iter_mut() {
        let before = processes(domain).iter().find(|before| before.id() == one.id() && before.model == one.model);
        let known = before.and_then(|before| before.name.clone());
        one.name = known.or_else(|| {
            let models = domain.library.models.iter().map(AsRef::as_ref);
            name_in_library(one.model.as_deref()?, models)
        });
    }
    let is_there = |id: &(u32, u64)| foreign.iter().any(|one| one.id() == *id);
    let ended: Vec<String> = processes(domain)
        .iter()
        .filter(|one| domain.asked_to_end.contains(&one.id()) && !is_there(&one.id()))
        .map(OtherProcess::title)
        .collect();
    domain.asked_to_end.retain(is_there);
    for title in ended {
        notify(domain, format!("{title} has ended"), false);
    }
}

/// Those of the last sample.
fn processes(domain: &Domain) -> &[OtherProcess] {
    domain.machine.sample.as_ref().map_or(&[], |sample| &sample.foreign)
}

/// Have it told, once the question was answered.
pub(super) fn signal(domain: &Domain, id: (u32, u64), kill: bool) -> Result<Vec<Effect>, Refused> {
    if !processes(domain).iter().any(|one| one.id() == id) {
        return Err(Refused::new(Cause::NotFound, format!("process {} has ended already", id.0)));
    }
    Ok(vec![Effect::Signal { pid: id.0, started: id.1, kill }])
}

/// Take how that went.
pub(super) fn signalled(domain: &mut Domain, id: (u32, u64), kill: bool, result: Result<(), String>) {
    let title = processes(domain).iter().find(|one| one.id() == id).map(OtherProcess::title);
    let title = title.unwrap_or_else(|| format!("process {}", id.0));
    match result {
        Ok(()) => {
            if !domain.asked_to_end.contains(&id) {
                domain.asked_to_end.push(id);
            }
            let text = if kill { format!("{title} was killed") } else { format!("{title} was sent SIGTERM") };
            notify(domain, text, false);
        }
        Err(reason) => notify(domain, reason, true),
    }
}
