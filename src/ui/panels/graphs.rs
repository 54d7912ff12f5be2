//! Throughput, memory, power and heat over the same time, stacked or each session on ground of its own.

use ratatui::layout::Rect;

use super::session_table::series;
use crate::ui::canvas::{Canvas, Spans, below, row, spans_width, split_rows};
use crate::ui::graphs::{Graph, GraphPart, Owner, Quantity, at, graph as graph_of};
use crate::ui::theme::{Meaning, N_SERIES};
use crate::ui::widgets::graph::{self, Series, Window};
use crate::ui::{Action, State};
use domain::figure::Grade;
use domain::ring::Bucket;
use domain::session::Session;
use domain::units::{digits, span};

/// From this height on a graph has a row for its least, mean and most.
const AIRY: u16 = 8;

/// Blanks between two graphs.
const GAP: u16 = 2;

/// The least that a graph takes, in columns and rows; and the width that it likes.
const LEAST: (u16, u16) = (20, 6);
const LIKED: u16 = 34;

/// The graphs under one legend; the points under all of them are the same moments.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    canvas.claim("graphs", area);
    if canvas.plain {
        return spoken(canvas, area, state);
    }
    if area.height < 4 {
        return sparklines(canvas, row(area, 0), state);
    }
    let graphs: Vec<_> = Quantity::shown(&state.domain, &state.ui)
        .into_iter()
        .map(|quantity| (quantity, graph_of(&state.domain, &state.ui, quantity)))
        .collect();
    let view = &state.ui.machine;
    // Without sessions there is nothing to tell apart.
    let stacks = state.ui.screen != crate::ui::Screen::Machine && !state.domain.sessions.is_empty();
    let has_legend = stacks || view.cursor.is_some() || view.frozen.is_some();
    let (legend_row, body) = split_rows(area, u16::from(has_legend));
    if let Some((_, first)) = graphs.first().filter(|_| has_legend) {
        legend(canvas, legend_row, state, first);
    }
    let known: Vec<bool> = graphs.iter().map(|(_, graph)| graph.extent().is_some()).collect();
    for (place, (quantity, graph)) in places(body, &known).into_iter().zip(&graphs) {
        one(canvas, place, state, *quantity, graph);
    }
}

/// Where the graphs stand: in one row where that leaves each its width, else in as few as do, else as many as there is
/// room for. Of two rows one of which nothing is known but the reason leaves its room to the other.
fn places(area: Rect, known: &[bool]) -> Vec<Rect> {
    let count = known.len().max(1) as u16;
    let cut = |columns: u16, rows: u16| {
        let width = (area.width.saturating_sub((columns - 1) * GAP)) / columns;
        let even = area.height / rows;
        let is_known = |row: u16| known.iter().skip(usize::from(row * columns)).take(usize::from(columns)).any(|k| *k);
        let least = LEAST.1.min(even);
        let heights = match (rows, is_known(0), is_known(1)) {
            (2, true, false) => [area.height - least, least],
            (2, false, true) => [least, area.height - least],
            _ => [even; 2],
        };
        let place = move |index: u16| {
            let (x, row) = (area.x + index % columns * (width + GAP), index / columns);
            let (y, height) = match row {
                _ if rows != 2 => (row * even, even),
                0 => (0, heights[0]),
                _ => (heights[0], heights[1]),
            };
            Rect { x, y: area.y + y, width, height }
        };
        (0..(columns * rows).min(count)).map(place).collect()
    };
    let width_of = |columns: u16| area.width.saturating_sub((columns - 1) * GAP) / columns;
    let mut grids = (1..=count).map(|rows| (count.div_ceil(rows), rows));
    let fits = |(columns, rows): &(u16, u16), least: u16| {
        width_of(*columns) >= least && area.height / rows >= LEAST.1.min(area.height) && *rows <= columns + 1
    };
    let liked = grids.clone().find(|grid| fits(grid, LIKED));
    if let Some((columns, rows)) = liked.or_else(|| grids.find(|grid| fits(grid, LEAST.0))) {
        return cut(columns, rows);
    }
    let columns = ((area.width + GAP) / (LEAST.0 + GAP)).clamp(1, count);
    cut(columns, (area.height / LEAST.1).clamp(1, count.div_ceil(columns)))
}

