//! The box that a dialog is drawn in.

use ratatui::layout::Rect;

use super::State;
use super::canvas::{Canvas, below, inset};
use super::hits::Target;
use super::theme::Meaning;
use super::widgets::text;

/// An empty box in the middle, as large as asked for and there is room; returns what is inside.
pub(super) fn window(canvas: &mut Canvas<'_>, area: Rect, columns: u16, rows: u16, title: &str) -> Rect {
    // The header and the footer, which says what the keys do, stay in sight.
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let (width, height) = (columns.min(area.width.saturating_sub(2)), rows.min(area.height));
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    canvas.cursor = None;
    // Read aloud, a dialog has its rows for itself.
    let cleared = if canvas.plain { Rect { x: area.x, width: area.width, ..place } } else { place };
    canvas.clear(cleared);
    // What lies beneath is not reached.
    canvas.hit(area, Target::Beside);
    canvas.hit(place, Target::Nothing);
    let inside = canvas.frame(place, Meaning::Focus);
    // A title that is longer than the frame goes on below it, at the next word.
    let clean = text::clean(title);
    let room = usize::from(place.width.saturating_sub(6)).max(1);
    let mut lines = text::wrap(&clean, room).into_iter().map(|range| clean.get(range).unwrap_or_default());
    let first = format!(" {} ", lines.next().unwrap_or_default());
    canvas.say(place.x + 2, place.y, place.width.saturating_sub(4), &first, Meaning::Accent);
    let mut inside = inset(inside, 1);
    for line in lines.take(usize::from(inside.height / 4)) {
        canvas.say(inside.x, inside.y, inside.width, line, Meaning::Accent);
        inside = below(inside, 1);
    }
    canvas.focus(inside.x, inside.y);
    inside
}

/// Draw the keys of the dialog, each with what it does; gives the column behind them.
pub(super) fn draw_keys(canvas: &mut Canvas<'_>, line: Rect, state: &State) -> u16 {
    if line.height == 0 {
        return line.x;
    }
    let hints = canvas.keys.hints(canvas.mode, state);
    canvas.put_hints((line.x, line.y, line.width), &hints)
}
