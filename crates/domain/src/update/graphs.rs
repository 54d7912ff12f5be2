//! The graphs: a point for each sample, and what the user does to their window.

use crate::machine::Sample;
use crate::ring::Ring;
use crate::state::{Machine, State};

/// Spans of the window that zooming goes through, in seconds: one minute to a day.
const SPANS: [u64; 12] = [60, 120, 300, 600, 1200, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800];

/// Steps of the cursor over the whole window: about a column of a graph each.
const CURSOR_STEPS: usize = 60;

/// Add the tick's point to each series of the machine.
pub(super) fn record(state: &mut State, sample: &Sample, throughput: f64) {
    let history = state.domain.history();
    let held = state.domain.sessions.iter().filter_map(|session| session.memory.last());
    let held = held.reduce(|one, other| one + other);
    let own_watts = match &sample.own {
        Some(own) => state.domain.attribution.foreign_power(own),
        None => crate::figure::Figure::unknown("the system doesn't show this process"),
    };
    let now = state.domain.now.uptime;
    let machine = &mut state.domain.machine;
    machine.readings.push(now, sample);
    let ticks = machine.cpu.ticks();
    machine.cpu.push(sample.cpu.map(|cpu| (cpu.0 * 100.0) as f32));
    machine.memory.push(sample.memory.map(|memory| memory.used.0 as f32));
    machine.power.push(sample.total_power().map(|watts| watts.0 as f32));
    machine.throughput.push(Some(throughput as f32));
    machine.held.push(held);
    machine.own_watts = own_watts;
    temperatures(machine, sample, history, ticks);
    let view = &mut state.ui.machine;
    for back in [&mut view.frozen, &mut view.cursor].into_iter().flatten() {
        *back = (*back + 1).min(history);
    }
}

/// Each sensor by its label, and the hottest of all.
fn temperatures(machine: &mut Machine, sample: &Sample, history: usize, ticks: u64) {
    let gpus = sample.gpus.iter().filter_map(|gpu| Some((format!("gpu {}", gpu.index), gpu.temperature?)));
    let chips = sample.temperatures.iter().map(|sensor| (sensor.label.clone(), sensor.celsius));
    let mut read: Vec<(String, f32)> = gpus.chain(chips).map(|(label, celsius)| (label, celsius.0)).collect();
    machine.temperature.push(read.iter().map(|(_, celsius)| *celsius).reduce(f32::max));
    for (label, ring) in &mut machine.sensors {
        // Labels may repeat: each sensor takes the first that is left.
        let place = read.iter().position(|(name, _)| name == label);
        ring.push(place.map(|place| read.swap_remove(place).1));
    }
    for (label, celsius) in read.into_iter().take(Machine::MAX_SENSORS.saturating_sub(machine.sensors.len())) {
        let mut ring = Ring::since(history, ticks);
        ring.push(Some(celsius));
        machine.sensors.push((label, ring));
    }
}

/// Let the graphs stand, or go on. The cursor points into what stood, so it goes too.
pub(super) fn freeze(state: &mut State) {
    let view = &mut state.ui.machine;
    view.frozen = if view.frozen.is_some() { None } else { Some(0) };
    view.cursor = None;
}

/// Let the window span the next longer or shorter time.
pub(super) fn zoom(state: &mut State, by: i32) {
    let history = state.domain.history();
    let tick = state.domain.settings.telemetry.interval.as_millis().max(1) as u64;
    let ticks = |seconds: u64| ((seconds * 1000 / tick).max(1) as usize).min(history);
    let span = state.ui.machine.span;
    let mut spans = SPANS.into_iter().map(ticks);
    let next = if by > 0 { spans.find(|next| *next > span) } else { spans.rev().find(|next| *next < span) };
    state.ui.machine.span = next.unwrap_or(span);
    // What lies outside the window can't be read out.
    move_cursor(state, 0);
}

/// Move the instant that is read out, from now on where there is none; negative is back in time.
pub(super) fn move_cursor(state: &mut State, by: i32) {
    let view = &mut state.ui.machine;
    let first = view.frozen.unwrap_or(0);
    let stride = (view.span / CURSOR_STEPS).max(1).cast_signed();
    if view.cursor.is_some() || by != 0 {
        let cursor = view.cursor.unwrap_or(first).saturating_add_signed(stride * -(by as isize));
        view.cursor = Some(cursor.clamp(first, first + view.span.saturating_sub(1)));
    }
}
