//! `taffrail top`: the machine, the sessions of a recording, and the graphs, without the rest.
//!
//! ```text
//! ┌ host, and what taffrail itself takes ┐
//! ├ cores, memory, GPUs, disks ──────────┤
//! ├ sessions, where there are any ───────┤
//! ├ throughput memory power heat ────────┤
//! └──────────────────────────────────────┘
//! ```

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, below, inset, split_rows};
use super::super::panels::{graphs, session_table};
use super::super::theme::Meaning;
use super::super::view::ViewState;
use super::machine;
use crate::core::State;

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let Some(sample) = &state.machine.sample else {
        canvas.say(area.x + 1, area.y, area.width, "The sensors are being read for the first time.", Meaning::Muted);
        return;
    };
    let inside = inset(area, 1);
    machine::host(canvas, inside, state, sample);
    let rest = below(inside, 1);
    let graph_rows = (rest.height * 11 / 20).max(rest.height.min(8));
    let (upper, graph) = split_rows(rest, rest.height - graph_rows);
    // The row of taffrail itself stands under the sessions; without any, the head has said it.
    let n_rows = state.fleet.rows.len() as u16;
    let table_rows = if n_rows == 0 { 0 } else { (n_rows + 2).min(upper.height / 2).max(2) };
    let (upper, table) = split_rows(upper, upper.height.saturating_sub(table_rows));
    // A blank row stands between them where there is room.
    let (parts, _) = split_rows(upper, upper.height.saturating_sub(u16::from(upper.height > 8)));
    machine::parts(canvas, parts, state, sample, parts.height >= 24);
    if table.height > 1 {
        session_table::draw(canvas, table, state, view_state);
    }
    graphs::draw(canvas, Rect { x: area.x, width: area.width, ..graph }, state);
}
