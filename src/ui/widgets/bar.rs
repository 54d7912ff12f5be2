//! Bars: one share, or a whole split by owner.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::ui::canvas::Canvas;
use crate::ui::theme::Meaning;

/// A bar that fills `share` of one row, by halves of a cell.
pub(crate) fn share(canvas: &mut Canvas<'_>, area: Rect, share: f64, style: Style) {
    if area.height == 0 || area.width == 0 || canvas.plain {
        return;
    }
    let halves = (share.clamp(0.0, 1.0) * f64::from(area.width) * 2.0).round() as u32;
    let rest = canvas.style(Meaning::Border);
    let [full, half, empty] = if canvas.is_ascii() { ['#', '-', '.'] } else { ['━', '╸', '─'] };
    for column in 0..area.width {
        let (glyph, style) = match halves.saturating_sub(u32::from(column) * 2) {
            0 => (empty, rest),
            1 => (half, style),
            _ => (full, style),
        };
        canvas.cell(area.x + column, area.y, glyph, style);
    }
}

/// A solid bar that fills `share` of one row, by eighths of a cell: what lengths are compared by.
pub(crate) fn solid(canvas: &mut Canvas<'_>, area: Rect, share: f64, style: Style) {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if area.height == 0 || canvas.plain {
        return;
    }
    let eighths = (share.clamp(0.0, 1.0) * f64::from(area.width) * 8.0).round() as u32;
    // What is there at all is seen.
    let eighths = eighths.max(u32::from(share > 0.0));
    for column in 0..area.width {
        let glyph = match eighths.saturating_sub(u32::from(column) * 8) {
            0 => break,
            8.. if canvas.is_ascii() => '#',
            8.. => '█',
            _ if canvas.is_ascii() => '-',
            part => EIGHTHS[part as usize],
        };
        canvas.cell(area.x + column, area.y, glyph, style);
    }
}

/// A bar of parts beside each other, each at least one cell where it is not nothing; what remains is drawn as free.
pub(crate) fn split(canvas: &mut Canvas<'_>, area: Rect, total: f64, parts: &[(f64, Style, char)]) {
    if area.height == 0 || area.width == 0 || canvas.plain {
        return;
    }
    let mut x = area.x;
    let mut sum = 0.0;
    for (part, style, glyph) in parts.iter().filter(|(part, ..)| *part > 0.0) {
        sum += part;
        let end = area.x + (sum / total.max(1.0) * f64::from(area.width)).round().min(f64::from(area.width)) as u16;
        let end = end.max(x + 1).min(area.right());
        while x < end {
            canvas.cell(x, area.y, if canvas.is_ascii() { '#' } else { *glyph }, *style);
            x += 1;
        }
    }
    let style = canvas.style(Meaning::Border);
    let glyph = if canvas.is_ascii() { '.' } else { '·' };
    (x..area.right()).for_each(|x| canvas.cell(x, area.y, glyph, style));
}

/// `▰▰▰▱▱` for a progress of so many cells.
pub(crate) fn steps(share: f32, cells: usize, ascii: bool) -> String {
    let full = ((share.clamp(0.0, 1.0) * cells as f32).round() as usize).min(cells);
    let (on, off) = if ascii { ("#", ".") } else { ("▰", "▱") };
    on.repeat(full) + &off.repeat(cells - full)
}
