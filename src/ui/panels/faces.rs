//! The other faces of a session: its figures, its memory, its log.

use ratatui::layout::Rect;
use std::time::Duration;

use super::chat::figures_line;
use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans, below, inset, row, spans_width, split_columns};
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;
use domain::energy::{Report, per_session};
use domain::figure::{Figure, Grade, Uncertain};
use domain::model::preset;
use domain::session::memory_account::account;
use domain::session::placement::misplaced;
use domain::session::roofline::{Roofline, roofline};
use domain::session::{NO_TEMPLATE, Session};
use domain::settings::SESSION_FIELDS;
use domain::units::{Bytes, Ratio, digits, span, tokens};

/// Columns of the labels.
const LABEL: u16 = 16;

/// From this width on there are two columns of figures.
const TWO_COLUMNS: u16 = 68;

/// Columns of a device's name.
const DEVICE: u16 = 11;

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

    /// A value with its source, or why it is not known, over as many rows as that takes.
    fn figure<T: std::fmt::Display>(&mut self, label: &str, figure: &Figure<T>) {
        self.told(label, &figure.to_string(), figure);
    }

    /// A value as its grade is written, with its source.
    fn graded(&mut self, label: &str, figure: &Figure<Uncertain>, unit: &str) {
        let text = match figure {
            // The grade's own mark says less than is known.
            Figure::Known { value, grade: Grade::Apportioned, .. } => {
                format!("{} ±{}", figure.graded(unit), Ratio(value.relative))
            }
            _ => figure.graded(unit),
        };
        self.told(label, &text, figure);
    }

    fn told<T>(&mut self, label: &str, text: &str, figure: &Figure<T>) {
        match figure {
            Figure::Known { grade, source, .. } => {
                // What is modelled without a sensor is dimmer than what one tells.
                let meaning = if *grade == Grade::Estimated { Meaning::Muted } else { Meaning::Text };
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
                // As much as there is the room for; the mark tells the grade as well.
                for more in [word, source] {
                    if spans_width(&value) + spans_width(std::slice::from_ref(&more)) > room {
                        break;
                    }
                    value.push(more);
                }
                self.spans(label, &value);
            }
            Figure::Unknown { reason, remedy } => {
                let line = self.next();
                if line.height == 0 {
                    return;
                }
                let dash = [self.canvas.span(Meaning::Text, "—")];
                self.canvas.pair(line, label, LABEL, &dash);
                let style = self.canvas.style(Meaning::Muted);
                let text = remedy.as_ref().map_or_else(|| reason.clone(), |remedy| format!("{reason}: {remedy}"));
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
    }
}

fn micros(time: u64) -> String {
    span(Duration::from_micros(time))
}

/// Speed, energy and settings, from row `state.ui.fleet.scroll` on. Gives the most rows that can be scrolled.
pub(crate) fn figures(canvas: &mut Canvas<'_>, area: Rect, state: &State, session: &Session) -> usize {
    canvas.claim("figures", area);
    let counters = session.figures().counters;
    let area = inset(area, 1);
    let two = area.width >= TWO_COLUMNS;
    let (left, right) = split_columns(area, if two { area.width / 2 } else { area.width });
    let left = Rect { width: left.width.saturating_sub(2 * u16::from(two)), ..left };
    let mut rows = Rows { canvas, area: left, above: state.ui.fleet.scroll, count: 0 };
    let rate = |rate: Option<f64>| rate.map_or_else(|| "—".to_owned(), |rate| format!("{} tok/s", digits(rate)));
    rows.heading(if session.is_busy() { "This answer" } else { "Last answer" });
    rows.text("first token", counters.ttft_us.map_or_else(|| "—".to_owned(), micros));
    let cached = match session.figures().n_cached {
        0 => String::new(),
        n_cached => format!(", {} more cached", tokens(u64::from(n_cached))),
    };
    rows.text("prompt", format!("{} tok{cached}", tokens(u64::from(counters.n_prompt))));
    rows.text("prompt speed", rate(counters.prompt_rate()));
    rows.text("generated", format!("{} tok", tokens(u64::from(counters.n_generated))));
    rows.text("speed", rate(counters.generation_rate()));
    rows.text("of it reasoning", format!("{} tok", tokens(u64::from(counters.n_reasoning))));
    rows.text("busy", micros(counters.decode_us));
    rows.gap();
    energy(&mut rows, state, session);
    rows.gap();
    memory_bound(&mut rows, roofline(&state.domain, session, session.figures()));
    rows.gap();
    let in_left = rows.count;
    if two {
        (rows.area, rows.above, rows.count) = (right, state.ui.fleet.scroll, 0);
    }
    rows.heading("Session");
    let since = state.domain.now.uptime.saturating_sub(session.since.uptime);
    rows.text("in this state", span(since));
    rows.text("generated", format!("{} tok total", tokens(session.n_generated)));
    if let Some(loaded) = &session.loaded {
        rows.text("loaded in", micros(loaded.load_us));
        rows.text("layers on GPUs", format!("{} of {}", loaded.n_gpu_layers, loaded.n_layers));
    }
    if session.lacks_template() {
        rows.warning(&format!("! the model {NO_TEMPLATE}"));
    }
    if let Some(misplaced) = misplaced(&state.domain, session) {
        rows.warning(&format!("! {}: its log says why, `taffrail doctor` what this build can use", misplaced.reason()));
    }
    rows.text("threads", format!("{} of {}", session.threads, state.domain.thread_limit()));
    rows.gap();
    rows.heading("Settings");
    for field in SESSION_FIELDS {
        rows.text(field.name, session.settings.get(field.name).unwrap_or_default());
    }
    for line in preset::lines(
        &session.model,
        &session.settings,
        true,
        session.newest().is_none_or(|request| request.stop.is_empty()),
    ) {
        rows.long("", &line);
    }
    in_left.max(rows.count).saturating_sub(usize::from(area.height))
}

/// How near to what the memory allows, and what holds it back.
fn memory_bound(rows: &mut Rows<'_, '_>, roofline: Result<Roofline, String>) {
    rows.heading("Memory's roofline");
    let roofline = match roofline {
        Ok(roofline) => roofline,
        Err(reason) => return rows.figure("of it reached", &Figure::<String>::unknown(reason)),
    };
    let (weights, context) = roofline.per_token;
    rows.long("of it reached", &roofline.reached());
    rows.long("", roofline.bound.word());
    rows.long("moved", &format!("{}/s", Bytes(roofline.bytes_per_second as u64)));
    rows.long("per token", &format!("{weights} weights, {context} context"));
}

/// The energy of the answer and of all answers.
fn energy(rows: &mut Rows<'_, '_>, state: &State, session: &Session) {
    let settings = &state.domain.settings.energy;
    let report = Report::of_answer(session.figures(), settings);
    let currency = settings.currency.as_str();
    if report.energy.value().is_none() {
        rows.heading("Energy");
        rows.graded("answer", &report.energy, "J");
    } else {
        rows.heading(&format!("Energy {}", report.boundary));
        rows.graded("per token", &session.per_token(settings), "J/tok");
        rows.graded("of it dynamic", &report.dynamic_per_token, "J/tok");
        rows.graded("per prompt tok", &report.per_prompt_token, "J/tok");
        rows.graded("answer", &report.energy, "J");
        rows.graded("the same", &report.watt_hours, "Wh");
        rows.graded("carbon", &report.carbon, "gCO2e");
        rows.graded("cost", &report.cost, currency);
        rows.text("metered", span(Duration::from_secs_f64(report.metered)));
        rows.long("by grade", &report.coverage);
    }
    rows.figure("power now", &session.watts);
    let all = per_session(session, settings);
    if all.energy.value().is_some() {
        rows.gap();
        rows.heading("All answers");
        rows.graded("per token", &all.per_token, "J/tok");
        rows.graded("per prompt tok", &all.per_prompt_token, "J/tok");
        rows.graded("energy", &all.energy, "J");
        rows.graded("the same", &all.watt_hours, "Wh");
        // Why there is none stands above.
        if all.carbon.value().is_some() {
            rows.graded("carbon", &all.carbon, "gCO2e");
        }
        if all.cost.value().is_some() {
            rows.graded("cost", &all.cost, currency);
        }
    }
    if session.standby.0 > 0.0 {
        rows.text("standby", format!("≈{}, in no figure above", session.standby));
    }
}

/// What it holds of which memory, and what was planned.
pub(crate) fn memory(canvas: &mut Canvas<'_>, area: Rect, state: &State, session: &Session) {
    canvas.claim("memory", area);
    let mut area = inset(area, 1);
    if let Some(misplaced) = misplaced(&state.domain, session) {
        let style = canvas.style(Meaning::Bad);
        let rows = canvas.paragraph(area, &format!("! {}", misplaced.reason()), style);
        area = below(area, rows);
    }
    let has_sum = area.width >= DEVICE + 4 * 9;
    let line = |parts: [u64; 3]| {
        let sum = has_sum.then(|| parts.iter().sum());
        parts
            .into_iter()
            .chain(sum)
            .fold(String::new(), |line, bytes| line + &format!("{:>9}", Bytes(bytes).to_string()))
    };
    let heads = ["weights", "context", "compute", "all"];
    let head: String =
        heads.iter().take(3 + usize::from(has_sum)).fold(String::new(), |line, head| line + &format!("{head:>9}"));
    let planned = session.planned;
    let mut lines = vec![("", Meaning::Heading, head)];
    lines.push((
        if planned.by_size { "by size" } else { "planned" },
        Meaning::Text,
        line([planned.weights.0, planned.context.0, planned.compute.0]),
    ));
    let devices = session.loaded.iter().flat_map(|loaded| &loaded.ledger.devices).take(8);
    lines.extend(
        devices.map(|device| {
            (device.device.as_str(), Meaning::Text, line([device.weights, device.context, device.compute]))
        }),
    );
    for (index, (label, meaning, text)) in lines.iter().enumerate() {
        let place = row(area, index as u16);
        if place.height > 0 {
            let value = [canvas.span(*meaning, text.as_str())];
            canvas.pair(place, label, DEVICE, &value);
        }
    }
    let mut rows = Rows { canvas, area: below(area, lines.len() as u16), above: 0, count: 0 };
    rows.gap();
    rows.heading("As the system counts it");
    match session.process {
        Some(process) => {
            rows.text("resident", format!("{:>9}", process.resident.to_string()));
            rows.text("of it held", format!("{:>9}", process.anonymous.to_string()));
            let mapped = process.resident.saturating_sub(process.anonymous);
            rows.text("of it mapped", format!("{:>9} can be dropped", mapped.to_string()));
            if let Some(shared) = process.shared {
                let note = if process.proportional.is_some() { "" } else { " at most" };
                rows.text("of it shared", format!("{:>9}{note}", shared.to_string()));
            }
            if let Some(proportional) = process.proportional {
                rows.text("its own share", format!("{:>9} (PSS)", proportional.to_string()));
            }
            rows.text("swapped out", format!("{:>9}", process.swapped.to_string()));
        }
        None => rows.text("resident", "—"),
    }
    match session.gpu_memory {
        Some(memory) => rows.text("on GPUs", format!("{:>9} by the driver", memory.to_string())),
        None => rows.text("on GPUs", format!("{:>9}", "—")),
    }
    if let Some(account) = account(session) {
        rows.gap();
        rows.heading("Settled");
        let (all, present) = account.mapped;
        if all > Bytes(0) {
            rows.text("weights mapped", format!("{:>9} of {all}", present.to_string()));
        }
        let untouched =
            if account.untouched > Bytes(0) { format!(", {} unused yet", account.untouched) } else { String::new() };
        rows.text("taken", format!("{:>9}{untouched}", account.taken.to_string()));
        // Libraries and the vocabulary are part of it.
        rows.text("unexplained", format!("{:>9} its program", account.unexplained.to_string()));
        if let Some(unexplained) = account.unexplained_on_gpus {
            // Its context for this process, and kernels.
            rows.text("", format!("{:>9} GPU's driver", unexplained.to_string()));
        }
    }
    rows.gap();
    let used = session.n_past;
    rows.text(
        "context",
        format!("{} of {} tokens in use", tokens(u64::from(used)), tokens(u64::from(session.n_ctx()))),
    );
}

/// The worker's last lines, or those `scroll` lines before them.
pub(crate) fn log(canvas: &mut Canvas<'_>, area: Rect, session: &Session, scroll: usize) {
    canvas.claim("log", area);
    let area = inset(area, 1);
    if session.log.is_empty() {
        canvas.say(area.x, area.y, area.width, "The worker has said nothing.", Meaning::Muted);
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
    use crate::ui::keymap::Context;
    use crate::ui::{Keymap, Theme};
    use domain::session::roofline::Bound;
    use domain::settings::GraphStyle;

    /// The rows of a panel so wide, without their labels and joined.
    fn values(width: u16, draw: impl FnOnce(&mut Rows<'_, '_>)) -> String {
        let (theme, keys) = (Theme::monochrome(), Keymap::default());
        let area = Rect::new(0, 0, width, 12);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        let mut canvas = Canvas::new(&mut buffer, &theme, &keys, Context::Fleet, GraphStyle::Braille);
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
                let text = values(width, |rows| memory_bound(rows, Ok(roofline)));
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
            let mut canvas = Canvas::new(&mut buffer, &theme, &keys, Context::Fleet, GraphStyle::Braille);
            let mut rows = Rows { canvas: &mut canvas, area, above: 0, count: 0 };
            rows.graded("per token", &estimate, "J/tok");
            rows.text("energy", "below");
            let count = rows.count;
            let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
            assert!(text.contains("~0.038 J/tok") && text.contains("(0.019–0.076)"), "{width}: {text}");
            assert_eq!(count, if width < 42 { 3 } else { 2 }, "{width}: {text}");
        }
    }
}
