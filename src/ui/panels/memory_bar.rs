//! Main memory as one bar by owner.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, Spans, row};
use super::super::theme::Meaning;
use super::super::widgets::bar;
use super::session_table::series;
use crate::core::State;
use crate::core::machine::Sample;
use crate::core::units::Bytes;

/// Rows it takes: the bar and its legend.
pub(crate) const ROWS: u16 = 2;

/// Draw the bar and under it who owns what.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample) {
    let memory = &sample.memory;
    let sessions: Vec<_> = state
        .fleet
        .sessions
        .iter()
        .filter_map(|session| session.process.map(|process| (session, process)))
        .collect();
    // Mapped weights lie in the page cache, which the system counts as available.
    let held: Bytes = sessions.iter().map(|(_, process)| process.anonymous).sum();
    let mapped: Bytes = sessions.iter().map(|(_, process)| process.resident.saturating_sub(process.anonymous)).sum();
    let rest = memory.total.saturating_sub(memory.available).saturating_sub(held);
    let free = memory.available.saturating_sub(mapped);
    let mut parts = Vec::new();
    let mut legend: Spans<'_> = Vec::new();
    for (session, process) in &sessions {
        parts.push((process.resident.0 as f64, canvas.style(series(session)), '█'));
        legend.push(canvas.span(series(session), "■ "));
        legend.push(canvas.span(Meaning::Text, format!("{} ", session.name)));
        legend.push(canvas.span(Meaning::Muted, format!("{}   ", process.resident)));
    }
    parts.push((rest.0 as f64, canvas.style(Meaning::Muted), '▒'));
    legend.push(canvas.span(Meaning::Muted, "▒ the rest "));
    legend.push(canvas.span(Meaning::Muted, format!("{rest}   ")));
    legend.push(canvas.span(Meaning::Muted, format!("· free {free}")));
    if memory.swap_used > Bytes(0) {
        legend.push(canvas.span(Meaning::Warn, format!("   swap {} of {}", memory.swap_used, memory.swap_total)));
    }
    bar::split(canvas, row(area, 0), memory.total.0 as f64, &parts);
    let line = row(area, 1);
    if line.height > 0 {
        canvas.put_spans(line.x, line.y, line.width, &legend);
    }
}
