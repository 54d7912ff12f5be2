//! Who asks what, how long does it wait, what does it cost?
//!
//! ```text
//! ┌ counts, or the filter ┐
//! ├ requests ─────────────┤
//! ├ the chosen one ───────┤
//! └───────────────────────┘
//! ```

use std::time::Duration;

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, inset, row, split_rows};
use crate::ui::hits::List;
use crate::ui::requests_view;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row as TableRow};
use crate::ui::{Action, Mode};
use domain::figure::{Figure, Uncertain};
use domain::request::RequestId;
use domain::requests::{RequestSort, RequestState, Row};
use domain::units::{counted, digits, or_dash, span, tokens};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 14] = [
    column("State", 12, Align::Left, 0),
    column("Client", 8, Align::Grow(20), 0),
    column("Agent", 12, Align::Grow(34), 9),
    column("API", 9, Align::Left, 8),
    column("Model", 12, Align::Grow(34), 0),
    column("Arrived", 11, Align::Right, 10),
    column("Queue ms", 8, Align::Right, 5),
    column("TTFT ms", 7, Align::Right, 3),
    column("pp tok/s", 8, Align::Right, 6),
    column("tok/s", 6, Align::Right, 1),
    column("Cached", 6, Align::Right, 7),
    column("Prompt", 6, Align::Right, 7),
    column("Tokens", 6, Align::Right, 4),
    column("J", 7, Align::Right, 2),
];

/// The column that a sort marks.
fn marked(sort: RequestSort) -> usize {
    match sort {
        RequestSort::State => 0,
        RequestSort::Client => 1,
        RequestSort::Model => 4,
        RequestSort::Arrived => 5,
        RequestSort::Queue => 6,
        RequestSort::Ttft => 7,
        RequestSort::PromptRate => 8,
        RequestSort::Rate => 9,
        RequestSort::Cached => 10,
        RequestSort::Prompt => 11,
        RequestSort::Tokens => 12,
        RequestSort::Energy => 13,
    }
}

/// Rows that tell all of the chosen request.
const DETAILS: u16 = 7;

/// Draw the tab.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let view = &state.ui.requests;
    head(canvas, row(area, 0), state);
    let rest = below(area, 1);
    if view.rows.is_empty() {
        return empty(canvas, inset(rest, 1), state);
    }
    let n_details = if rest.height >= 2 * DETAILS { DETAILS + 1 } else { 0 };
    let (list, details) = split_rows(rest, rest.height - n_details);
    canvas.claim("requests", list);
    let chosen = view.rows.iter().position(|id| Some(*id) == view.chosen);
    view_state.page_rows = usize::from(list.height.saturating_sub(1));
    // The usual order, by arrival, takes no column its room.
    let sorted = (view.sort != RequestSort::Arrived || view.reverse).then(|| marked(view.sort));
    table::draw(
        canvas,
        list,
        &COLUMNS,
        sorted.map(|index| (index, if view.reverse { "▾" } else { "▴" })),
        (view.rows.len(), chosen, canvas.mode == Mode::Requests),
        &mut view_state.requests_offset,
        |canvas, index| match view.rows.get(index).and_then(|id| find(state, *id)) {
            Some(request) => TableRow { cells: cells(canvas, state, &request), instead: None },
            // It went since the rows were made.
            None => TableRow { cells: vec![Vec::new(); COLUMNS.len()], instead: None },
        },
    );
    canvas.hit_rows(list, List::Requests, view_state.requests_offset, view.rows.len());
    if let Some(request) = view.chosen.and_then(|id| find(state, id)).filter(|_| details.height > 1) {
        canvas.horizontal(details.x, details.y, details.width, Meaning::Border);
        card(canvas, inset(below(details, 1), 1), state, &request);
    }
}

fn find(state: &State, id: RequestId) -> Option<Row<'_>> {
    requests_view::requests(&state.domain, state.ui.server.as_ref()).find(|row| row.id == id)
}

/// How many there are, or the filter.
fn head(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let view = &state.ui.requests;
    if view.filtering || !view.filter.is_empty() {
        let count = format!("{} of {} ", view.rows.len(), counted(view.n_all, "request"));
        let filter = (&view.filter, view.filtering);
        return super::library::filter_row(canvas, area, filter, view.problem.as_deref(), &count);
    }
    let all = requests_view::requests(&state.domain, state.ui.server.as_ref());
    let (running, waiting): (Vec<_>, Vec<_>) =
        all.filter(Row::is_open).partition(|row| row.state > RequestState::Queued);
    let (n_running, n_waiting) = (running.len(), waiting.len());
    let n_ended = view.n_all.saturating_sub(n_running + n_waiting);
    let text = format!("Requests · {n_running} running · {n_waiting} waiting · {n_ended} ended");
    canvas.say(area.x + 1, area.y, area.width.saturating_sub(1), &text, Meaning::Muted);
}

fn empty(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let text = if state.ui.requests.filter.is_empty() {
        let key = canvas.key(Mode::Requests, Action::Requests);
        format!(
            "No requests yet.\n\nRequests from other programs through the APIs of `taffrail serve`, and taffrail's own, are listed here. {key} shows the sessions."
        )
    } else {
        "No request matches the filter.".to_owned()
    };
    let style = canvas.style(Meaning::Muted);
    let mut rest = area;
    for line in text.lines() {
        let rows = if line.is_empty() { 1 } else { canvas.paragraph(rest, line, style) };
        rest = below(rest, rows);
    }
}

