//! Areas over time, stacked by series, in braille, blocks or ASCII; and sparklines.
//!
//! The time axis is given from outside, so that graphs beside each other show the same moments. The value axis ends at
//! 1, 2 or 5 times a power of ten: it stands still until the data leave the step.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::ui::canvas::{Canvas, Span};
use crate::ui::hits::Target;
use crate::ui::theme::Meaning;
use domain::settings::GraphStyle;
use domain::units::digits;

/// One part of the stack, lowest first.
pub(crate) struct Series {
    /// Readings, oldest first; the last one is the newest that shows.
    pub(crate) points: Vec<Option<f32>>,
    pub(crate) style: Style,
}

/// The most series that are told apart; the rest joins the last.
const MAX_SERIES: usize = 16;

/// The sign of a series in a legend: what its graph is filled with, where colours don't tell it, else a square.
pub(crate) fn sign(canvas: &Canvas<'_>, index: usize) -> char {
    let index = index.min(MAX_SERIES - 1);
    match canvas.graphs {
        GraphStyle::Ascii => FILLS[index % FILLS.len()],
        _ if !canvas.needs_patterns() => '■',
        GraphStyle::Braille => pattern(PATTERNS[index % PATTERNS.len()]),
        GraphStyle::Block => SHADES[index % SHADES.len()],
    }
}

/// The dots of a braille cell that a series leaves in a theme without colours: all, every second, lines across, lines up,
/// a corner, two rows.
const PATTERNS: [u32; 6] = [0xFF, 0x99, 0x2D, 0x47, 0x81, 0xC0];

/// What full blocks of a series become there.
const SHADES: [char; 4] = ['█', '▒', '░', '▓'];

/// The braille character of these dots.
fn pattern(mask: u32) -> char {
    char::from_u32(0x2800 + mask).unwrap_or(' ')
}

/// What ASCII graphs fill a series with.
const FILLS: [char; 8] = ['#', '=', '+', 'o', '*', '%', 'x', '@'];

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
        let text = digits(f64::from(value));
        let text = text.trim_end_matches('0');
        // Four columns are all there is.
        if text.len() < usize::from(AXIS) { text } else { text.trim_start_matches('0') }.to_owned()
    }
}

/// Columns that the value axis takes.
const AXIS: u16 = 5;

/// What all graphs beside each other have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// How many points the width stands for.
    pub(crate) span: usize,
    /// The label of the oldest.
    pub(crate) ago: &'a str,
    /// The label of the newest.
    pub(crate) now: &'a str,
    /// The point that is read out, counted from the newest.
    pub(crate) cursor: Option<usize>,
}

/// Draw axes and stack. The value axis ends at the round number beyond `top`.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, series: &[Series], top: f32, window: Window<'_>) {
    let Some(plot) = axes(canvas, area, top, window) else { return };
    fill(canvas, plot, series, window.span, round_up(top));
    rule(canvas, plot, window);
}

