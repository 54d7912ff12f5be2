//! Throughput, memory and power of all sessions over the same time.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, Spans, below, row, spans_width, split_rows};
use super::super::keymap::Context;
use super::super::theme::Meaning;
use super::super::widgets::graph::{self, Series};
use super::session_table::series;
use crate::core::State;
use crate::core::figure::Grade;
use crate::core::ring::Ring;
use crate::core::session::Session;
use crate::core::units::{digits, span};

/// Which quantity a graph shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Throughput,
    Memory,
    Power,
}

const ALL: [(Quantity, &str, &str); 3] = [
    (Quantity::Throughput, "throughput", "tok/s"),
    (Quantity::Memory, "memory", "GB"),
    (Quantity::Power, "power", "W"),
];

/// From this height on a graph has a row for its least, mean and most.
const AIRY: u16 = 9;

/// Three graphs side by side under one legend; the ticks under all of them are the same.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height < 4 {
        return sparklines(canvas, row(area, 0), state);
    }
    let (legend_row, body) = split_rows(area, 1);
    legend(canvas, legend_row, state);
    let gap = 3;
    let width = (body.width.saturating_sub(2 * gap)) / 3;
    for (index, (quantity, name, unit)) in ALL.into_iter().enumerate() {
        let place = Rect { x: body.x + index as u16 * (width + gap), width, ..body };
        one(canvas, place, state, quantity, name, unit);
    }
}

fn one(canvas: &mut Canvas<'_>, area: Rect, state: &State, quantity: Quantity, name: &str, unit: &str) {
    let parts = parts(canvas, state, quantity);
    let sums = graph::sums(&parts);
    let (title, plot) = split_rows(area, 1);
    let mut head = vec![canvas.span(Meaning::Text, format!(" {name} ")), canvas.span(Meaning::Muted, unit.to_owned())];
    let mut grade = Grade::Measured;
    if let (Quantity::Power, Some(sample)) = (quantity, &state.machine.sample)
        && let Some((_, worst)) = sample.total()
    {
        grade = worst;
        head.push(canvas.span(Meaning::Muted, format!(" {}", sample.boundary())));
        let word = canvas.span(Meaning::Muted, format!(" {}", worst.word()));
        if spans_width(&head) + spans_width(std::slice::from_ref(&word)) + 7 <= usize::from(title.width) {
            head.push(word);
        }
    }
    let Some(extent) = graph::extent(&sums) else {
        canvas.put_spans(title.x, title.y, title.width, &head);
        return nothing(canvas, below(plot, 1), state, quantity);
    };
    let now = sums.last().copied().flatten().map_or_else(|| "—".to_owned(), |now| digits(f64::from(now)));
    canvas.put_spans(title.x, title.y, title.width, &head);
    let figure = [canvas.span(Meaning::Text, format!("{}{now}", grade.mark()))];
    canvas.put_right(title.x, title.y, title.width, &figure);
    let (line, plot) = split_rows(plot, u16::from(plot.height >= AIRY));
    if line.height > 0 {
        let numbers = [("min", extent.least), ("mean", extent.mean), ("max", extent.most)];
        let room = usize::from(line.width.saturating_sub(2));
        let texts = numbers.map(|(word, value)| format!("{word} {:<6}", digits(f64::from(value))));
        // The mean alone says more than a row that is cut off.
        let text =
            Some(texts.concat()).filter(|text| text.trim_end().len() <= room).unwrap_or_else(|| texts[1].clone());
        canvas.say(line.x + 1, line.y, line.width.saturating_sub(1), text.trim_end(), Meaning::Muted);
    }
    graph::draw(canvas, plot, &parts, state.machine.span, &ago(state));
}

/// One sentence in place of a graph that has nothing to show.
fn nothing(canvas: &mut Canvas<'_>, area: Rect, state: &State, quantity: Quantity) {
    let style = canvas.style(Meaning::Muted);
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let (text, remedy) = match (quantity, &state.machine.sample) {
        (_, None) => ("The first reading is under way.".to_owned(), None),
        (Quantity::Power, Some(sample)) => {
            let (reason, remedy) = sample.why_no_power();
            (format!("Power is not known: {reason}."), remedy)
        }
        (Quantity::Throughput, _) => ("Moves while a session answers.".to_owned(), None),
        (Quantity::Memory, _) => ("Shows what sessions hold.".to_owned(), None),
    };
    let rows = canvas.paragraph(area, &text, style);
    if let Some(remedy) = remedy {
        let style = canvas.style(Meaning::Key);
        canvas.paragraph(below(area, rows), &remedy, style);
    }
}

