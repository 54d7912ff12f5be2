//! Areas over time, stacked by series, in braille, blocks or ASCII; and sparklines.
//!
//! The time axis is given from outside, so that graphs beside each other show the same moments. The value axis ends at
//! 1, 2 or 5 times a power of ten: it stands still until the data leave the step.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::canvas::Canvas;
use super::super::theme::Meaning;
use crate::core::settings::GraphStyle;
use crate::core::units::digits;

/// One part of the stack, lowest first.
pub(crate) struct Series {
    /// Readings, oldest first; the last one is the newest that shows.
    pub(crate) points: Vec<Option<f32>>,
    pub(crate) style: Style,
}

/// Least, mean and most of what is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    pub(crate) least: f32,
    pub(crate) mean: f32,
    pub(crate) most: f32,
}

/// The most series that are told apart; the rest joins the last.
const MAX_SERIES: usize = 16;

/// The sign of a series in a legend: what ASCII graphs fill it with, else a square of its colour.
pub(crate) fn sign(index: usize, style: GraphStyle) -> char {
    if style == GraphStyle::Ascii { FILLS[index.min(MAX_SERIES - 1) % FILLS.len()] } else { '■' }
}

/// What ASCII graphs fill a series with.
const FILLS: [char; 8] = ['#', '=', '+', 'o', '*', '%', 'x', '@'];

/// The sum of the series by tick; `None` where none has a reading. The newest is the last.
pub(crate) fn sums(series: &[Series]) -> Vec<Option<f32>> {
    let count = series.iter().map(|series| series.points.len()).max().unwrap_or(0);
    let mut sums = vec![None; count];
    for series in series {
        let first = count - series.points.len();
        for (sum, point) in sums[first..].iter_mut().zip(&series.points) {
            if let Some(value) = point {
                *sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
    }
    sums
}

/// Least, mean and most; `None` where nothing is known.
pub(crate) fn extent(points: &[Option<f32>]) -> Option<Extent> {
    let known: Vec<f32> = points.iter().copied().flatten().collect();
    let first = *known.first()?;
    let (least, most) = known.iter().fold((first, first), |(least, most), value| (least.min(*value), most.max(*value)));
    Some(Extent { least, mean: known.iter().sum::<f32>() / known.len() as f32, most })
}

/// The end of an axis that holds `value`: 1, 2 or 5 times a power of ten.
pub(crate) fn round_up(value: f32) -> f32 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10_f32.powf(value.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= value * 0.9999);
    step.unwrap_or(10.0) * power
}

/// A label of the value axis.
fn label(value: f32) -> String {
    if value >= 10_000.0 {
        format!("{:.0}k", value / 1000.0)
    } else if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        digits(f64::from(value)).trim_end_matches('0').to_owned()
    }
}

/// Columns that the value axis takes.
const AXIS: u16 = 5;

/// Draw axes and stack. `span` is how many ticks the width stands for, `ago` the label of the oldest.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, series: &[Series], span: usize, ago: &str) {
    if area.height < 2 || area.width < AXIS + 4 {
        return;
    }
    let top = round_up(extent(&sums(series)).map_or(0.0, |extent| extent.most));
    let plot = Rect { x: area.x + AXIS, width: area.width - AXIS, height: area.height - 1, ..area };
    let (wall, corner, tick) = if canvas.is_ascii() { ('|', '+', '+') } else { ('│', '└', '┤') };
    let border = canvas.style(Meaning::Border);
    let middle = plot.y + plot.height / 2;
    for y in plot.y..plot.bottom() {
        let value = match y {
            _ if y == plot.y => Some(top),
            _ if y == middle && plot.height >= 5 => Some(top / 2.0),
            _ => None,
        };
        if let Some(value) = value {
            let text = label(value);
            let text = [canvas.span(Meaning::Muted, text)];
            canvas.put_right(area.x, y, AXIS - 1, &text);
        }
        canvas.cell(plot.x - 1, y, if value.is_some() { tick } else { wall }, border);
    }
    let bottom = area.bottom() - 1;
    let zero = [canvas.span(Meaning::Muted, "0")];
    canvas.put_right(area.x, bottom, AXIS - 1, &zero);
    canvas.cell(plot.x - 1, bottom, corner, border);
    canvas.horizontal(plot.x, bottom, plot.width, Meaning::Border);
    let ends = ago.len() as u16 + 8;
    if plot.width > ends {
        canvas.say(plot.x, bottom, plot.width, &format!("-{ago} "), Meaning::Muted);
        canvas.say(plot.right() - 4, bottom, 4, " now", Meaning::Muted);
    }
    fill(canvas, plot, series, span, top);
}

