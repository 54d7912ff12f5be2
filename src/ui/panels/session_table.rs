//! The fleet: a row for each session.

use std::time::Duration;

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans};
use crate::ui::hits::List;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row};
use crate::ui::widgets::{bar, graph, text};
use crate::ui::{Action, Mode};
use crate::ui::{FleetSort, Focus};
use domain::request::Step;
use domain::session::placement::misplaced;
use domain::session::{Phase, Session};
use domain::units::{Bytes, Ratio, span, tokens};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

/// The most columns of a name where all else has room.
const MOST_NAME: u16 = 30;

const COLUMNS: [Column; 13] = [
    column("Session", 14, Align::Grow(MOST_NAME), 0),
    column("State", 10, Align::Left, 0),
    column("Context", 9, Align::Right, 3),
    column("tok/s", 6, Align::Right, 0),
    column("", 8, Align::Left, 4),
    column("TTFT ms", 7, Align::Right, 6),
    column("Mem GB", 7, Align::Right, 1),
    column("Power W", 7, Align::Right, 5),
    column("J/tok", 7, Align::Right, 2),
    column("J/answer", 8, Align::Right, 7),
    column("Thr", 3, Align::Right, 8),
    column("On", 6, Align::Left, 1),
    column("Left", 6, Align::Right, 1),
];

/// Columns of where sessions run, and for how much longer.
const ELSEWHERE: usize = 2;

/// A job that ends within so long stands out.
const SOON: Duration = Duration::from_mins(5);

/// The columns: all sessions are here where no other machine is set, and only jobs of a cluster have a limit of time.
fn columns(state: &State) -> &'static [Column] {
    let is_job = |session: &Session| session.job.is_some() || !session.settings.on.is_here();
    match (state.domain.sessions.iter().any(is_job), state.domain.machines.is_empty()) {
        (true, _) => &COLUMNS,
        (false, false) => &COLUMNS[..COLUMNS.len() - 1],
        (false, true) => &COLUMNS[..COLUMNS.len() - ELSEWHERE],
    }
}

const NAME: usize = 0;
const STATE: usize = 1;
const CONTEXT: usize = 2;
const THROUGHPUT: usize = 3;
const TTFT: usize = 5;
const MEMORY: usize = 6;
const POWER: usize = 7;
const PER_TOKEN: usize = 8;
const PER_ANSWER: usize = 9;
const THREADS: usize = 10;

/// Where, behind the first head and its sign, there is room for how many of all rows show.
const BEHIND_HEAD: u16 = 11;

/// Columns of a mark before a name.
const MARKED: usize = 2;

/// What the row of taffrail itself is called.
const OWN: &str = "taffrail itself";

/// Columns of the sparkline.
const SPARKLINE: usize = 8;

/// Columns of the screen that all of the table takes, with the longest name that shows.
pub(crate) fn width(state: &State) -> u16 {
    table::width(columns(state), longest_name(state) as u16)
}

/// Columns of the longest name that shows.
fn longest_name(state: &State) -> usize {
    let names = state.ui.fleet.rows.iter().filter_map(|id| state.domain.session(*id));
    let longest = names.map(|session| text::width(&text::clean(&session.name))).max().unwrap_or_default();
    longest.max(text::width(OWN))
}

/// Draw the sessions that pass the filter.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    canvas.claim("sessions", area);
    let fleet = &state.ui.fleet;
    let sign = if fleet.reverse { "▾" } else { "▴" };
    let sorted = match fleet.sort {
        // The two that the table of other programs has alone.
        FleetSort::Started | FleetSort::Processor | FleetSort::GpuMemory => None,
        FleetSort::Name => Some(NAME),
        FleetSort::State => Some(STATE),
        FleetSort::Context => Some(CONTEXT),
        FleetSort::Throughput => Some(THROUGHPUT),
        FleetSort::Ttft => Some(TTFT),
        FleetSort::Memory => Some(MEMORY),
        FleetSort::Power => Some(POWER),
        FleetSort::Energy => Some(PER_TOKEN),
        FleetSort::PerAnswer => Some(PER_ANSWER),
        FleetSort::Threads => Some(THREADS),
    };
    let chosen = fleet.rows.iter().position(|id| Some(*id) == fleet.chosen);
    let focused = fleet.focus == Focus::Table;
    view_state.page_rows = usize::from(area.height.saturating_sub(1));
    let count = fleet.rows.len();
    let marks = if state.n_marked().0 > 0 { MARKED } else { 0 };
    // A name goes before figures of less use.
    let mut columns = table::with_name(columns(state), NAME, longest_name(state) + marks, area.width);
    // What stands before a name takes what is left over.
    columns[NAME].align = Align::Grow(columns[NAME].width.max(MOST_NAME));
    table::draw(
        canvas,
        area,
        &columns,
        sorted.map(|index| (index, sign)),
        // The last row is taffrail itself.
        (count + 1, chosen, focused),
        &mut view_state.fleet_offset,
        |canvas, index| match fleet.rows.get(index).and_then(|id| state.domain.session(*id)) {
            Some(session) => row(canvas, state, session),
            None => own(canvas, state),
        },
    );
    canvas.hit_rows(area, List::Sessions, view_state.fleet_offset, count);
    let shown = count.saturating_sub(view_state.fleet_offset).min(view_state.page_rows);
    if shown < count && area.height > 1 {
        canvas.say(area.x + BEHIND_HEAD, area.y, 7, &format!("{shown}/{count}"), Meaning::Muted);
    }
}

