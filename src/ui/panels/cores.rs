//! Each core as a bar with its clock.

use ratatui::layout::Rect;

use super::machine_figures::level;
use crate::ui::canvas::{Canvas, row};
use crate::ui::theme::Meaning;
use crate::ui::widgets::bar;
use domain::machine::Sample;
use domain::units::or_dash;

/// Columns of one core with the shortest useful bar.
const LEAST: u16 = 24;

/// Rows that the cores take at this width.
pub(crate) fn rows(sample: &Sample, width: u16) -> u16 {
    sample.cores.len().div_ceil(across(width)) as u16
}

fn across(width: u16) -> usize {
    usize::from((width / LEAST).max(1))
}

/// Draw what fits; of the cores that don't, the last row says how many they are.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample) {
    let across = across(area.width);
    let width = area.width / across as u16;
    let fitting = usize::from(area.height) * across;
    for (index, core) in sample.cores.iter().take(fitting).enumerate() {
        let line = row(area, (index / across) as u16);
        let x = line.x + (index % across) as u16 * width;
        if index + 1 == fitting && sample.cores.len() > fitting {
            let more = format!("and {} more", sample.cores.len() - index);
            canvas.say(x, line.y, width, &more, Meaning::Muted);
            return;
        }
        canvas.say(x, line.y, 3, &format!("{index:>3}"), Meaning::Muted);
        let clock = core.mhz.map_or_else(|| "       —".to_owned(), |mhz| format!("{mhz:>4} MHz"));
        let bar_width = width.saturating_sub(4 + 5 + 9 + 1).min(40);
        let meaning = match level(core.usage) {
            Meaning::Text => Meaning::Accent,
            other => other,
        };
        let style = canvas.style(meaning);
        bar::share(canvas, Rect { x: x + 4, width: bar_width, ..line }, core.usage.unwrap_or_default().0, style);
        let x = x + 4 + bar_width;
        canvas.say(x, line.y, 5, &format!("{:>5}", or_dash(core.usage)), Meaning::Text);
        canvas.say(x + 5, line.y, 9, &format!(" {clock}"), Meaning::Muted);
    }
}
