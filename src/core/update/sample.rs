//! What follows from a reading of the sensors.

use super::super::effect::Effect;
use super::super::energy;
use super::super::figure::Figure;
use super::super::machine::Sample;
use super::super::plan;
use super::super::session::{Phase, Session};
use super::super::state::{Overlay, State};
use super::super::units::{Bytes, Joules};
use super::bench;
use super::session::{remove, spawn};

/// Take a sample: each series gets one point, so that all graphs share their time.
pub(super) fn sampled(state: &mut State, sample: Box<Sample>) -> Vec<Effect> {
    let elapsed = sample.elapsed.as_secs_f64();
    let mut throughput = 0.0;
    for session in &mut state.fleet.sessions {
        let process = session.pid.and_then(|pid| sample.processes.iter().find(|process| process.pid == pid));
        session.process = process.copied();
        session.gpu_memory = session.pid.and_then(|pid| gpu_memory(&sample, pid));
        let new = session.n_generated - session.tokens_at_tick;
        session.tokens_at_tick = session.n_generated;
        let rate = if elapsed > 0.0 { new as f64 / elapsed } else { 0.0 };
        throughput += rate;
        session.throughput.push(Some(rate as f32));
        session.memory.push(session.process.map(|process| process.resident.0 as f32));
        meter(session, &sample);
        session.power.push(session.watts.value().map(|watts| watts.0 as f32));
    }
    let machine = &mut state.machine;
    machine.cpu.push(sample.cpu.map(|cpu| (cpu.0 * 100.0) as f32));
    machine.memory.push(Some(sample.memory.used.0 as f32));
    machine.power.push(sample.total_power().map(|watts| watts.0 as f32));
    machine.throughput.push(Some(throughput as f32));
    if let Some(frozen) = &mut machine.frozen {
        *frozen = (*frozen + 1).min(machine.cpu.len());
    }
    machine.sample = Some(sample);
    let mut effects = queued(state);
    effects.extend(bench::sampled(state));
    effects
}

fn gpu_memory(sample: &Sample, pid: u32) -> Option<Bytes> {
    let mut mine = sample.gpus.iter().flat_map(|gpu| &gpu.processes).filter(|(owner, _)| *owner == pid).peekable();
    mine.peek()?;
    Some(mine.map(|(_, bytes)| *bytes).sum())
}

/// Book the tick's energy to the session and, while it answers, to its answer.
fn meter(session: &mut Session, sample: &Sample) {
    let Some(pid) = session.pid else {
        session.watts = Figure::unknown("no worker");
        return;
    };
    session.watts = energy::process_power(sample, pid);
    if session.is_busy() {
        let tick = energy::process_energy(sample, pid);
        let figures = &mut session.figures;
        figures.energy = match (&figures.energy, tick) {
            (Figure::Known { value: sum, grade: before, .. }, Figure::Known { value, grade, source }) => {
                Figure::Known { value: Joules(sum.0 + value.0), grade: grade.max(*before), source }
            }
            // A gap does not undo what was metered; the metered time says how much of the answer it covers.
            (known @ Figure::Known { .. }, Figure::Unknown { .. }) => known.clone(),
            (Figure::Unknown { .. }, tick) => tick,
        };
        if figures.energy.value().is_some() {
            figures.metered += sample.elapsed;
        }
    }
}

/// Sessions that waited for the first reading of the memory are admitted now, or refused.
fn queued(state: &mut State) -> Vec<Effect> {
    let waiting: Vec<_> = state.fleet.sessions.iter().filter(|session| session.phase == Phase::Queued).collect();
    let waiting: Vec<_> = waiting.into_iter().map(|session| (session.id, session.planned)).collect();
    let mut effects = Vec::new();
    for (id, planned) in waiting {
        match plan::admit(state, planned) {
            Ok(()) => effects.extend(spawn(state, id)),
            Err(refusal) => {
                if let Some(session) = state.session(id) {
                    let (model, settings) = (session.model.id.clone(), Box::new(session.settings));
                    state.overlay = Some(Overlay::Refused { model, settings, refusal });
                }
                remove(state, id);
            }
        }
    }
    effects
}
