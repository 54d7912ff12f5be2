//! Every source of readings, and how it is.

use ratatui::layout::Rect;

use crate::ui::canvas::{Canvas, below, row, split_rows};
use crate::ui::hits::Target;
use crate::ui::theme::Meaning;
use crate::ui::widgets::table::{Align, Column, arrange};
use crate::ui::{Action, Mode, State};
use domain::figure::{Figure, Grade};
use domain::machine::{Sample, Source};
use domain::units::span;

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 6] = [
    column("Source", 12, Align::Grow(14), 0),
    column("Covers", 20, Align::Grow(26), 1),
    column("Value", 18, Align::Grow(60), 0),
    column("Grade", 11, Align::Left, 2),
    column("Period", 6, Align::Right, 4),
    column("Age", 6, Align::Right, 3),
];

/// The column from which on a missing reading's reason stands.
const VALUE: usize = 2;

/// The most rows of a value.
const MAX_ROWS: u16 = 3;

/// Rows that the head and the sources take at this width.
pub(crate) fn rows(state: &State, sample: &Sample, columns: u16) -> u16 {
    let area = Rect { width: columns, ..Rect::default() };
    let Some((x, width)) = arrange(&COLUMNS, area).get(VALUE).copied().flatten() else { return 1 };
    let of = |source: &Source| match &source.reading {
        Figure::Known { value, .. } => Canvas::rows_of(value, width).clamp(1, MAX_ROWS),
        Figure::Unknown { reason, remedy } => {
            let room = columns.saturating_sub(x);
            let remedy = remedy.as_ref().map_or(0, |remedy| Canvas::rows_of(remedy, room));
            Canvas::rows_of(reason, room).max(1) + remedy
        }
    };
    let (shown, n_absent) = shown(state, sample);
    let folded = if n_absent > 0 { 1 + u16::from(remedy(state, sample).is_some()) } else { 0 };
    shown.into_iter().map(of).sum::<u16>() + 1 + folded
}

/// The sources that show one by one, and how many absent ones are folded into one line. One that is late shows.
fn shown<'a>(state: &State, sample: &'a Sample) -> (Vec<&'a Source>, usize) {
    let is_shown =
        |source: &&Source| state.ui.machine.shows_missing || source.reading.value().is_some() || source.is_late();
    let shown: Vec<&Source> = sample.sources.iter().filter(is_shown).collect();
    let n_absent = sample.sources.len() - shown.len();
    (shown, n_absent)
}

/// What helps most on this machine.
fn remedy(state: &State, sample: &Sample) -> Option<String> {
    sample.best_remedy(&state.domain.settings.energy)
}

/// Draw the sources from `scroll` on, and the absent ones in a line with what helps most.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample) {
    canvas.claim("sources", area);
    canvas.hit(area, Target::Text(Mode::Machine));
    let (head, mut rest) = split_rows(area, 1);
    let places = arrange(&COLUMNS, area);
    for (column, place) in COLUMNS.iter().zip(&places) {
        if let (Some((x, width)), 1) = (place, head.height) {
            let spans = [canvas.span(Meaning::Heading, column.head)];
            match column.align {
                Align::Right => canvas.put_right(*x, head.y, *width, &spans),
                _ => {
                    canvas.put_spans(*x, head.y, *width, &spans);
                }
            }
        }
    }
    let (shown, n_absent) = shown(state, sample);
    let remedy = remedy(state, sample).filter(|_| n_absent > 0);
    let n_foot = if n_absent > 0 { 1 + u16::from(remedy.is_some()) } else { 0 };
    let foot_rows = n_foot.min(rest.height);
    let scroll = state.ui.machine.scroll.min(shown.len().saturating_sub(1));
    rest.height -= foot_rows;
    for source in shown.into_iter().skip(scroll) {
        if rest.height == 0 {
            break;
        }
        let rows = one(canvas, rest, &places, source).min(rest.height);
        rest = below(rest, rows);
    }
    rest.height += foot_rows;
    if rest.height > 0 && n_absent > 0 {
        let key = canvas.key(Mode::Machine, Action::Choose);
        let names: Vec<_> = (sample.sources.iter())
            .filter(|source| source.reading.value().is_none() && !source.is_late())
            .map(|source| source.name.as_str())
            .collect();
        let x = canvas.say(rest.x, rest.y, rest.width, &format!("— {n_absent} absent  "), Meaning::Muted);
        let x = canvas.say(x, rest.y, rest.right().saturating_sub(x), &format!("{key} says why  "), Meaning::Key);
        canvas.say(x, rest.y, rest.right().saturating_sub(x), &names.join(", "), Meaning::Muted);
        canvas.hit(row(rest, 0), Target::Action(Action::Choose));
        rest = below(rest, 1);
        if let Some(remedy) = remedy.filter(|_| rest.height > 0) {
            let style = canvas.style(Meaning::Key);
            canvas.paragraph(rest, &format!("  helps most here: {remedy}"), style);
        }
    }
}

/// Draw one; returns the rows it took.
fn one(canvas: &mut Canvas<'_>, area: Rect, places: &[Option<(u16, u16)>], source: &Source) -> u16 {
    let line = row(area, 0);
    let mark = match source.reading.grade() {
        None => ("—", Meaning::Muted),
        Some(Grade::Measured) => ("●", Meaning::Good),
        Some(Grade::Apportioned) => ("◐", Meaning::Good),
        Some(Grade::Estimated) => ("○", Meaning::Warn),
    };
    canvas.say(line.x, line.y, 1, mark.0, mark.1);
    let place = |index: usize| places.get(index).copied().flatten();
    for (index, text) in [(0, &source.name), (1, &source.covers)] {
        if let Some((x, width)) = place(index) {
            canvas.say(x, line.y, width, text, if index == 0 { Meaning::Text } else { Meaning::Muted });
        }
    }
    match &source.reading {
        Figure::Known { value, grade, .. } => {
            let mut rows = 1;
            if let Some((x, width)) = place(VALUE) {
                let style = canvas.style(Meaning::Text);
                let place = Rect { x, width, height: area.height.min(MAX_ROWS), ..area };
                rows = canvas.paragraph(place, &format!("{}{value}", grade.mark()), style).max(1);
            }
            if let Some((x, width)) = place(3) {
                canvas.say(x, line.y, width, grade.word(), Meaning::Muted);
            }
            for (index, time, meaning) in [
                (4, source.period, Meaning::Muted),
                (5, source.age, if source.is_late() { Meaning::Warn } else { Meaning::Muted }),
            ] {
                if let Some((x, width)) = place(index) {
                    let spans = [canvas.span(meaning, span(time))];
                    canvas.put_right(x, line.y, width, &spans);
                }
            }
            rows
        }
        Figure::Unknown { reason, remedy } => {
            let Some((x, _)) = place(VALUE) else { return 1 };
            let place = Rect { x, width: area.right().saturating_sub(x), ..area };
            let style = canvas.style(if source.is_late() { Meaning::Warn } else { Meaning::Muted });
            let late = format!("{reason}, late by {}", span(source.age));
            let rows = canvas.paragraph(place, if source.is_late() { &late } else { reason }, style);
            let style = canvas.style(Meaning::Key);
            let more = remedy.as_ref().map_or(0, |remedy| canvas.paragraph(below(place, rows), remedy, style));
            (rows + more).max(1)
        }
    }
}
