//! A treemap: a whole as tiles, each as large as its share, the largest first at the top left.
//!
//! Squarified after Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000): a row of tiles grows as long as its
//! worst tile becomes squarer. A cell of a terminal is about twice as high as wide.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::ui::canvas::Canvas;

/// How much higher than wide a cell is.
const CELL: f64 = 2.0;

/// A tile to be drawn.
pub(crate) struct Tile {
    /// Its part of the whole.
    pub(crate) share: f64,
    /// The first line in it.
    pub(crate) name: String,
    /// The second line.
    pub(crate) detail: String,
    /// Its colour, which becomes its ground.
    pub(crate) style: Style,
}

/// Draw tiles whose shares fall from the first to the last.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, tiles: &[Tile]) {
    let shares: Vec<f64> = tiles.iter().map(|tile| tile.share).collect();
    for (tile, place) in tiles.iter().zip(layout(&shares, area)) {
        // Between two tiles stands a blank, so that they part without colours too.
        let place = Rect {
            width: place.width.saturating_sub(u16::from(place.width > 2)),
            height: place.height.saturating_sub(u16::from(place.height > 3)),
            ..place
        };
        let style = tile.style.add_modifier(Modifier::REVERSED);
        canvas.tint(place, style);
        let columns = place.width.saturating_sub(2);
        if place.height > 0 && columns >= 3 {
            canvas.put(place.x + 1, place.y, columns, &tile.name, style.add_modifier(Modifier::BOLD));
            if place.height > 1 {
                canvas.put(place.x + 1, place.y + 1, columns, &tile.detail, style);
            }
        }
    }
}

/// A place for each share, in whole cells. Together they fill the area, as far as cells allow.
fn layout(shares: &[f64], area: Rect) -> Vec<Rect> {
    let total: f64 = shares.iter().copied().filter(|share| *share > 0.0).sum();
    let (left, top) = (f64::from(area.x), f64::from(area.y) * CELL);
    let mut free = (left, top, f64::from(area.width), f64::from(area.height) * CELL);
    let scale = free.2 * free.3 / total.max(f64::MIN_POSITIVE);
    let mut places = Vec::with_capacity(shares.len());
    let mut rest: Vec<f64> = shares.iter().map(|share| share.max(0.0) * scale).collect();
    while !rest.is_empty() {
        let side = free.2.min(free.3);
        let mut count = 1;
        while count < rest.len() && worst(&rest[..=count], side) <= worst(&rest[..count], side) {
            count += 1;
        }
        let behind = rest.split_off(count);
        let sum: f64 = rest.iter().sum();
        let depth = if side > 0.0 { sum / side } else { 0.0 };
        let mut at = 0.0;
        for size in rest {
            let length = if sum > 0.0 { size / sum * side } else { 0.0 };
            places.push(if free.2 >= free.3 {
                cells(free.0, free.1 + at, depth, length)
            } else {
                cells(free.0 + at, free.1, length, depth)
            });
            at += length;
        }
        free = if free.2 >= free.3 {
            (free.0 + depth, free.1, (free.2 - depth).max(0.0), free.3)
        } else {
            (free.0, free.1 + depth, free.2, (free.3 - depth).max(0.0))
        };
        rest = behind;
    }
    places.into_iter().map(|place| place.intersection(area)).collect()
}

/// How far the worst tile of a row along a side is from a square.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let ratio = |size: f64| ((side * side * size) / (sum * sum)).max((sum * sum) / (side * side * size));
    row.iter()
        .copied()
        .map(ratio)
        .fold(0.0, |worst, ratio| if ratio.is_nan() { f64::INFINITY } else { worst.max(ratio) })
}

/// Whole cells: the edges are rounded rather than the lengths, so that neighbours meet.
fn cells(x: f64, y: f64, width: f64, height: f64) -> Rect {
    let (left, right) = (x.round() as u16, (x + width).round() as u16);
    let (top, bottom) = ((y / CELL).round() as u16, ((y + height) / CELL).round() as u16);
    Rect::new(left, top, right.saturating_sub(left), bottom.saturating_sub(top))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_become_areas() {
        let places = layout(&[6.0, 3.0, 1.0], Rect::new(0, 0, 40, 10));
        let areas: Vec<_> = places.iter().map(|place| place.area()).collect();
        assert_eq!(areas.iter().sum::<u32>(), 400);
        assert_eq!(areas[0], 240);
        assert!(areas[1] > 2 * areas[2], "{places:?}");
    }

    proptest! {
        #[test]
        fn tiles_fill_the_area_and_never_overlap(
            mut shares in proptest::collection::vec(0.0_f64..1e12, 1..20),
            width in 0_u16..120,
            height in 0_u16..40,
        ) {
            shares.sort_by(|one, other| other.total_cmp(one));
            let area = Rect::new(3, 2, width, height);
            let places = layout(&shares, area);
            prop_assert_eq!(places.len(), shares.len());
            let sum: u32 = places.iter().map(|place| place.area()).sum();
            prop_assert!(sum <= area.area());
            for (index, place) in places.iter().enumerate() {
                prop_assert!(place.is_empty() || area.union(*place) == area);
                for other in &places[index + 1..] {
                    prop_assert!(place.intersection(*other).is_empty(), "{place} {other}");
                }
            }
        }
    }
}
