//! All cores as a heat strip: a block for each, taller and hotter the busier it is, with the mean and the clocks.

use ratatui::layout::Rect;

use super::machine_figures::level;
use crate::ui::canvas::{Canvas, row};
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;
use domain::machine::Sample;
use domain::units::{Ratio, or_dash};

/// Columns of the label.
const LABEL: u16 = 16;

/// Columns that the strip leaves to the figures beside it.
const FIGURES: u16 = 34;

/// The most cells of one core.
const MAX_CELLS: u16 = 4;

/// Rows that the cores take at this width.
pub(crate) fn rows(sample: &Sample, width: u16) -> u16 {
    (sample.cores.len() as u16).div_ceil(room(width)).max(1)
}

/// Cells of one row of the strip.
fn room(width: u16) -> u16 {
    width.saturating_sub(LABEL + FIGURES).max(8)
}

/// Draw the strip in as many rows as it takes; of cores that have no room, the last cell says so.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample) {
    if area.height == 0 {
        return;
    }
    canvas.say(area.x, area.y, LABEL.min(area.width), "cores", Meaning::Muted);
    if canvas.plain {
        let text = format!("{} of {} busy", or_dash(sample.cpu), sample.cores.len());
        canvas.say(area.x + LABEL, area.y, area.width.saturating_sub(LABEL), &text, Meaning::Text);
        return;
    }
    let count = sample.cores.len() as u16;
    let (room, left) = (room(area.width), area.x + LABEL.min(area.width));
    let cells = (room / count.max(1)).clamp(1, MAX_CELLS);
    // Two cores side by side are told apart where there is the room.
    let gap = u16::from(cells > 1);
    let across = (room / cells).max(1);
    for (index, core) in sample.cores.iter().enumerate() {
        let (line, place) = (index as u16 / across, index as u16 % across);
        let line = row(area, line);
        if line.height == 0 {
            break;
        }
        let (glyph, meaning) = block(canvas, core.usage);
        let style = canvas.style(meaning);
        for cell in 0..cells - gap {
            canvas.cell(left + place * cells + cell, line.y, glyph, style);
        }
    }
    let used = count.min(across) * cells;
    let clocks: Vec<u64> = sample.cores.iter().filter_map(|core| core.mhz).collect();
    let gigahertz = |mhz: u64| mhz as f64 / 1e3;
    let clock = match (clocks.iter().min(), clocks.iter().max()) {
        (Some(least), Some(most)) if gigahertz(most - least) >= 0.05 => {
            format!(" · {:.1}–{:.1} GHz", gigahertz(*least), gigahertz(*most))
        }
        (_, Some(most)) => format!(" · {:.1} GHz", gigahertz(*most)),
        _ => String::new(),
    };
    let figures = format!("{} of {count}{clock}", or_dash(sample.cpu));
    let x = left + used + 1;
    canvas.say(x, area.y, area.right().saturating_sub(x).min(text::width(&figures) as u16), &figures, Meaning::Text);
}

/// A block whose height is the share; its look warns where it is nearly all.
fn block(canvas: &Canvas<'_>, usage: Option<Ratio>) -> (char, Meaning) {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const LETTERS: [char; 8] = ['_', '.', '-', '=', '+', '*', '#', '@'];
    let Some(usage) = usage else { return ('·', Meaning::Muted) };
    let step = ((usage.0.clamp(0.0, 1.0) * 7.0).round() as usize).min(7);
    let glyph = if canvas.is_ascii() { LETTERS[step] } else { BLOCKS[step] };
    let meaning = match level(Some(usage)) {
        Meaning::Text if usage.0 < 0.5 => Meaning::Good,
        Meaning::Text => Meaning::Accent,
        hot => hot,
    };
    (glyph, meaning)
}
