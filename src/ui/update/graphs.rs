//! The graphs: what the user does to their window.

use super::Client;
use crate::ui::Effect;
use crate::ui::graphs::csv;

/// Spans of the window that zooming goes through, in seconds: one minute to a day.
const SPANS: [u64; 12] = [60, 120, 300, 600, 1200, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800];

/// Steps of the cursor over the whole window: about a column of a graph each.
const CURSOR_STEPS: usize = 60;

/// A tick has come: what is paused or read out lies one further back.
pub(super) fn ticked(client: &mut Client<'_>) {
    let history = client.domain.history();
    let view = &mut client.ui.machine;
    for back in [&mut view.frozen, &mut view.cursor].into_iter().flatten() {
        *back = (*back + 1).min(history);
    }
}

/// Pause the graphs, or resume them. The cursor points into what stood, so it goes too.
pub(super) fn pause(client: &mut Client<'_>) -> Vec<Effect> {
    let view = &mut client.ui.machine;
    view.frozen = if view.frozen.is_some() { None } else { Some(0) };
    view.cursor = None;
    Vec::new()
}

/// Show a graph for each session, or stack them.
pub(super) fn split(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.machine.split = !client.ui.machine.split;
    Vec::new()
}

/// Write the graphs to a file.
pub(super) fn export(client: &mut Client<'_>) -> Vec<Effect> {
    let name = format!("taffrail-graphs-{}.csv", client.domain.now.unix);
    vec![Effect::WriteNew { name, text: csv(client.domain, client.ui) }]
}

/// Take the cursor away. False where there is none.
pub(super) fn leave_cursor(client: &mut Client<'_>) -> bool {
    client.ui.machine.cursor.take().is_some()
}

/// Esc: the cursor goes.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    leave_cursor(client);
    Vec::new()
}

/// Read out the instant at a column of a graph, which has so many.
pub(super) fn point(client: &mut Client<'_>, column: u16, columns: u16) -> Vec<Effect> {
    let view = &mut client.ui.machine;
    let back = usize::from(columns.saturating_sub(column + 1)) * view.span / usize::from(columns.max(1));
    view.cursor = Some(view.frozen.unwrap_or(0) + back.min(view.span.saturating_sub(1)));
    Vec::new()
}

/// Let the window span the next longer or shorter time.
pub(super) fn zoom(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let history = client.domain.history();
    let tick = client.domain.settings.telemetry.interval.as_millis().max(1) as u64;
    let ticks = |seconds: u64| ((seconds * 1000 / tick).max(1) as usize).min(history);
    let span = client.ui.machine.span;
    let mut spans = SPANS.into_iter().map(ticks);
    let next = if by > 0 { spans.find(|next| *next > span) } else { spans.rev().find(|next| *next < span) };
    client.ui.machine.span = next.unwrap_or(span);
    // What lies outside the window can't be read out.
    move_cursor(client, 0)
}

/// Move the instant that is read out, from now on where there is none; negative is back in time.
pub(super) fn move_cursor(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let view = &mut client.ui.machine;
    let first = view.frozen.unwrap_or(0);
    let stride = (view.span / CURSOR_STEPS).max(1).cast_signed();
    if view.cursor.is_some() || by != 0 {
        let cursor = view.cursor.unwrap_or(first).saturating_add_signed(stride * -(by as isize));
        view.cursor = Some(cursor.clamp(first, first + view.span.saturating_sub(1)));
    }
    Vec::new()
}