fn one(canvas: &mut Canvas<'_>, area: Rect, state: &State, quantity: Quantity, graph: &Graph) {
    let (title, plot) = split_rows(area, 1);
    let (name, unit) = (quantity.name(), quantity.unit());
    let mut head = vec![canvas.span(Meaning::Text, format!(" {name} ")), canvas.span(Meaning::Muted, unit)];
    let mut grade = Grade::Measured;
    if let (Quantity::Power, Some(sample)) = (quantity, &state.domain.machine.sample)
        && let Some((_, worst)) = sample.total()
    {
        grade = worst;
        for word in [sample.boundary(), worst.word().to_owned()] {
            let word = canvas.span(Meaning::Muted, format!(" {word}"));
            if spans_width(&head) + spans_width(std::slice::from_ref(&word)) + 7 <= usize::from(title.width) {
                head.push(word);
            }
        }
    }
    canvas.put_spans(title.x, title.y, title.width, &head);
    let Some(extent) = graph.extent() else { return nothing(canvas, below(plot, 1), state, quantity) };
    let cursor = graph.cursor(&state.ui);
    let reading = graph.reading(&state.ui);
    // What is not known has no grade.
    let mark = reading.map_or("", |_| grade.mark());
    let now = value(reading);
    let meaning = if cursor.is_some() { Meaning::Focus } else { Meaning::Text };
    let figure = [canvas.span(meaning, format!("{mark}{now}"))];
    canvas.put_right(title.x, title.y, title.width, &figure);
    let (line, plot) = split_rows(plot, u16::from(plot.height >= AIRY));
    let room = line.width.saturating_sub(1);
    if let (Some(back), 1) = (cursor, line.height) {
        let parts = read_out(canvas, state, graph, back);
        canvas.put_spans(line.x + 1, line.y, room, &parts);
    } else if line.height > 0 {
        let numbers = [("min", extent.least), ("mean", extent.mean), ("max", extent.most)];
        let texts = numbers.map(|(word, value)| format!("{word} {:<6}", digits(f64::from(value))));
        // The mean alone says more than a row that is cut off.
        let fits = |text: &String| text.trim_end().len() <= usize::from(room);
        let text = Some(texts.concat()).filter(fits).unwrap_or_else(|| texts[1].clone());
        canvas.say(line.x + 1, line.y, room, text.trim_end(), Meaning::Muted);
    }
    let (ago, now) = labels(state);
    let window = Window { span: graph.span, ago: &ago, now: &now, cursor };
    let drawn = |parts: &[GraphPart]| -> Vec<Series> {
        let mean = |point: &Option<Bucket>| point.map(|bucket| bucket.mean);
        let one = |(index, part): (usize, &GraphPart)| Series {
            points: part.points.iter().map(mean).collect(),
            style: canvas.style(meaning_of(state, index, part)),
        };
        parts.iter().enumerate().map(one).collect()
    };
    if state.ui.machine.split && !graph.parts.is_empty() {
        // What has done nothing in the window needs no ground.
        let is_seen = |part: &&GraphPart| part.points.iter().flatten().any(|bucket| bucket.most > 0.0);
        let parts: Vec<GraphPart> = graph.parts.iter().filter(is_seen).cloned().collect();
        let heads: Vec<Spans<'_>> =
            parts.iter().enumerate().map(|(index, part)| part_head(canvas, state, graph, index, part)).collect();
        let series = drawn(&parts);
        graph::draw_apart(canvas, plot, (&series, &heads), graph.top, window);
    } else if quantity.adds() {
        let series = drawn(&graph.parts);
        graph::draw(canvas, plot, &series, graph.top, window);
    } else {
        // What is no sum is shown as a whole.
        let points = graph.total.iter().map(|point| point.map(|bucket| bucket.mean)).collect();
        let whole = [Series { points, style: canvas.style(look(quantity)) }];
        graph::draw(canvas, plot, &whole, graph.top, window);
    }
}

/// The look of what shows as a whole, another for each.
fn look(quantity: Quantity) -> Meaning {
    match quantity {
        Quantity::MainMemory => Meaning::Series(1),
        Quantity::Gpu => Meaning::Series(2),
        Quantity::Disk => Meaning::Series(3),
        Quantity::Network => Meaning::Series(4),
        Quantity::Temperature => Meaning::Series(5),
        _ => Meaning::Accent,
    }
}