/// The parts of the stack: each session, and for power what belongs to none.
fn parts(canvas: &Canvas<'_>, state: &State, quantity: Quantity) -> Vec<Series> {
    let back = state.machine.frozen.unwrap_or(0);
    let window = |ring: &Ring, scale: f32| -> Vec<Option<f32>> {
        ring.window(state.machine.span, back).map(|point| point.map(|value| value / scale)).collect()
    };
    let of = |session: &Session| match quantity {
        Quantity::Throughput => window(&session.throughput, 1.0),
        Quantity::Memory => window(&session.memory, 1e9),
        Quantity::Power => window(&session.power, 1.0),
    };
    let mut parts: Vec<Series> = state
        .fleet
        .sessions
        .iter()
        .map(|session| Series { points: of(session), style: canvas.style(series(session)) })
        .collect();
    if quantity == Quantity::Power {
        let attributed = graph::sums(&parts);
        let all = window(&state.machine.power, 1.0);
        let missing = all.len().saturating_sub(attributed.len());
        let rest = all.iter().enumerate().map(|(tick, all)| {
            let part =
                tick.checked_sub(missing).and_then(|tick| attributed.get(tick).copied().flatten()).unwrap_or(0.0);
            all.map(|all| (all - part).max(0.0))
        });
        parts.push(Series { points: rest.collect(), style: canvas.style(Meaning::Border) });
    }
    parts
}

fn legend(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let mut right: Spans<'_> = Vec::new();
    if let Some(ticks) = state.machine.frozen {
        let since = span(state.settings.telemetry.interval * ticks as u32);
        right.push(canvas.span(Meaning::Warn, format!("❚❚ frozen {since} ago")));
        let key = canvas.key(Context::Fleet, "freeze");
        right.push(canvas.span(Meaning::Muted, format!(" · {key} goes on")));
    }
    let room = area.width.saturating_sub(spans_width(&right) as u16);
    let mut spans: Spans<'_> = Vec::new();
    for (index, session) in state.fleet.sessions.iter().enumerate() {
        spans.push(canvas.span(series(session), format!(" {} ", graph::sign(index, canvas.graphs))));
        spans.push(canvas.span(Meaning::Muted, format!("{} ", session.name)));
    }
    if state.machine.power.last().is_some() {
        let sign = graph::sign(state.fleet.sessions.len(), canvas.graphs);
        spans.push(canvas.span(Meaning::Border, format!(" {sign} ")));
        spans.push(canvas.span(Meaning::Muted, "rest"));
    }
    canvas.put_spans(area.x, area.y, room, &spans);
    canvas.put_right(area.x, area.y, area.width, &right);
}

/// All three in one row.
fn sparklines(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let third = area.width / 3;
    for (index, (quantity, name, unit)) in ALL.into_iter().enumerate() {
        let place = Rect { x: area.x + index as u16 * third, width: third, ..area };
        let sums = graph::sums(&parts(canvas, state, quantity));
        let x = canvas.say(place.x + 1, place.y, third, &format!("{unit} "), Meaning::Muted);
        let room = place.right().saturating_sub(x);
        match sums.last().copied().flatten() {
            None if quantity == Quantity::Power => {
                canvas.say(x, place.y, room, "power — (5 says why)", Meaning::Muted);
            }
            None => {
                canvas.say(x, place.y, room, &format!("{name} —"), Meaning::Muted);
            }
            Some(now) => {
                let x = canvas.say(x, place.y, room, &format!("{:<5}", digits(f64::from(now))), Meaning::Text);
                let width = usize::from(place.right().saturating_sub(x + 1));
                let line = graph::sparkline(sums.into_iter(), width, canvas.graphs);
                canvas.say(x, place.y, width as u16, &line, Meaning::Accent);
            }
        }
    }
}

/// How far back the graphs reach, as a label.
fn ago(state: &State) -> String {
    span(state.settings.telemetry.interval * state.machine.span as u32)
}
