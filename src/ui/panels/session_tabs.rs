//! The tabs of a session besides its conversation: figures, memory, log.

use ratatui::layout::Rect;

use super::chat::figures_line;
use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans, below, inset, row, spans_width, split_columns};
use crate::ui::session_report::{self, Line};
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;
use domain::figure::{Figure, Grade};
use domain::session::Session;
use domain::units::Bytes;

/// Columns of the labels.
const LABEL: u16 = 16;

/// From this width on there are two columns of figures.
const TWO_COLUMNS: u16 = 68;

/// Columns of a device's name.
const DEVICE: u16 = 11;

/// Columns of an amount of memory.
const AMOUNT: usize = 9;

/// Rows of label and value, with headings between.
struct Rows<'c, 'a> {
    canvas: &'c mut Canvas<'a>,
    area: Rect,
    /// Rows still to be passed over, since they were scrolled away.
    above: usize,
    /// Rows so far, shown or not.
    count: usize,
}

impl Rows<'_, '_> {
    /// The place of the next row; without height where it does not show.
    fn next(&mut self) -> Rect {
        self.count += 1;
        if self.above > 0 {
            self.above -= 1;
            return Rect { height: 0, ..self.area };
        }
        let line = row(self.area, 0);
        self.area = below(self.area, 1);
        line
    }

    fn heading(&mut self, text: &str) {
        let line = self.next();
        self.canvas.say(line.x, line.y, if line.height > 0 { line.width } else { 0 }, text, Meaning::Accent);
    }

    fn gap(&mut self) {
        self.next();
    }

    fn spans(&mut self, label: &str, value: &[Span<'_>]) {
        let line = self.next();
        if line.height > 0 {
            self.canvas.pair(line, label, LABEL, value);
        }
    }

    /// A sentence over as many rows as it takes.
    fn warning(&mut self, text: &str) {
        let line = self.next();
        if line.height == 0 {
            return;
        }
        let style = self.canvas.style(Meaning::Bad);
        let place = Rect { height: (self.area.height + 1).min(3), ..line };
        let more = self.canvas.paragraph(place, text, style).saturating_sub(1);
        self.area = below(self.area, more);
        self.count += usize::from(more);
    }

    fn text(&mut self, label: &str, value: impl Into<String>) {
        let value = [self.canvas.span(Meaning::Text, value.into())];
        self.spans(label, &value);
    }

    /// A value over as many rows as it takes.
    fn long(&mut self, label: &str, text: &str) {
        let columns = usize::from(self.area.width.saturating_sub(LABEL)).max(1);
        for range in text::wrap(text, columns) {
            let label = if range.start == 0 { label } else { "" };
            self.text(label, text.get(range).unwrap_or_default());
        }
    }

    fn lines(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Heading(text) => self.heading(text),
                Line::Gap => self.gap(),
                Line::Text(label, value) => self.text(label, value.as_str()),
                Line::Long(label, value) => self.long(label, value),
                Line::Figure(label, figure) => self.figure(label, figure),
                Line::Amount(label, bytes, note) => {
                    let bytes = bytes.map_or_else(|| "—".to_owned(), |bytes| bytes.to_string());
                    self.text(label, format!("{bytes:>AMOUNT$} {note}"));
                }
                Line::Warning(text) => self.warning(text),
            }
        }
    }

    /// A value with its source, or why it is not known, over as many rows as that takes.
    fn figure(&mut self, label: &str, figure: &Figure<String>) {
        match figure {
            Figure::Known { value, grade, source } => self.known(label, value, *grade, source),
            Figure::Unknown { reason, remedy } => self.unknown(label, reason, remedy.as_deref()),
        }
    }

    fn known(&mut self, label: &str, text: &str, grade: Grade, source: &str) {
        // What is modelled without a sensor is dimmer than what one reports.
        let meaning = if grade == Grade::Estimated { Meaning::Muted } else { Meaning::Text };
        let room = usize::from(self.area.width.saturating_sub(LABEL));
        // A range that was cut off would say less than it does, so it gets a row of its own.
        let (text, range) = match text.split_once(" (") {
            Some((text, range)) if text::width(text) + 2 + text::width(range) > room => (text, Some(range)),
            _ => (text, None),
        };
        let mut label = label;
        let mut value = vec![self.canvas.span(meaning, text)];
        if let Some(range) = range {
            self.spans(label, &value);
            (label, value) = ("", vec![self.canvas.span(meaning, format!("({range}"))]);
        }
        let word = self.canvas.span(Meaning::Muted, format!("  {}", grade.word()));
        let source = self.canvas.span(Meaning::Muted, format!(", {source}"));
        // As much as there is the room for; the mark says the grade as well.
        for more in [word, source] {
            if spans_width(&value) + spans_width(std::slice::from_ref(&more)) > room {
                break;
            }
            value.push(more);
        }
        self.spans(label, &value);
    }

    fn unknown(&mut self, label: &str, reason: &str, remedy: Option<&str>) {
        let line = self.next();
        if line.height == 0 {
            return;
        }
        let dash = [self.canvas.span(Meaning::Text, "—")];
        self.canvas.pair(line, label, LABEL, &dash);
        let style = self.canvas.style(Meaning::Muted);
        let text = remedy.map_or_else(|| reason.to_owned(), |remedy| format!("{reason}: {remedy}"));
        // The reason follows the dash on its own row, where there is the room.
        let place = Rect {
            x: line.x + (LABEL + 2).min(line.width),
            width: line.width.saturating_sub(LABEL + 2),
            height: (self.area.height + 1).min(3),
            ..line
        };
        let more = self.canvas.paragraph(place, &text, style).saturating_sub(1);
        self.area = below(self.area, more);
        self.count += usize::from(more);
    }
}

