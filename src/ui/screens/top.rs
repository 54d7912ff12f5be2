//! `taffrail top`: the machine, the sessions of a recording, other programs' models, and the graphs, without the rest.
//!
//! ```text
//! ┌ host, and what taffrail itself takes ┐
//! ├ cores, memory, GPUs, disks ──────────┤
//! ├ sessions, where there are any ───────┤
//! ├ other programs' models ──────────────┤
//! ├ throughput memory power heat ────────┤
//! └──────────────────────────────────────┘
//! ```

use ratatui::layout::Rect;

use super::machine;
use crate::ui::State;
use crate::ui::canvas::{Canvas, below, inset, split_rows};
use crate::ui::panels::{foreign_table, graphs, session_table};
use crate::ui::theme::Meaning;
use crate::ui::view::ViewState;

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let Some(sample) = &state.domain.machine.sample else {
        canvas.say(area.x + 1, area.y, area.width, "Reading the sensors for the first time …", Meaning::Muted);
        return;
    };
    let inside = inset(area, 1);
    machine::host(canvas, inside, state, sample);
    let rest = below(inside, 1);
    // The parts take what they need, up to about half; a blank row stands behind them where there is room.
    let room = (rest.height * 9 / 20).min(rest.height.saturating_sub(8));
    let airy = room >= 24;
    let left = machine::parts(canvas, Rect { height: room, ..rest }, state, sample, airy);
    // What is airy ends with a blank row.
    let rest = below(rest, left.y - rest.y + u16::from(!airy && rest.height >= 28));
    // The row of taffrail itself stands under the sessions; without any, the head has said it.
    let n_rows = state.ui.fleet.rows.len() as u16;
    let session_rows = if n_rows == 0 { 0 } else { n_rows + 2 };
    let foreign_rows = foreign_table::rows(state, rest.height / 2);
    let (table, graph) = split_rows(rest, (session_rows + foreign_rows).min(rest.height / 2));
    let foreign_rows = foreign_rows.min(table.height);
    let (sessions, foreign) = split_rows(table, (table.height - foreign_rows).min(session_rows));
    if sessions.height > 1 {
        session_table::draw(canvas, sessions, state, view_state);
    }
    foreign_table::draw(canvas, foreign, state);
    graphs::draw(canvas, graph, state);
}
