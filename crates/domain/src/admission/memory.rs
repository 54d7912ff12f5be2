//! The memory that is left for one more session, and whether it fits.

use std::collections::BTreeMap;

use super::{AdmissionError, MemoryEstimate};
use crate::machine::Sample;
use crate::session::{Phase, Session, SessionId};
use crate::state::Domain;
use crate::units::Bytes;

/// What memory there is for one more session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// What it may take.
    pub free: Bytes,
    /// What the machine has available.
    pub available: Bytes,
    /// Of that, what running sessions were promised and do not hold yet.
    pub promised: Bytes,
    /// Of that, weights that other programs run with: the system would drop them, and they would read them again.
    pub others: Bytes,
    /// Of that, what is left alone.
    pub reserve: Bytes,
}

/// What is left alone. It is for the rest of the machine: what the machine has beyond a limit of ours counts, and within
/// the limit a tenth of it is enough, for a small container would have nothing left.
fn reserve(wanted: Bytes, sample: &Sample) -> Bytes {
    let Some(limit) = &sample.allowed.memory else { return wanted };
    let Some(memory) = &sample.memory else { return wanted };
    let beyond = limit.available.saturating_sub(memory.available);
    wanted.min(Bytes(memory.total.0 / 10)).max(wanted.saturating_sub(beyond))
}

/// The memory that is left for one more session.
///
/// The system counts mapped weights as available, since it can drop them; yet dropping the weights of a running model
/// stops it dead. So what sessions were promised and do not hold as anonymous memory is taken off. GPU memory that the
/// drivers call free adds, since layers are placed there first.
pub fn free_memory(domain: &Domain) -> Option<Free> {
    free_memory_without(domain, &[], true)
}

/// The same if these sessions were gone, with the memory on GPUs or without it.
pub fn free_memory_without(domain: &Domain, without: &[SessionId], with_gpus: bool) -> Option<Free> {
    let sample = domain.machine.sample.as_ref()?;
    let held = |session: &Session| {
        let on_gpus = session.gpu_memory.filter(|_| with_gpus).unwrap_or_default();
        session.process.map_or(Bytes(0), |process| process.anonymous) + on_gpus
    };
    let is_gone = |session: &&Session| without.contains(&session.id);
    let gpus: Bytes = sample.gpus.iter().filter_map(crate::machine::Gpu::free_memory).filter(|_| with_gpus).sum();
    let here = domain.sessions.iter().filter(|session| session.machine().is_none());
    let freed: Bytes = here.filter(is_gone).map(held).sum();
    let available = sample.available_memory() + gpus + domain.machine.released + freed;
    let live = domain
        .sessions
        .iter()
        .filter(|session| session.is_here() && session.machine().is_none())
        .filter(|session| !matches!(session.phase, Phase::Failed { .. } | Phase::Queued | Phase::Stopping));
    let (mut promised, mut planned) = (Bytes(0), Bytes(0));
    for session in live.filter(|session| !is_gone(session)) {
        let held = held(session);
        promised = promised + session.planned.here().saturating_sub(held);
        planned = planned + session.planned.here();
    }
    let others = others(domain);
    let reserve = reserve(domain.settings.budget.reserve, sample);
    let by_machine = available.saturating_sub(promised).saturating_sub(others).saturating_sub(reserve);
    let by_budget = domain.settings.budget.memory.map(|limit| limit.saturating_sub(planned));
    let free = by_budget.map_or(by_machine, |free| free.min(by_machine));
    Some(Free { free, available, promised, others, reserve })
}

/// Resident weights of other programs' mapped models. What they hold otherwise is not available to begin with, nor is
/// what they hold on GPUs. A file that several have mapped is in memory once, and one that a session of ours runs with is
/// promised to it already.
fn others(domain: &Domain) -> Bytes {
    let Some(sample) = &domain.machine.sample else { return Bytes(0) };
    let is_ours = |path: &str| {
        let live = domain
            .sessions
            .iter()
            .filter(|session| session.is_live() && session.is_here() && session.machine().is_none());
        live.flat_map(|session| &session.model.files).any(|file| file.path == std::path::Path::new(path))
    };
    let mut by_model: BTreeMap<&str, Bytes> = BTreeMap::new();
    for foreign in &sample.foreign {
        let model = foreign.model.as_deref().unwrap_or_default();
        let held = by_model.entry(model).or_default();
        *held = (*held).max(foreign.weights_in_memory());
    }
    by_model.into_iter().filter(|(model, _)| !is_ours(model)).map(|(_, held)| held).sum()
}

