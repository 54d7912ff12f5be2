//! The mark in every table.

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans};
use crate::ui::theme::Meaning;

/// A model's name in a table, with a mark where it is in the next race.
pub(crate) fn marked<'a>(canvas: &Canvas<'_>, state: &State, model: &str, name: Span<'a>) -> Spans<'a> {
    glyph(canvas, state.race_is_marked(model)).into_iter().chain([name]).collect()
}

/// The mark of a row, where it is marked.
pub(crate) fn glyph<'a>(canvas: &Canvas<'_>, is_marked: bool) -> Option<Span<'a>> {
    let mark = match (canvas.plain, canvas.is_ascii()) {
        (true, _) => "marked ",
        (false, true) => "* ",
        (false, false) => "◆ ",
    };
    is_marked.then(|| canvas.span(Meaning::Accent, mark))
}
