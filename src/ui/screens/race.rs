//! x
use super::super::canvas::Canvas;
use super::super::view::ViewState;
use crate::core::State;
use ratatui::layout::Rect;
pub(crate) fn draw(_canvas: &mut Canvas<'_>, _area: Rect, _state: &State, _view_state: &mut ViewState) {}
