//! The field that a prompt is written in: as many rows as its text needs, up to a few.

use ratatui::layout::{Position, Rect};

use crate::ui::canvas::{Canvas, row};
use crate::ui::editor::Editor;
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;

/// The most rows it grows to.
const MAX_ROWS: usize = 6;

/// Columns before the text.
const SIGN: u16 = 2;

/// The rows of a field's text at a width, and where the cursor stands in them: row and column.
fn lay_out(editor: &Editor, columns: u16) -> (Vec<String>, (usize, usize)) {
    let (cursor_line, before) = editor.cursor();
    let mut rows = Vec::new();
    let mut cursor = (0, 0);
    for (index, line) in editor.text().split('\n').enumerate() {
        let clean = text::clean(line);
        // One column stays free for the cursor behind the last character.
        let ranges = text::wrap(&clean, usize::from(columns.saturating_sub(1)));
        if index == cursor_line {
            let at = text::clean(before).len();
            let place = ranges.iter().rposition(|range| range.start <= at).unwrap_or(0);
            let start = ranges.get(place).map_or(0, |range| range.start);
            let column = text::width(clean.get(start..at.max(start)).unwrap_or_default());
            cursor = (rows.len() + place, column.min(usize::from(columns.saturating_sub(1))));
        }
        rows.extend(ranges.into_iter().map(|range| clean.get(range).unwrap_or_default().to_owned()));
    }
    (rows, cursor)
}

/// Rows that the field wants, at most `room`.
pub(crate) fn rows(editor: &Editor, columns: u16, room: u16) -> u16 {
    let count = lay_out(editor, columns.saturating_sub(SIGN)).0.len();
    (count.clamp(1, MAX_ROWS) as u16).min(room)
}

/// Draw the field; where it has the keys, the cursor is put in it.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, editor: &Editor, focused: bool, placeholder: &str) {
    canvas.claim("prompt", area);
    if area.height == 0 || area.width <= SIGN {
        return;
    }
    canvas.say(
        area.x,
        area.y,
        1,
        if canvas.is_ascii() { ">" } else { "›" },
        if focused { Meaning::Focus } else { Meaning::Muted },
    );
    let field = Rect { x: area.x + SIGN, width: area.width - SIGN, ..area };
    let (rows, (cursor_row, cursor_column)) = lay_out(editor, field.width);
    if editor.is_empty() {
        canvas.say(field.x, field.y, field.width, placeholder, Meaning::Muted);
    }
    let first = (cursor_row + 1).saturating_sub(usize::from(field.height));
    for (index, text) in rows.iter().skip(first).take(usize::from(field.height)).enumerate() {
        canvas.say(field.x, row(field, index as u16).y, field.width, text, Meaning::Text);
    }
    if focused {
        let column = (cursor_column as u16).min(field.width - 1);
        canvas.cursor = Some(Position::new(field.x + column, field.y + (cursor_row - first) as u16));
    }
}

/// A field of one row, scrolled so that the cursor shows. Returns nothing; the cursor is put in it.
pub(crate) fn draw_line(canvas: &mut Canvas<'_>, area: Rect, editor: &Editor) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let clean = text::clean(editor.text());
    let (_, before) = editor.cursor();
    let column = text::width(&text::clean(before));
    let room = usize::from(area.width) - 1;
    let mut hidden = column.saturating_sub(room);
    let mut shown = clean.as_ref();
    while hidden > 0 {
        let Some(first) = shown.chars().next() else { break };
        let rest = shown.get(first.len_utf8()..).unwrap_or_default();
        hidden = hidden.saturating_sub(text::width(shown) - text::width(rest));
        shown = rest;
    }
    let shift = text::width(&clean) - text::width(shown);
    canvas.say(area.x, area.y, area.width, shown, Meaning::Text);
    let column = column.saturating_sub(shift).min(room) as u16;
    canvas.cursor = Some(Position::new(area.x + column, area.y));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::editor::Edit;

    #[test]
    fn the_cursor_stands_where_the_next_letter_goes() {
        for (text, edits, columns, rows, cursor) in [
            ("", 0, 10, vec![""], (0, 0)),
            ("abc", 0, 10, vec!["abc"], (0, 3)),
            ("abc", 1, 10, vec!["abc"], (0, 2)),
            ("one two", 0, 6, vec!["one", "two"], (1, 3)),
            ("one two", 3, 6, vec!["one", "two"], (1, 0)),
            ("a\n模型", 0, 10, vec!["a", "模型"], (1, 4)),
            ("a\n模型", 1, 10, vec!["a", "模型"], (1, 2)),
        ] {
            let mut editor = Editor::with_text(text);
            (0..edits).for_each(|_| {
                editor.apply(&Edit::Left);
            });
            assert_eq!(lay_out(&editor, columns), (rows.iter().map(|r| (*r).to_owned()).collect(), cursor), "{text:?}");
        }
    }
}
