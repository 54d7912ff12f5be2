//! Main memory as one bar by owner.

use ratatui::layout::Rect;

use super::session_table::series;
use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, row, spans_width};
use crate::ui::theme::Meaning;
use crate::ui::widgets::bar;
use domain::machine::Sample;
use domain::units::Bytes;

/// The most rows of the legend.
const MAX_LEGEND: u16 = 3;

/// Draw the bar and under it who owns what; returns the rows it took.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample) -> u16 {
    let Some(memory) = &sample.memory else {
        canvas.say(area.x, area.y, if area.height > 0 { area.width } else { 0 }, "— not reported", Meaning::Muted);
        return 1.min(area.height);
    };
    let sessions: Vec<_> =
        state.domain.sessions.iter().filter_map(|session| session.process.map(|process| (session, process))).collect();
    // Mapped weights lie in the page cache, which the system counts as available.
    let held: Bytes = sessions.iter().map(|(_, process)| process.anonymous).sum();
    let mapped: Bytes = sessions.iter().map(|(_, process)| process.resident.saturating_sub(process.anonymous)).sum();
    let rest = memory.in_use().saturating_sub(held);
    let free = memory.available.saturating_sub(mapped);
    let mut parts = Vec::new();
    let mut legend: Vec<Spans<'_>> = Vec::new();
    for (index, (session, process)) in sessions.iter().enumerate() {
        // Without colours the patterns tell them apart.
        let patterned = canvas.needs_patterns();
        let glyph = if patterned { ['█', '▚', '▓', '▞'][index % 4] } else { '█' };
        parts.push((process.resident.0 as f64, canvas.style(series(session)), glyph));
        legend.push(vec![
            canvas.span(series(session), format!("{} ", if patterned { glyph } else { '■' })),
            canvas.span(Meaning::Text, format!("{} ", session.name)),
            canvas.span(Meaning::Muted, format!("{}   ", process.resident)),
        ]);
    }
    parts.push((rest.0 as f64, canvas.style(Meaning::Muted), '▒'));
    legend.push(vec![canvas.span(Meaning::Muted, format!("▒ the rest {rest}   "))]);
    legend.push(vec![canvas.span(Meaning::Muted, format!("· free {free}   "))]);
    if memory.swap_used > Bytes(0) {
        legend.push(vec![canvas.span(Meaning::Warn, format!("swap {} of {}", memory.swap_used, memory.swap_total))]);
    }
    bar::split(canvas, row(area, 0), memory.total.0 as f64, &parts);
    let (mut x, mut rows) = (area.x, 1);
    for part in legend {
        let width = spans_width(&part) as u16;
        if x > area.x && x + width > area.right() + 3 {
            (x, rows) = (area.x, rows + 1);
        }
        let line = row(area, rows);
        if rows > MAX_LEGEND || line.height == 0 {
            break;
        }
        x = canvas.put_spans(x, line.y, line.right().saturating_sub(x), &part);
    }
    (rows + 1).min(MAX_LEGEND + 1)
}