/// Draw each series over ground of its own, all to the same height of the axis; `heads` stand over them.
pub(crate) fn draw_apart(
    canvas: &mut Canvas<'_>,
    area: Rect,
    (series, heads): (&[Series], &[Vec<Span<'_>>]),
    top: f32,
    window: Window<'_>,
) {
    let Some(plot) = time_axis(canvas, area, window) else { return };
    let room = usize::from(plot.height);
    let shown = series.len().min(room.max(1));
    let Some(each) = room.checked_div(shown).filter(|each| *each > 0) else { return };
    let end = round_up(top);
    for (index, (part, head)) in series.iter().zip(heads).take(shown).enumerate() {
        let strip = Rect { y: plot.y + (index * each) as u16, height: each as u16, ..plot };
        // Its name gets a row where that leaves one for the graph.
        let head_rows = u16::from(each >= 2);
        if head_rows > 0 {
            canvas.put_spans(strip.x, strip.y, strip.width, head);
        }
        let ground = Rect { y: strip.y + head_rows, height: strip.height - head_rows, ..strip };
        let text = [canvas.span(Meaning::Muted, label(end))];
        canvas.put_right(area.x, ground.y, AXIS - 1, &text);
        fill(canvas, ground, std::slice::from_ref(part), window.span, end);
        rule(canvas, ground, window);
    }
}

/// The line at the instant that is read out.
fn rule(canvas: &mut Canvas<'_>, plot: Rect, window: Window<'_>) {
    let Some(back) = window.cursor.filter(|back| *back < window.span) else { return };
    let place = (window.span - 1 - back) * usize::from(plot.width) / window.span;
    let style = canvas.style(Meaning::Focus);
    let glyph = if canvas.is_ascii() { '|' } else { '│' };
    (plot.y..plot.bottom()).for_each(|y| canvas.cell(plot.x + place as u16, y, glyph, style));
}

/// The axis of time and the wall; gives where the graph stands.
fn time_axis(canvas: &mut Canvas<'_>, area: Rect, window: Window<'_>) -> Option<Rect> {
    if area.height < 2 || area.width < AXIS + 4 {
        return None;
    }
    let plot = Rect { x: area.x + AXIS, width: area.width - AXIS, height: area.height - 1, ..area };
    canvas.hit(plot, Target::Graph);
    let (wall, corner) = if canvas.is_ascii() { ('|', '+') } else { ('│', '└') };
    let border = canvas.style(Meaning::Border);
    (plot.y..plot.bottom()).for_each(|y| canvas.cell(plot.x - 1, y, wall, border));
    let bottom = area.bottom() - 1;
    canvas.cell(plot.x - 1, bottom, corner, border);
    canvas.horizontal(plot.x, bottom, plot.width, Meaning::Border);
    let ends = (window.ago.len() + window.now.len()) as u16 + 5;
    if plot.width > ends {
        canvas.say(plot.x, bottom, plot.width, &format!("-{} ", window.ago), Meaning::Muted);
        let now = window.now.len() as u16 + 1;
        canvas.say(plot.right() - now, bottom, now, &format!(" {}", window.now), Meaning::Muted);
    }
    Some(plot)
}

/// Both axes; gives where the graph stands.
fn axes(canvas: &mut Canvas<'_>, area: Rect, top: f32, window: Window<'_>) -> Option<Rect> {
    let plot = time_axis(canvas, area, window)?;
    let top = round_up(top);
    let tick = if canvas.is_ascii() { '+' } else { '┤' };
    let border = canvas.style(Meaning::Border);
    let middle = plot.y + plot.height / 2;
    for (y, value) in [(plot.y, top), (middle, top / 2.0)].into_iter().take(1 + usize::from(plot.height >= 5)) {
        let text = [canvas.span(Meaning::Muted, label(value))];
        canvas.put_right(area.x, y, AXIS - 1, &text);
        canvas.cell(plot.x - 1, y, tick, border);
    }
    let zero = [canvas.span(Meaning::Muted, "0")];
    canvas.put_right(area.x, area.bottom() - 1, AXIS - 1, &zero);
    Some(plot)
}

/// Draw the stack alone.
fn fill(canvas: &mut Canvas<'_>, plot: Rect, series: &[Series], span: usize, top: f32) {
    // Steps of a cell: across and up.
    let (across, up) = match canvas.graphs {
        GraphStyle::Braille => (2_usize, 4_usize),
        GraphStyle::Block => (1, 8),
        GraphStyle::Ascii => (1, 2),
    };
    // Where colours don't tell them apart, patterns do.
    let patterned = series.len() > 1 && series.windows(2).all(|pair| pair[0].style == pair[1].style);
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
            let cell = (plot.x + cell_x as u16, plot.y + cell_y as u16);
            let glyph = match canvas.graphs {
                GraphStyle::Braille if patterned => {
                    let glyph = braille(filled[0], filled[1]);
                    let mask = u32::from(glyph).saturating_sub(0x2800);
                    // What is there at all is seen.
                    let left = Some(mask & PATTERNS[most % PATTERNS.len()]).filter(|left| *left != 0).unwrap_or(mask);
                    pattern(left)
                }
                GraphStyle::Braille => braille(filled[0], filled[1]),
                GraphStyle::Block if patterned && filled[0] == 8 => SHADES[most % SHADES.len()],
                GraphStyle::Block => {
                    if let Some((glyph, style)) = border(series, &dots, filled[0]) {
                        canvas.cell(cell.0, cell.1, glyph, style);
                        continue;
                    }
                    BLOCKS[filled[0].min(8)]
                }
                GraphStyle::Ascii if filled[0] == 1 => '.',
                GraphStyle::Ascii => FILLS[most % FILLS.len()],
            };
            canvas.cell(cell.0, cell.1, glyph, series[most].style);
        }
    }
}

