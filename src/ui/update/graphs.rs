//! The graphs: what the user does to their window.

use super::Client;

/// Spans of the window that zooming goes through, in seconds: one minute to a day.
const SPANS: [u64; 12] = [60, 120, 300, 600, 1200, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800];

/// Steps of the cursor over the whole window: about a column of a graph each.
const CURSOR_STEPS: usize = 60;

/// A tick has come: what is paused or read out lies one further back.
pub(super) fn ticked(state: &mut Client<'_>) {
    let history = state.domain.history();
    let view = &mut state.ui.machine;
    for back in [&mut view.frozen, &mut view.cursor].into_iter().flatten() {
        *back = (*back + 1).min(history);
    }
}

/// Pause the graphs, or resume them. The cursor points into what stood, so it goes too.
pub(super) fn freeze(state: &mut Client<'_>) {
    let view = &mut state.ui.machine;
    view.frozen = if view.frozen.is_some() { None } else { Some(0) };
    view.cursor = None;
}

/// Let the window span the next longer or shorter time.
pub(super) fn zoom(state: &mut Client<'_>, by: i32) {
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
pub(super) fn move_cursor(state: &mut Client<'_>, by: i32) {
    let view = &mut state.ui.machine;
    let first = view.frozen.unwrap_or(0);
    let stride = (view.span / CURSOR_STEPS).max(1).cast_signed();
    if view.cursor.is_some() || by != 0 {
        let cursor = view.cursor.unwrap_or(first).saturating_add_signed(stride * -(by as isize));
        view.cursor = Some(cursor.clamp(first, first + view.span.saturating_sub(1)));
    }
}
