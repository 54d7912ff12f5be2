//! The models on the hub, and what is being fetched from there: a face of the Library screen.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, inset};
use super::super::theme::Meaning;
use super::super::view::ViewState;
use crate::core::State;

/// Draw the face.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, _state: &State, _view_state: &mut ViewState) {
    let style = canvas.style(Meaning::Muted);
    canvas.paragraph(inset(area, 2), "", style);
}
