//! The measurement of the memory's bandwidth.

use super::common::notify;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::machine::Bandwidth;
use crate::session::Session;
use crate::state::Domain;

/// Measure the memory's bandwidth, unless that would disturb an answer.
pub(super) fn bandwidth(domain: &mut Domain) -> Result<Vec<Effect>, Refused> {
    let busy = |reason| Err(Refused::new(Cause::BUSY, reason));
    if domain.machine.measuring {
        return busy("the memory bandwidth is being measured already");
    }
    if domain.sessions.iter().any(Session::is_busy) {
        return busy("a session is answering: measure when none is, since each would slow the other");
    }
    let Some(sample) = &domain.machine.sample else { return busy("the sensors have not been read yet") };
    let (threads, available) = (sample.threads(), sample.available_memory());
    domain.machine.measuring = true;
    notify(domain, "measuring the memory bandwidth", false);
    Ok(vec![Effect::MeasureBandwidth { threads, available }])
}

/// Take what was measured.
pub(super) fn measured(domain: &mut Domain, result: Result<Bandwidth, String>) {
    domain.machine.measuring = false;
    match result {
        Ok(bandwidth) => {
            notify(domain, format!("memory bandwidth: {bandwidth}"), false);
            domain.machine.bandwidth = Some(bandwidth);
        }
        Err(reason) => notify(domain, format!("the memory can't be measured: {reason}"), true),
    }
}
