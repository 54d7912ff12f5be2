//! What follows from a reading of the sensors.

use std::time::Duration;

use super::super::effect::Effect;
use super::super::energy::estimated;
use super::super::fleet_view;
use super::super::machine::Sample;
use super::super::plan;
use super::super::session::Phase;
use super::super::state::{Focus, Overlay, State};
use super::super::units::Bytes;
use super::bench;
use super::energy::attribute;
use super::session::{remove, spawn};
use super::{foreign, graphs, list_sessions};

/// Take a sample: each series gets one point, so that all graphs share their time. `now` is the time by the clock that
/// the sessions' work was timed with.
pub(super) fn sampled(state: &mut State, mut sample: Box<Sample>, now: Duration) -> Vec<Effect> {
    sample.power.extend(estimated(&sample, &state.settings.energy));
    let mut effects = attribute(state, &sample, now);
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
        session.memory.push(fleet_view::memory(session).map(|bytes| bytes.0 as f32));
        session.power.push(session.watts.value().map(|watts| watts.0 as f32));
    }
    graphs::record(state, &sample, throughput);
    state.machine.sample = Some(sample);
    // Figures have moved; a prompt that is being written keeps its session whatever the filter says.
    if state.fleet.focus == Focus::Table {
        list_sessions(state);
    } else {
        foreign::list(state);
    }
    effects.extend(queued(state));
    effects.extend(bench::sampled(state));
    effects
}

fn gpu_memory(sample: &Sample, pid: u32) -> Option<Bytes> {
    let mut mine = sample.gpus.iter().flat_map(|gpu| &gpu.processes).filter(|(owner, _)| *owner == pid).peekable();
    mine.peek()?;
    Some(mine.map(|(_, bytes)| *bytes).sum())
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
