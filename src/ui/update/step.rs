//! One step of a selection.

/// A place moved by so many rows, within a list of so many.
pub(super) fn step(place: usize, by: i32, count: usize) -> usize {
    place.saturating_add_signed(by as isize).min(count.saturating_sub(1))
}