/// A point in few digits.
fn value(point: Option<Bucket>) -> String {
    point.map_or_else(|| "—".to_owned(), |point| digits(f64::from(point.mean)))
}

fn meaning_of(state: &State, index: usize, part: &GraphPart) -> Meaning {
    match part.owner {
        Owner::Session(id) => state.domain.session(id).map_or(Meaning::Muted, series),
        Owner::Sensor(_) => Meaning::Series((index % N_SERIES) as u8),
        Owner::Rest => Meaning::Border,
    }
}

/// Over a graph of its own: whose it is, and what it reads.
fn part_head<'a>(canvas: &Canvas<'_>, state: &State, graph: &Graph, index: usize, part: &'a GraphPart) -> Spans<'a> {
    let reading = value(at(&part.points, graph.cursor(&state.ui).unwrap_or(0)));
    vec![
        canvas.span(meaning_of(state, index, part), format!("{} ", graph::sign(canvas, 0))),
        canvas.span(Meaning::Text, format!("{reading:<6}")),
        canvas.span(Meaning::Muted, part.name.as_str()),
    ]
}

/// What each part was at the cursor: its sign and its value.
fn read_out<'a>(canvas: &Canvas<'_>, state: &State, graph: &Graph, back: usize) -> Spans<'a> {
    let mut spans = Vec::new();
    for (index, part) in graph.parts.iter().enumerate() {
        let sign = graph::sign(canvas, index);
        spans.push(canvas.span(meaning_of(state, index, part), sign.to_string()));
        spans.push(canvas.span(Meaning::Text, format!("{} ", value(at(&part.points, back)))));
    }
    spans
}

/// One sentence in place of a graph that has nothing to show.
fn nothing(canvas: &mut Canvas<'_>, area: Rect, state: &State, quantity: Quantity) {
    let style = canvas.style(Meaning::Muted);
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let (text, remedy) = match (quantity, &state.domain.machine.sample) {
        (Quantity::Power, Some(sample)) => {
            let (reason, remedy) = sample.why_no_power();
            (format!("Power unknown: {reason}."), remedy)
        }
        (Quantity::Throughput, Some(_)) => ("No answers yet.".to_owned(), None),
        (Quantity::Memory, Some(_)) if state.domain.sessions.iter().any(Session::is_live) => {
            ("No session holds memory here.".to_owned(), None)
        }
        (Quantity::Memory, Some(_)) => ("No sessions yet.".to_owned(), None),
        (Quantity::Temperature, Some(_)) => ("No temperature sensor.".to_owned(), None),
        (_, None | Some(_)) => ("Waiting for the first reading.".to_owned(), None),
    };
    let rows = canvas.paragraph(area, &text, style);
    if let Some(remedy) = remedy {
        let style = canvas.style(Meaning::Key);
        canvas.paragraph(below(area, rows), &remedy, style);
    }
}

fn legend(canvas: &mut Canvas<'_>, area: Rect, state: &State, graph: &Graph) {
    let view = &state.ui.machine;
    let time = |ticks: usize| span(state.domain.settings.telemetry.interval * u32::try_from(ticks).unwrap_or(u32::MAX));
    let mut right: Spans<'_> = Vec::new();
    if let Some(ticks) = view.cursor {
        right.push(canvas.span(Meaning::Focus, format!(" │ {} ago", time(ticks))));
        if graph.step > 1 {
            right.push(canvas.span(Meaning::Muted, format!(", means over {}", time(graph.step))));
        }
    }
    if let Some(ticks) = view.frozen {
        right.push(canvas.span(Meaning::Warn, format!("  ❚❚ paused {} ago", time(ticks))));
        // While a prompt is written the key is a letter of it.
        if let Some(key) = canvas.keys.key(canvas.mode, Action::PauseGraphs) {
            right.push(canvas.span(Meaning::Muted, format!(" · {key} resumes")));
        }
    }
    let room = area.width.saturating_sub(spans_width(&right) as u16);
    let mut spans: Spans<'_> = Vec::new();
    for (index, session) in state.domain.sessions.iter().enumerate() {
        spans.push(canvas.span(series(session), format!(" {} ", graph::sign(canvas, index))));
        spans.push(canvas.span(Meaning::Muted, format!("{} ", session.name)));
    }
    if state.domain.machine.power.last().is_some() {
        let sign = graph::sign(canvas, state.domain.sessions.len());
        spans.push(canvas.span(Meaning::Border, format!(" {sign} ")));
        spans.push(canvas.span(Meaning::Muted, "rest"));
    }
    canvas.put_spans(area.x, area.y, room, &spans);
    canvas.put_right(area.x, area.y, area.width, &right);
}

