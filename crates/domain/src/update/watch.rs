//! Which processes of another machine are sampled.

use crate::effect::Effect;
use crate::state::Domain;

/// The processes to be sampled on a machine.
pub(super) fn watch(domain: &Domain, machine: String) -> Effect {
    let there = Some(machine.as_str());
    let sessions = domain.sessions.iter().filter(|session| session.machine() == there);
    let pids = sessions.filter_map(|session| session.pid).collect();
    Effect::WatchOn { machine, pids }
}