/// A full cell in which one series ends and another begins: a block of the one before the colour of the other, so that
/// the border does not jump by whole cells. Where a theme has no colours to tell them apart there is none.
fn border(series: &[Series], dots: &[usize; MAX_SERIES], filled: usize) -> Option<(char, Style)> {
    let mut present = (0..series.len().min(MAX_SERIES)).filter(|index| dots[*index] > 0);
    let lower = present.next().filter(|_| filled == 8)?;
    let upper = present.max_by_key(|index| dots[*index])?;
    let (ground, behind) = (series[lower].style.fg?, series[upper].style.fg?);
    (ground != behind).then(|| (BLOCKS[dots[lower].min(8)], series[lower].style.bg(behind)))
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
    fn labels_fit_beside_the_axis() {
        let texts = [0.025, 0.05, 0.25, 0.5, 2.5, 10.0, 250.0, 5000.0, 20_000.0].map(label);
        assert_eq!(texts, [".025", "0.05", "0.25", "0.5", "2.5", "10", "250", "5000", "20k"]);
        for end in (-2..6).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f32.powi(power))) {
            assert!([end, end / 2.0].map(label).iter().all(|text| text.len() < usize::from(AXIS)), "{end}");
        }
    }

    #[test]
    fn unknown_is_no_zero() {
        let points = [Some(0.0), None, Some(2.0), Some(4.0)];
        assert_eq!(sparkline(points.into_iter(), 6, GraphStyle::Block), "  ▁ ▅█");
        assert_eq!(sparkline(points.into_iter(), 2, GraphStyle::Ascii), "+@");
    }

    /// The heights of a ramp under a constant, as the cells of each column show them in blocks: of the lower series and
    /// of both.
    #[test]
    fn blocks_rise_by_eighths_without_a_notch() {
        let (theme, keys) = (crate::ui::Theme::monochrome(), crate::ui::Keymap::default());
        let area = Rect::new(0, 0, 33, 6);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        let context = crate::ui::Mode::Fleet;
        let mut canvas = Canvas::new(&mut buffer, &theme, &keys, context, GraphStyle::Block);
        let ramp = (0..33_u16).map(|step| Some(f32::from(step))).collect();
        let colours = [ratatui::style::Color::Red, ratatui::style::Color::Blue];
        let style = |index: usize| Style::new().fg(colours[index]);
        let series =
            [Series { points: ramp, style: style(0) }, Series { points: vec![Some(8.0); 33], style: style(1) }];
        fill(&mut canvas, area, &series, 33, 48.0);
        let eighths = |symbol: &str| BLOCKS.iter().position(|block| symbol.starts_with(*block)).unwrap();
        let heights: Vec<_> = (0..33)
            .map(|x| {
                let cells = (0..6).map(|y| &buffer[(x, y)]);
                cells.fold((0, 0), |(lower, all), cell| {
                    let height = eighths(cell.symbol());
                    let is_lower = cell.fg == colours[0] && height > 0;
                    let is_two = cell.bg == colours[1];
                    (lower + if is_lower { height } else { 0 }, all + if is_two { 8 } else { height })
                })
            })
            .collect();
        for (step, (lower, all)) in heights.iter().enumerate() {
            assert_eq!((*lower, *all), (step, step + 8), "{heights:?}");
        }
    }

    #[test]
    fn a_stack_never_shrinks_upwards() {
        let series: Vec<_> = (0..3).map(|_| Series { points: vec![Some(1.0); 10], style: Style::new() }).collect();
        let tops = stack(&series, 10, (5, 20), 40, 4.0);
        assert_eq!(tops, [10, 20, 30]);
        assert_eq!(stack(&series, 100, (5, 20), 40, 4.0), [0, 0, 0]);
    }
}