/// Draw the stack alone.
fn fill(canvas: &mut Canvas<'_>, plot: Rect, series: &[Series], span: usize, top: f32) {
    // Steps of a cell: across and up.
    let (across, up) = match canvas.graphs {
        GraphStyle::Braille => (2_usize, 4_usize),
        GraphStyle::Block => (1, 8),
        GraphStyle::Ascii => (1, 2),
    };
    let columns = usize::from(plot.width) * across;
    let heights = usize::from(plot.height) * up;
    let tops: Vec<Vec<usize>> =
        (0..columns).map(|column| stack(series, span, (column, columns), heights, top)).collect();
    for cell_x in 0..usize::from(plot.width) {
        let beside = &tops[cell_x * across..(cell_x + 1) * across];
        for cell_y in 0..usize::from(plot.height) {
            let floor = (usize::from(plot.height) - 1 - cell_y) * up;
            let mut dots = [0_usize; MAX_SERIES];
            let mut filled = [0_usize; 2];
            for (ends, filled) in beside.iter().zip(&mut filled) {
                let mut below = floor;
                for (end, dots) in ends.iter().zip(&mut dots) {
                    let end = (*end).clamp(below, floor + up);
                    *dots += end - below;
                    below = end;
                }
                *filled = below - floor;
            }
            let most = (0..series.len().min(MAX_SERIES)).max_by_key(|index| (dots[*index], usize::MAX - index));
            let Some(most) = most.filter(|most| dots[*most] > 0) else { continue };
            let glyph = match canvas.graphs {
                GraphStyle::Braille => braille(filled[0], filled[1]),
                GraphStyle::Block => BLOCKS[filled[0].min(8)],
                GraphStyle::Ascii if filled[0] == 1 => '.',
                GraphStyle::Ascii => FILLS[most % FILLS.len()],
            };
            canvas.cell(plot.x + cell_x as u16, plot.y + cell_y as u16, glyph, series[most].style);
        }
    }
}

/// Where each series ends above the ground in one column of steps.
fn stack(series: &[Series], span: usize, (column, columns): (usize, usize), heights: usize, top: f32) -> Vec<usize> {
    let from = column * span / columns;
    let to = ((column + 1) * span / columns).max(from + 1);
    let mut sum = 0.0;
    series
        .iter()
        .take(MAX_SERIES)
        .map(|series| {
            let missing = span.saturating_sub(series.points.len());
            let range = from.saturating_sub(missing)..to.saturating_sub(missing).min(series.points.len());
            let (mut total, mut count) = (0.0, 0_u16);
            for value in series.points.get(range).unwrap_or_default().iter().flatten() {
                total += value;
                count += 1;
            }
            if count > 0 {
                sum += total / f32::from(count);
            }
            let height = (sum / top * heights as f32).round().max(0.0) as usize;
            // What is there at all is seen.
            height.max(usize::from(sum > 0.0)).min(heights)
        })
        .collect()
}

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The braille character with so many dots filled from below, left and right.
fn braille(left: usize, right: usize) -> char {
    const LEFT: [u32; 5] = [0, 0x40, 0x44, 0x46, 0x47];
    const RIGHT: [u32; 5] = [0, 0x80, 0xA0, 0xB0, 0xB8];
    char::from_u32(0x2800 + LEFT[left.min(4)] + RIGHT[right.min(4)]).unwrap_or(' ')
}

/// Readings as one row of blocks from 0 to the most of them; a blank where there is none. The newest stands right.
pub(crate) fn sparkline(points: impl ExactSizeIterator<Item = Option<f32>>, width: usize, style: GraphStyle) -> String {
    const LETTERS: [char; 8] = ['_', '.', '-', '=', '+', '*', '#', '@'];
    let skip = points.len().saturating_sub(width);
    let shown: Vec<_> = points.skip(skip).collect();
    let most = shown.iter().flatten().fold(0.0_f32, |most, value| most.max(*value));
    let mut line = " ".repeat(width - shown.len());
    line.extend(shown.iter().map(|point| match point {
        None => ' ',
        Some(value) => {
            let step = if most > 0.0 { (value / most * 7.0).round().clamp(0.0, 7.0) as usize } else { 0 };
            if style == GraphStyle::Ascii { LETTERS[step] } else { BLOCKS[step + 1] }
        }
    }));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_round_numbers() {
        for (value, end) in [
            (0.0, 1.0),
            (0.3, 0.5),
            (1.0, 1.0),
            (1.1, 2.0),
            (4.9, 5.0),
            (138.0, 200.0),
            (501.0, 1000.0),
            (f32::NAN, 1.0),
        ] {
            assert!((round_up(value) - end).abs() < 1e-4, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn the_axis_stands_still_while_the_data_move_within_a_step() {
        let ends: Vec<_> = (0..40).map(|tick| round_up(150.0 + 40.0 * (tick as f32).sin())).collect();
        assert!(ends.iter().all(|end| (end - 200.0).abs() < 1e-3), "{ends:?}");
    }

    #[test]
    fn unknown_is_no_zero() {
        let points = [Some(0.0), None, Some(2.0), Some(4.0)];
        assert_eq!(sparkline(points.into_iter(), 6, GraphStyle::Block), "  ▁ ▅█");
        assert_eq!(sparkline(points.into_iter(), 2, GraphStyle::Ascii), "+@");
        assert_eq!(extent(&[None, None]), None);
        assert_eq!(extent(&points), Some(Extent { least: 0.0, mean: 2.0, most: 4.0 }));
    }

    #[test]
    fn sums_are_aligned_at_now() {
        let series = [
            Series { points: vec![Some(1.0), Some(2.0), None], style: Style::new() },
            Series { points: vec![Some(4.0)], style: Style::new() },
        ];
        assert_eq!(sums(&series), [Some(1.0), Some(2.0), Some(4.0)]);
    }

    #[test]
    fn a_stack_never_shrinks_upwards() {
        let series: Vec<_> = (0..3).map(|_| Series { points: vec![Some(1.0); 10], style: Style::new() }).collect();
        let tops = stack(&series, 10, (5, 20), 40, 4.0);
        assert_eq!(tops, [10, 20, 30]);
        assert_eq!(stack(&series, 100, (5, 20), 40, 4.0), [0, 0, 0]);
    }
}