fn row<'a>(canvas: &Canvas<'_>, state: &'a State, session: &'a Session) -> Row<'a> {
    let one = |meaning, text: String| vec![canvas.span(meaning, text)];
    let unknown = || one(Meaning::Muted, "—".to_owned());
    let counters = &session.figures().counters;
    let rate = session.rate();
    let live = if session.is_busy() { Meaning::Text } else { Meaning::Muted };
    let memory = memory(session);
    let spark = if canvas.plain {
        String::new()
    } else {
        graph::sparkline(
            session.throughput.window(SPARKLINE, state.ui.machine.frozen.unwrap_or(0)),
            SPARKLINE,
            canvas.graphs,
        )
    };
    let per_token = session.joules_per_token();
    let per_answer = &session.figures().energy;
    let cells = vec![
        name_cell(canvas, state, session),
        state_cell(canvas, session),
        context_cell(canvas, session),
        rate.map_or_else(unknown, |rate| one(live, format!("{rate:.1}"))),
        one(series(session), spark),
        counters.ttft_us.map_or_else(unknown, |micros| one(live, format!("{:.0}", micros as f64 / 1e3))),
        memory.map_or_else(unknown, |memory| one(Meaning::Text, format!("{:.2}", memory.gigabytes()))),
        figure(canvas, session.watts.value().map(|watts| watts.0), session.watts.grade(), 1, live),
        figure(canvas, per_token.value().map(|joules| joules.0), per_token.grade(), 2, live),
        figure(canvas, per_answer.value().map(|joules| joules.0), per_answer.grade(), 0, live),
        if session.threads > 0 { one(Meaning::Text, session.threads.to_string()) } else { unknown() },
        one(Meaning::Muted, session.on().to_owned()),
        left_cell(canvas, state, session),
    ];
    Row { cells, instead: instead(canvas, session) }
}

/// How much longer its job may run.
fn left_cell<'a>(canvas: &Canvas<'_>, state: &State, session: &Session) -> Spans<'a> {
    let Some(left) = session.job.as_ref().and_then(|job| job.left(state.domain.now)) else {
        return vec![canvas.span(Meaning::Muted, "—")];
    };
    vec![canvas.span(if left < SOON { Meaning::Warn } else { Meaning::Muted }, span(left))]
}

/// The name; what was meant for a GPU and runs on the processor says so before anything else.
fn name_cell<'a>(canvas: &Canvas<'_>, state: &State, session: &'a Session) -> Spans<'a> {
    let name = canvas.span(Meaning::Text, session.name.as_str());
    let mut spans = super::mark::marked(canvas, state, &session.model.id, name);
    match misplaced(&state.domain, session) {
        Some(misplaced) if misplaced.is_total() => spans.insert(0, canvas.span(Meaning::Bad, "on CPU! ")),
        Some(_) => spans.insert(0, canvas.span(Meaning::Warn, "part on CPU ")),
        None => {}
    }
    spans
}

/// What taffrail itself takes.
fn own<'a>(canvas: &Canvas<'_>, state: &State) -> Row<'a> {
    let muted = |text: String| vec![canvas.span(Meaning::Muted, text)];
    let mut cells = vec![Vec::new(); COLUMNS.len()];
    cells[NAME] = muted(OWN.to_owned());
    if let Some(own) = state.domain.machine.sample.as_ref().and_then(|sample| sample.own) {
        let watts = &state.domain.machine.own_watts;
        cells[STATE] = muted(format!("{:.1}% cpu", own.cores * 100.0));
        cells[MEMORY] = muted(format!("{:.2}", own.resident.gigabytes()));
        cells[POWER] = figure(canvas, watts.value().map(|watts| watts.0), watts.grade(), 1, Meaning::Muted);
    }
    Row { cells, instead: None }
}

fn figure<'a>(
    canvas: &Canvas<'_>,
    value: Option<f64>,
    grade: Option<domain::figure::Grade>,
    decimals: usize,
    meaning: Meaning,
) -> Spans<'a> {
    match (value, grade) {
        // What is modelled without a sensor is dimmer than what one tells.
        (Some(value), Some(grade @ domain::figure::Grade::Estimated)) => {
            vec![canvas.span(Meaning::Muted, format!("{}{value:.decimals$}", grade.mark()))]
        }
        (Some(value), Some(grade)) => vec![canvas.span(meaning, format!("{}{value:.decimals$}", grade.mark()))],
        _ => vec![canvas.span(Meaning::Muted, "—")],
    }
}