fn cells<'a>(canvas: &Canvas<'_>, state: &State, request: &Row<'a>) -> Vec<Spans<'a>> {
    let live = if request.is_open() { Meaning::Text } else { Meaning::Muted };
    let known = |text: Option<String>| match text {
        Some(text) => vec![canvas.span(live, text)],
        None => vec![canvas.span(Meaning::Muted, "—")],
    };
    let name = |text: Option<&'a str>| match text {
        Some(text) => vec![canvas.span(Meaning::Text, text)],
        None => vec![canvas.span(Meaning::Muted, "—")],
    };
    let now = state.domain.now;
    let counters = &request.figures.counters;
    let count = |n: Option<u32>| known(n.map(|n| tokens(u64::from(n))));
    vec![
        state_cell(canvas, request),
        name(Some(request.client())),
        name(request.agent()),
        name(request.api()),
        crate::ui::panels::mark::marked(canvas, state, request.model_id, canvas.span(Meaning::Text, request.model)),
        known(Some(ago(now.uptime.saturating_sub(request.since.uptime)))),
        known(Some(millis(request.queue_time(now)))),
        known(request.time_to_first_token().map(millis)),
        known(counters.prompt_rate().map(digits)),
        known(counters.generation_rate().map(|rate| format!("{rate:.1}"))),
        count(request.n_cached()),
        count(request.n_prompt),
        count(request.n_generated()),
        energy(canvas, &request.energy(&state.domain.settings.energy), live),
    ]
}

/// Glyph and word of its state, or how it ended: never colour alone.
fn state_cell<'a>(canvas: &Canvas<'_>, request: &Row<'_>) -> Spans<'a> {
    let (glyph, meaning) = match request.state {
        RequestState::Loading | RequestState::Queued => ("◌", Meaning::Muted),
        RequestState::Prefill => ("◔", Meaning::Accent),
        RequestState::Reasoning => ("●", Meaning::Warn),
        RequestState::Decoding => ("●", Meaning::Good),
        RequestState::Cancelling => ("◌", Meaning::Warn),
        RequestState::Done => ("✓", Meaning::Muted),
        RequestState::Cancelled => ("○", Meaning::Muted),
        RequestState::Failed | RequestState::Lost => ("✕", Meaning::Bad),
    };
    let word = match request.state {
        RequestState::Done => request.finish().unwrap_or("done"),
        state => state.word(),
    };
    let word = word.replace('_', " ");
    vec![canvas.span(meaning, glyph), canvas.span(Meaning::Text, format!(" {word}"))]
}

fn energy<'a>(canvas: &Canvas<'_>, energy: &Figure<Uncertain>, live: Meaning) -> Spans<'a> {
    match energy {
        Figure::Known { value, grade, .. } => {
            let meaning = if *grade == domain::figure::Grade::Estimated { Meaning::Muted } else { live };
            vec![canvas.span(meaning, format!("{}{}", grade.mark(), digits(value.value)))]
        }
        Figure::Unknown { .. } => vec![canvas.span(Meaning::Muted, "—")],
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

fn ago(time: Duration) -> String {
    if time.as_secs() == 0 { "now".to_owned() } else { format!("{} ago", span(Duration::from_secs(time.as_secs()))) }
}

/// All that is known of a request, whatever the columns leave out.
fn card(canvas: &mut Canvas<'_>, area: Rect, state: &State, request: &Row<'_>) {
    let now = state.domain.now;
    let dash = |text: Option<&str>| text.unwrap_or("—").to_owned();
    let rate = |rate: Option<f64>| format!("{} tok/s", or_dash(rate.map(digits)));
    let count = |n: Option<u32>| or_dash(n.map(|n| n.to_string()));
    let counters = &request.figures.counters;
    let time = |time: Option<Duration>| time.map_or_else(|| "—".to_owned(), |time| format!("{} ms", time.as_millis()));
    let ended = match (request.error(), request.finish()) {
        (Some(error), _) => format!("failed: {error}"),
        (None, Some(finish)) => format!("{} · finish reason {finish}", request.state.word()),
        (None, None) => request.state.word().to_owned(),
    };
    let energy = request.energy(&state.domain.settings.energy);
    let joules = match &energy {
        Figure::Known { grade, source, .. } => format!("{} {}, {source}", energy.graded("J"), grade.word()),
        Figure::Unknown { reason, .. } => format!("— {reason}"),
    };
    for (index, (label, text)) in [
        ("client", format!("{} · {} · API {}", request.client(), dash(request.agent()), dash(request.api()))),
        ("model", format!("{} · request {}", request.model, request.id.0)),
        ("state", ended),
        (
            "time",
            format!(
                "queue {} · TTFT {} · {} total",
                time(Some(request.queue_time(now))),
                time(request.time_to_first_token()),
                time(Some(request.duration(now)))
            ),
        ),
        (
            "prompt",
            format!(
                "{} tokens, {} cached · {}",
                count(request.n_prompt),
                count(request.n_cached()),
                rate(counters.prompt_rate())
            ),
        ),
        (
            "generated",
            format!(
                "{} tokens, {} of reasoning · {}",
                count(request.n_generated()),
                count(request.n_generated().map(|_| counters.n_reasoning)),
                rate(counters.generation_rate())
            ),
        ),
        ("energy", joules),
    ]
    .into_iter()
    .enumerate()
    {
        let line = row(area, index as u16);
        if line.height > 0 {
            let value = [canvas.span(Meaning::Text, text)];
            canvas.pair(line, label, LABEL, &value);
        }
    }
}

/// Columns of the card's labels.
const LABEL: u16 = 11;
