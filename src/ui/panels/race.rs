//! x
use super::super::canvas::Canvas;
use crate::core::State;
use ratatui::layout::Rect;
pub(crate) fn vote(_canvas: &mut Canvas<'_>, _area: Rect, _state: &State, _chosen: usize) {}