/// Speed, energy and settings, from row `state.ui.fleet.scroll` on. Gives the most rows that can be scrolled.
pub(crate) fn figures(canvas: &mut Canvas<'_>, area: Rect, state: &State, session: &Session) -> usize {
    canvas.claim("figures", area);
    let area = inset(area, 1);
    let two = area.width >= TWO_COLUMNS;
    let (left, right) = split_columns(area, if two { area.width / 2 } else { area.width });
    let left = Rect { width: left.width.saturating_sub(2 * u16::from(two)), ..left };
    let above = state.ui.fleet.scroll;
    let mut rows = Rows { canvas, area: left, above, count: 0 };
    rows.lines(&session_report::answers(&state.domain, session));
    let in_left = rows.count;
    if two {
        (rows.area, rows.above, rows.count) = (right, above, 0);
    } else {
        rows.gap();
    }
    rows.lines(&session_report::state(&state.domain, session));
    in_left.max(rows.count).saturating_sub(usize::from(area.height))
}

/// What it holds of which memory, and what was estimated.
pub(crate) fn memory(canvas: &mut Canvas<'_>, area: Rect, state: &State, session: &Session) {
    canvas.claim("memory", area);
    let mut area = inset(area, 1);
    let memory = session_report::memory(&state.domain, session);
    if let Some(warning) = &memory.warning {
        let style = canvas.style(Meaning::Bad);
        let rows = canvas.paragraph(area, warning, style);
        area = below(area, rows);
    }
    let has_sum = area.width >= DEVICE + 4 * AMOUNT as u16;
    let cells = |cells: [String; 4]| {
        let shown = cells.iter().take(3 + usize::from(has_sum));
        shown.fold(String::new(), |line, cell| line + &format!("{cell:>AMOUNT$}"))
    };
    let heads = cells(["weights", "context", "compute", "all"].map(str::to_owned));
    let mut lines = vec![("", Meaning::Heading, heads)];
    lines.extend(memory.devices.iter().map(|(device, parts)| {
        let [weights, context, compute] = parts.map(|bytes| bytes.to_string());
        let sum = parts.iter().copied().sum::<Bytes>().to_string();
        (device.as_str(), Meaning::Text, cells([weights, context, compute, sum]))
    }));
    for (index, (label, meaning, text)) in lines.iter().enumerate() {
        let place = row(area, index as u16);
        if place.height > 0 {
            let value = [canvas.span(*meaning, text.as_str())];
            canvas.pair(place, label, DEVICE, &value);
        }
    }
    let mut rows = Rows { canvas, area: below(area, lines.len() as u16), above: 0, count: 0 };
    rows.gap();
    rows.lines(&memory.lines);
}