/// Whether one more session fits on this machine.
pub fn admit(domain: &Domain, needed: MemoryEstimate) -> Result<(), AdmissionError> {
    admit_on(domain, None, needed)
}

/// The memory left for one more session on a machine. For a remote machine its sensors report it, and sessions there
/// count as memory in use, whoever started them.
pub fn free_memory_on(domain: &Domain, machine: Option<&str>) -> Option<Free> {
    if machine.is_none() {
        return free_memory(domain);
    }
    let sample = domain.sample_on(machine)?;
    let live = domain.sessions.iter().filter(|session| session.machine() == machine && session.is_live());
    let promised = live.map(|session| {
        let held = session.process.map_or(Bytes(0), |process| process.anonymous);
        session.planned.total().saturating_sub(held + session.gpu_memory.unwrap_or_default())
    });
    let promised: Bytes = promised.sum();
    let gpus: Bytes = sample.gpus.iter().filter_map(crate::machine::Gpu::free_memory).sum();
    let available = sample.available_memory() + gpus;
    let (others, reserve) = (Bytes(0), reserve(domain.settings.budget.reserve, sample));
    let free = available.saturating_sub(promised).saturating_sub(reserve);
    Some(Free { free, available, promised, others, reserve })
}

/// Whether one more session fits on a machine. Where another one's sensors have not been read, its worker decides.
pub fn admit_on(domain: &Domain, machine: Option<&str>, needed: MemoryEstimate) -> Result<(), AdmissionError> {
    let Some(memory) = free_memory_on(domain, machine) else { return Ok(()) };
    let Free { free, available, promised, others, reserve } = memory;
    if needed.here() <= free {
        return Ok(());
    }
    Err(AdmissionError { needed, free, available, promised, others, reserve })
}

/// Whether a session may be reloaded with `needed`: one that has a worker first returns its own reservation.
pub fn readmit(domain: &Domain, session: &Session, needed: MemoryEstimate) -> Result<(), AdmissionError> {
    let counts = session.is_here() && !matches!(session.phase, Phase::Failed { .. } | Phase::Queued | Phase::Stopping);
    let own = if counts { session.planned.here() } else { Bytes(0) };
    if needed.here() <= own {
        return Ok(());
    }
    let memory = free_memory_on(domain, session.machine());
    let Some(Free { free, available, promised, others, reserve }) = memory else { return Ok(()) };
    let (free, promised) = (free + own, promised.saturating_sub(own));
    if needed.here() <= free {
        return Ok(());
    }
    Err(AdmissionError { needed, free, available, promised, others, reserve })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_leaves_a_small_container_its_memory() {
        use crate::machine::{Allowed, Memory, MemoryLimit};
        // The reserve that is set; total and available within the limit; what the machine has available; the reserve.
        for (wanted, total, available, machine, expected) in [
            (1000, 64_000, 60_000, None, 1000),
            (1000, 700, 650, Some(20_000), 70),
            (1000, 16_000, 15_000, Some(60_000), 1000),
            // The machine itself has hardly more.
            (1000, 8000, 7000, Some(7300), 800),
            (1000, 2000, 2000, Some(2000), 1000),
            (1000, 2000, 2000, Some(2300), 700),
            (0, 700, 650, Some(20_000), 0),
        ] {
            let limit = |available| MemoryLimit { available: Bytes(available), ..MemoryLimit::default() };
            let sample = Sample {
                memory: Some(Memory { total: Bytes(total), available: Bytes(available), ..Memory::default() }),
                allowed: Allowed { memory: machine.map(limit), ..Allowed::default() },
                ..Sample::default()
            };
            assert_eq!(reserve(Bytes(wanted), &sample), Bytes(expected), "{wanted} {total} {available} {machine:?}");
        }
    }
}
