//! Sessions whose workers run on another machine: nothing of this one counts for them.

use super::{ELSEWHERE, Job, JobState, Phase, Session};

/// Why nothing is known of the energy of a session of another machine's server.
const JOINED: &str = "its own server books it, with what others ask of it: `taffrail requests` there shows it";

impl Session {
    /// Whether its worker runs on this machine, and so takes its memory and its cores.
    pub fn is_here(&self) -> bool {
        self.place.is_here()
    }

    /// Where it runs, in a word: here, another machine, or a node of a cluster.
    pub fn on(&self) -> &str {
        if self.place.is_here() {
            return self.model.on();
        }
        self.job.as_ref().and_then(|job| job.node.as_deref()).unwrap_or("slurm")
    }

    /// Its job, while it waits for it.
    pub fn waiting_job(&self) -> Option<&Job> {
        let is_waiting = |job: &&Job| job.state != JobState::Running;
        self.job.as_ref().filter(|_| matches!(self.phase, Phase::Loading { .. })).filter(is_waiting)
    }

    /// Why nothing is known of the energy that it takes.
    pub(crate) fn why_no_energy(&self) -> Option<&'static str> {
        match (self.is_here(), self.is_joined) {
            (false, _) => Some(ELSEWHERE),
            (true, true) => Some(JOINED),
            (true, false) => None,
        }
    }
}