/// The worker's last lines, or those `scroll` lines before them.
pub(crate) fn log(canvas: &mut Canvas<'_>, area: Rect, session: &Session, scroll: usize) {
    canvas.claim("log", area);
    let area = inset(area, 1);
    if session.log.is_empty() {
        canvas.say(area.x, area.y, area.width, "No log output.", Meaning::Muted);
        return;
    }
    let mut bottom = area.bottom();
    for line in session.log.iter().rev().skip(scroll.min(session.log.len() - 1)) {
        let rows = Canvas::rows_of(line, area.width).min(bottom - area.y);
        bottom -= rows;
        let style = canvas.style(Meaning::Muted);
        canvas.paragraph(Rect { y: bottom, height: rows, ..area }, line, style);
        if bottom == area.y {
            break;
        }
    }
}

/// Who it is and how fast it answers, as far as there is the room.
pub(crate) fn title<'a>(canvas: &Canvas<'_>, session: &'a Session, room: usize) -> Spans<'a> {
    let mut spans = vec![canvas.span(Meaning::Text, session.name.as_str())];
    if let Some(quant) = session.model.quant() {
        spans.push(canvas.span(Meaning::Muted, format!(" · {quant}")));
    }
    if session.is_busy() && session.figures().counters.n_generated > 0 {
        spans.push(canvas.span(Meaning::Muted, format!(" · {}", figures_line(session.figures()))));
        if session.figures().energy.value().is_some() {
            spans.push(canvas.span(Meaning::Muted, format!(" · {}", session.figures().energy)));
        }
    }
    while spans.len() > 1 && spans_width(&spans) > room {
        spans.pop();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Mode;
    use crate::ui::{Keymap, Theme};
    use domain::figure::Uncertain;
    use domain::roofline::{Bound, Roofline};
    use domain::settings::GraphStyle;
    use domain::units::Ratio;

    /// The rows of a panel so wide, without their labels and joined.
    fn values(width: u16, draw: impl FnOnce(&mut Rows<'_, '_>)) -> String {
        let (theme, keys) = (Theme::monochrome(), Keymap::default());
        let area = Rect::new(0, 0, width, 12);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        let mut canvas = Canvas::new(&mut buffer, &theme, &keys, Mode::Fleet, GraphStyle::Braille);
        draw(&mut Rows { canvas: &mut canvas, area, above: 0, count: 0 });
        let rows = buffer.content.chunks(usize::from(width));
        let values =
            rows.map(|row| row.iter().skip(LABEL.into()).map(ratatui::buffer::Cell::symbol).collect::<String>());
        values.map(|value| value.trim().to_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_roofline_can_be_read_whole() {
        // The least that stands beside the table or in one of two columns, and the whole of 80 columns.
        for width in [32, 40, 78] {
            for bound in Bound::ALL {
                let per_token = (Bytes(123_000_000_000), Bytes(123_000_000));
                let roofline = Roofline { per_token, bytes_per_second: 123e9, share: Ratio(0.71), bound };
                let text = values(width, |rows| rows.lines(&session_report::memory_bandwidth(Ok(roofline))));
                let reached = roofline.reached();
                for wanted in [&reached, bound.word(), "123 GB/s", "123 GB weights, 123 MB context"] {
                    assert!(text.contains(wanted), "{width}: {wanted} in {text}");
                }
            }
        }
    }

    #[test]
    fn a_range_is_never_cut_off() {
        let (theme, keys) = (Theme::monochrome(), Keymap::default());
        let value = Uncertain { value: 0.038, relative: 1.0 };
        let estimate = Figure::Known { value, grade: Grade::Estimated, source: "est".to_owned() };
        for width in [32, 40, 41, 60] {
            let area = Rect::new(0, 0, width, 3);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            let mut canvas = Canvas::new(&mut buffer, &theme, &keys, Mode::Fleet, GraphStyle::Braille);
            let mut rows = Rows { canvas: &mut canvas, area, above: 0, count: 0 };
            rows.lines(&[session_report::graded("per token", &estimate, "J/tok")]);
            rows.text("energy", "below");
            let count = rows.count;
            let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
            assert!(text.contains("~0.038 J/tok") && text.contains("(0.019–0.076)"), "{width}: {text}");
            assert_eq!(count, if width < 42 { 3 } else { 2 }, "{width}: {text}");
        }
    }
}
