//! Where the columns of a race diverge, and how likely each found its own token.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::race::{series, title};
use crate::ui::canvas::{Canvas, below, inset, row};
use crate::ui::theme::Meaning;
use crate::ui::widgets::bar;
use domain::lab::race::lockstep::{self, Divergence, Step};
use domain::lab::race::{DecodeMode, Race};

/// Where the columns diverge: the text that they share, then each column's token and what it found likely, with bars.
pub(crate) fn divergence(canvas: &mut Canvas<'_>, area: Rect, race: &Race, divergence: Option<&Divergence>) {
    let area = inset(area, 1);
    let Some(divergence) = divergence else {
        canvas.say(area.x, area.y, area.width, lockstep::text(race, None).trim_end(), Meaning::Muted);
        return;
    };
    let style = canvas.style(Meaning::Text);
    let identical = lockstep::visible(&divergence.before);
    let rows = canvas.paragraph(
        Rect { height: area.height.min(4), ..area },
        &if identical.is_empty() { String::new() } else { format!("… {identical}") },
        style,
    );
    // After other words they can't meet again, so that there is one parting.
    let alone = if race.is_running() && race.pace == DecodeMode::Free {
        " From here each column continues on its own."
    } else {
        ""
    };
    let said = lockstep::said(divergence) + alone;
    let rest = below(area, rows);
    let muted = canvas.style(Meaning::Muted);
    let said = canvas.paragraph(Rect { height: rest.height.min(3), ..rest }, &said, muted);
    let rest = below(rest, said + 1);
    // As many columns as there is room for, in as many bands as that takes.
    let count = divergence.columns.len().max(1);
    let per_band = usize::from(rest.width / 30).clamp(1, count);
    let height = 8;
    for (place, step) in divergence.columns.iter().enumerate() {
        let (band, index) = ((place / per_band) as u16, (place % per_band) as u16);
        let width = rest.width / per_band as u16;
        let cell = below(rest, band * height);
        let cell =
            Rect { x: rest.x + index * width, width: width.saturating_sub(2), height: cell.height.min(height), ..cell };
        likely(canvas, cell, race, place, step.as_ref());
    }
}

fn likely(canvas: &mut Canvas<'_>, area: Rect, race: &Race, place: usize, step: Option<&Step>) {
    let head = row(area, 0);
    if head.height == 0 {
        return;
    }
    let name = [canvas.span(series(place), "■ "), canvas.span(Meaning::Text, title(race, place))];
    canvas.put_spans(head.x, head.y, head.width, &name);
    let line = row(area, 1);
    if line.height == 0 {
        return;
    }
    let Some(step) = step else {
        canvas.say(line.x, line.y, line.width, "ends here", Meaning::Muted);
        return;
    };
    let mut token = canvas.span(Meaning::Accent, lockstep::visible(&step.text).replace(' ', "·"));
    token.style = token.style.add_modifier(Modifier::REVERSED);
    let spans = [canvas.span(Meaning::Muted, format!("token {} ", step.index + 1)), token];
    canvas.put_spans(line.x, line.y, line.width, &spans);
    for (index, (text, probability)) in step.probable.iter().enumerate() {
        let line = row(area, index as u16 + 2);
        if line.height == 0 {
            return;
        }
        let percent = format!("{:>5.1} % ", 100.0 * probability);
        let x = canvas.say(line.x, line.y, line.width, &percent, Meaning::Text);
        let word = 12.min(line.right().saturating_sub(x));
        canvas.say(x, line.y, word, &lockstep::visible(text).replace(' ', "·"), Meaning::Key);
        let x = x + word + 1;
        if x < line.right() {
            let style = canvas.style(series(place));
            bar::solid(canvas, Rect { x, width: line.right() - x, ..line }, f64::from(*probability), style);
        }
    }
}