/// The quantities as lines of words: what each is, and what it was.
fn spoken(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    for (index, quantity) in Quantity::shown(&state.domain, &state.ui).into_iter().enumerate() {
        let line = row(area, index as u16);
        if line.height == 0 {
            break;
        }
        let graph = graph_of(&state.domain, &state.ui, quantity);
        let (name, unit) = (quantity.name(), quantity.unit());
        let text = match (graph.reading(&state.ui), graph.extent()) {
            (Some(_), Some(extent)) => {
                let [least, most] = [extent.least, extent.most].map(|value| digits(f64::from(value)));
                let now = value(graph.reading(&state.ui));
                format!("{name}: {now} {unit}, from {least} to {most} over {}", labels(state).0)
            }
            _ => format!("{name}: unknown"),
        };
        canvas.say(line.x, line.y, line.width, &text, Meaning::Text);
    }
}

/// All of them in one row.
fn sparklines(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let count = (area.width / LEAST.0).clamp(1, 4);
    let each = area.width / count;
    for (index, quantity) in Quantity::shown(&state.domain, &state.ui).into_iter().take(usize::from(count)).enumerate()
    {
        let place = Rect { x: area.x + index as u16 * each, width: each, ..area };
        let graph = graph_of(&state.domain, &state.ui, quantity);
        let x = canvas.say(place.x + 1, place.y, each - 1, &format!("{} ", quantity.unit()), Meaning::Muted);
        let room = place.right().saturating_sub(x);
        match graph.reading(&state.ui) {
            None if quantity == Quantity::Power => {
                canvas.say(x, place.y, room, "— 5 says why", Meaning::Muted);
            }
            None => {
                canvas.say(x, place.y, room, "—", Meaning::Muted);
            }
            reading => {
                let meaning = if state.ui.machine.cursor.is_some() { Meaning::Focus } else { Meaning::Text };
                let x = canvas.say(x, place.y, room, &format!("{:<5}", value(reading)), meaning);
                let width = usize::from(place.right().saturating_sub(x + 1));
                let points: Vec<_> = graph.total.iter().map(|point| point.map(|bucket| bucket.mean)).collect();
                let line = graph::sparkline(points.into_iter(), width, canvas.graphs);
                canvas.say(x, place.y, width as u16, &line, Meaning::Accent);
            }
        }
    }
}

/// How far back the graphs reach, and where they end.
fn labels(state: &State) -> (String, String) {
    let time = |ticks: usize| {
        let time = state.domain.settings.telemetry.interval * u32::try_from(ticks).unwrap_or(u32::MAX);
        // Of two ends the difference counts, so that minutes are not rounded.
        let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
        if (1..60).contains(&minutes) && seconds > 0 { format!("{minutes}:{seconds:02} min") } else { span(time) }
    };
    let view = &state.ui.machine;
    match view.frozen.filter(|ticks| *ticks > 0) {
        None => (time(view.span), "now".to_owned()),
        Some(ticks) => (time(view.span + ticks), format!("-{}", time(ticks))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_share_the_room_and_leave_it_where_nothing_is_known() {
        let area = Rect::new(3, 5, 120, 31);
        for (known, heights) in [
            ([true; 4], [15, 15]),
            ([true, true, false, false], [25, 6]),
            ([false, false, true, false], [6, 25]),
            ([false; 4], [15, 15]),
        ] {
            let places = places(area, &known);
            assert_eq!(places.iter().map(|place| place.height).collect::<Vec<_>>(), heights.map(|h| [h; 2]).concat());
            for (index, place) in places.iter().enumerate() {
                assert_eq!(place.intersection(area), *place);
                assert!(places.iter().skip(index + 1).all(|other| !other.intersects(*place)), "{places:?}");
            }
        }
    }
}
