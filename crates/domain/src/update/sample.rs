//! What follows from a reading of the sensors.

use std::time::Duration;

use super::energy::attribute;
use super::{bench, engine_metrics, graphs};
use crate::effect::Effect;
use crate::energy::estimated;
use crate::machine::Sample;
use crate::session::Session;
use crate::state::Domain;
use crate::units::Bytes;

/// Take a sample: each series gets one point, so that all graphs share their time. `now` is the time by the clock that
/// the sessions' work was timed with.
pub(super) fn sampled(domain: &mut Domain, mut sample: Box<Sample>, now: Duration) -> Vec<Effect> {
    engine_metrics::drop_stale(domain);
    sample.power.extend(estimated(&sample, &domain.settings.energy));
    let mut effects = attribute(domain, &sample, now);
    let elapsed = sample.elapsed.as_secs_f64();
    let mut throughput = 0.0;
    for session in &mut domain.sessions {
        if session.machine().is_none() {
            take_process(session, &sample);
        }
        let new = session.n_generated - session.tokens_at_tick;
        session.tokens_at_tick = session.n_generated;
        let mean = if elapsed > 0.0 { new as f64 / elapsed } else { 0.0 };
        throughput += mean;
        let rate = live_rate(session, new, mean);
        session.throughput.push(rate.map(|rate| rate as f32));
        session.memory.push(session.memory_held().map(|bytes| bytes.0 as f32));
        session.power.push(session.watts.value().map(|watts| watts.0 as f32));
    }
    graphs::record(domain, &sample, throughput);
    domain.machine.sample = Some(sample);
    domain.machine.released = Bytes(0);
    effects.extend(bench::sampled(domain, None));
    effects
}

/// What a machine's sensors say of a session's worker.
pub(super) fn take_process(session: &mut Session, sample: &Sample) {
    let process = session.pid.and_then(|pid| sample.processes.iter().find(|process| process.pid == pid));
    session.process = process.copied();
    session.gpu_memory = session.pid.and_then(|pid| gpu_memory(sample, pid));
}

/// Tokens per second while it generated in this tick, of all its answers together: an answer begins and ends within a
/// tick, which says nothing about its speed. Both tokens and time are the worker's. `None` where first tokens alone came,
/// whose time is the prompt's; `mean` where the worker tells no times.
fn live_rate(session: &mut Session, new: u64, mean: f64) -> Option<f64> {
    let (mut rate, mut has_rate, mut all_known, mut n_first) = (0.0, false, true, 0);
    for request in &mut session.requests {
        let counters = request.figures.counters;
        let (n_before, us_before) = request.counted.map_or((1, 0), |(n, us)| (n.max(1), us));
        request.counted = Some((counters.n_generated, counters.generation_us));
        let tokens = counters.n_generated.saturating_sub(n_before);
        let micros = counters.generation_us.saturating_sub(us_before);
        match (tokens, micros) {
            (1.., 1..) => (rate, has_rate) = (rate + f64::from(tokens) * 1e6 / micros as f64, true),
            (0, 0) => n_first += u32::from(counters.n_generated == 1),
            _ => all_known = false,
        }
    }
    match (has_rate && all_known, new > 0 && n_first > 0 && all_known) {
        (true, _) => Some(rate),
        (false, true) => None,
        (false, false) => Some(mean),
    }
}

fn gpu_memory(sample: &Sample, pid: u32) -> Option<Bytes> {
    let mut mine = sample.gpus.iter().flat_map(|gpu| &gpu.processes).filter(|(owner, _)| *owner == pid).peekable();
    mine.peek()?;
    Some(mine.map(|(_, bytes)| *bytes).sum())
}