/// Text that stands instead of figures that a session doesn't have yet, or no longer.
fn instead<'a>(canvas: &Canvas<'_>, session: &'a Session) -> Option<(usize, Spans<'a>)> {
    let spans = match &session.phase {
        // Nothing is read before the job has begun.
        Phase::Loading { .. } if session.waiting_job().is_some() => {
            vec![canvas.span(Meaning::Muted, session.queue_reason().unwrap_or_default())]
        }
        Phase::Loading { fraction } => {
            let bar = if canvas.plain { String::new() } else { bar::steps(*fraction, 8, canvas.is_ascii()) };
            vec![
                canvas.span(Meaning::Accent, bar),
                canvas.span(Meaning::Text, format!(" {:>4}", Ratio(f64::from(*fraction)).to_string())),
            ]
        }
        Phase::Failed { reason, .. } => {
            // `taffrail top` only looks.
            let key = if canvas.mode == Mode::Top { String::new() } else { canvas.key(Mode::Fleet, Action::Restart) };
            let mut spans = vec![canvas.span(Meaning::Bad, reason.as_str())];
            if !key.is_empty() {
                spans.push(canvas.span(Meaning::Muted, " · "));
                spans.push(canvas.span(Meaning::Key, key));
                spans.push(canvas.span(Meaning::Muted, " restarts"));
            }
            spans
        }
        Phase::Queued => vec![canvas.span(Meaning::Muted, session.queue_reason().unwrap_or_default())],
        _ => return None,
    };
    Some((CONTEXT, spans))
}

/// Glyph and word of a session's state: never colour alone.
pub(crate) fn state_cell<'a>(canvas: &Canvas<'_>, session: &Session) -> Spans<'a> {
    let n_running = session.requests.iter().filter(|request| request.is_running()).count();
    let step = session.step().filter(|_| session.phase == Phase::Ready);
    let (glyph, word, meaning) = match (&session.phase, step) {
        (_, Some(_)) if n_running > 1 => ("●", format!("{n_running} answers"), Meaning::Good),
        (_, Some(Step::Prompt { n_done, n_prompt })) => {
            let share = Ratio(f64::from(n_done) / f64::from(n_prompt.max(1)));
            ("◔", if n_prompt > 0 { format!("read {share}") } else { "read".to_owned() }, Meaning::Accent)
        }
        (_, Some(Step::Reasoning)) => ("●", "think".to_owned(), Meaning::Warn),
        (_, Some(Step::Answer)) => ("●", "answer".to_owned(), Meaning::Good),
        (_, Some(Step::Cancelling)) => ("◌", "cancelling".to_owned(), Meaning::Warn),
        (Phase::Queued, None) => ("◌", "queued".to_owned(), Meaning::Muted),
        (Phase::Loading { .. }, None) if session.waiting_job().is_some() => {
            ("◌", session.word().to_owned(), Meaning::Muted)
        }
        (Phase::Loading { .. }, None) => ("◐", "loading".to_owned(), Meaning::Accent),
        (Phase::Ready, None) if session.is_measuring => ("●", "measure".to_owned(), Meaning::Good),
        (Phase::Ready, None) => ("○", "ready".to_owned(), Meaning::Muted),
        (Phase::Stopping, None) => ("◌", "stopping".to_owned(), Meaning::Warn),
        (Phase::Failed { .. }, None) => ("✕", "failed".to_owned(), Meaning::Bad),
    };
    vec![canvas.span(meaning, glyph), canvas.span(Meaning::Text, format!(" {word}"))]
}

fn context_cell<'a>(canvas: &Canvas<'_>, session: &Session) -> Spans<'a> {
    let (used, all) = (session.n_past, session.n_ctx());
    let share = Ratio(f64::from(used) / f64::from(all.max(1)));
    let meaning = super::machine_figures::level((all > 0).then_some(share));
    let all = if all == 0 { "—".to_owned() } else { tokens(u64::from(all)) };
    vec![
        canvas.span(meaning, tokens(u64::from(used))),
        Span { text: format!("/{all}").into(), style: canvas.style(Meaning::Muted) },
    ]
}

/// Memory that a session holds: its process and its part of the GPUs; `None` before the first sample.
pub(crate) fn memory(session: &Session) -> Option<Bytes> {
    session.memory_held()
}

/// The colour that stands for a session in tables and graphs alike.
pub(crate) fn series(session: &Session) -> Meaning {
    Meaning::Series((session.id.0.saturating_sub(1) % crate::ui::theme::N_SERIES as u64) as u8)
}

#[cfg(test)]
#[path = "session_table_tests.rs"]
mod tests;
