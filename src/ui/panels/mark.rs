//! The mark of a model in every table.

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans};
use crate::ui::theme::Meaning;

/// A name in a table, with a mark where it is in the next race.
pub(crate) fn marked<'a>(canvas: &Canvas<'_>, state: &State, model: &str, name: Span<'a>) -> Spans<'a> {
    if !state.race_is_marked(model) {
        return vec![name];
    }
    let mark = match (canvas.plain, canvas.is_ascii()) {
        (true, _) => "marked ",
        (false, true) => "* ",
        (false, false) => "◆ ",
    };
    vec![canvas.span(Meaning::Accent, mark), name]
}
