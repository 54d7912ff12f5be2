//! How fast is it, honestly? Its other tabs: what was run before, and which models pass which prompts.
//!
//! ```text
//! ┌ how it goes ───────────────────────┐
//! │ a row for each model and cell      │
//! ├ the chosen row ────────────────────┤
//! │ its repetitions, its latencies     │
//! └────────────────────────────────────┘
//! ```

use ratatui::layout::Rect;

use crate::ui::canvas::{Canvas, Spans, below, inset, row, split_rows};
use crate::ui::hits::List;
use crate::ui::panels::mark::marked;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row as TableRow};
use crate::ui::widgets::{bar, graph, text};
use crate::ui::{Action, Mode};
use crate::ui::{BenchTab, State};
use domain::figure::Graded;
use domain::lab::bench::{Bench, BenchEntry, EntryPhase, Phase, Row, TestCase};
use domain::lab::statistics::Change;
use domain::session::Session;
use domain::units::{counted, digits, or_dash, span, tokens};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 9] = [
    column("Model", 14, Align::Grow(40), 0),
    column("Quant", 7, Align::Left, 7),
    column("Test", 14, Align::Grow(22), 0),
    column("tok/s", 8, Align::Right, 0),
    column("± 95%", 7, Align::Right, 1),
    column("p50…p99 ms", 12, Align::Right, 5),
    column("J/tok", 7, Align::Right, 4),
    column("Earlier", 10, Align::Left, 3),
    column("", 16, Align::Left, 2),
];

/// Rows that the chosen cell's details take.
const DETAILS: u16 = 8;

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let area = inset(area, 1);
    match state.ui.bench_tab {
        BenchTab::Benches => {}
        BenchTab::History => return super::history::draw(canvas, area, state, view_state),
        BenchTab::Suites => return super::suite::draw(canvas, area, state, view_state),
    }
    let bench = &state.domain.bench;
    if bench.phase == Phase::Idle {
        empty(canvas, area);
        return;
    }
    let mut rest = below(area, progress(canvas, area, state));
    if let Some(note) = &bench.note {
        canvas.say(rest.x, rest.y, rest.width, note, Meaning::Muted);
        rest = below(rest, 1);
    }
    let (upper, lower) = if rest.height >= 3 * DETAILS {
        split_rows(rest, rest.height - DETAILS)
    } else {
        (rest, row(rest, rest.height))
    };
    view_state.page_rows = usize::from(upper.height.saturating_sub(1));
    table::draw(
        canvas,
        upper,
        &COLUMNS,
        None,
        (bench.rows.len(), Some(state.ui.bench_row), true),
        &mut view_state.bench_offset,
        |canvas, index| match bench.rows.get(index) {
            Some(row) => cells(canvas, state, index, row),
            None => TableRow { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(upper, List::Bench, view_state.bench_offset, bench.rows.len());
    if let Some(row) = bench.rows.get(state.ui.bench_row) {
        details(canvas, lower, bench, row);
    }
}

fn empty(canvas: &mut Canvas<'_>, area: Rect) {
    let key = |action, context| canvas.keys.key(context, action).unwrap_or_default();
    let (bench, history) = (key(Action::BenchModel, Mode::Library), key(Action::History, Mode::Bench));
    let suites = key(Action::Suites, Mode::Bench);
    let text = format!(
        "Nothing is measured yet.\n\nChoose a model in the Library and press {bench}: prompt and generation speed, five times each, against earlier benches of the same file, build, driver and settings.\n`taffrail bench MODEL…` takes several models, depths, batches and parallel sequences.\n\n{history} shows what was run before, {suites} which models pass your own prompts, and at which cost."
    );
    let style = canvas.style(Meaning::Muted);
    let mut rest = area;
    for line in text.lines() {
        let rows = if line.is_empty() { 1 } else { canvas.paragraph(rest, line, style) };
        rest = below(rest, rows);
    }
}

/// How far it is and under which circumstances, in a row or two; returns how many.
fn progress(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> u16 {
    let head = row(area, 0);
    let bench = &state.domain.bench;
    let (done, wanted) = bench.progress();
    let n_disturbed: usize = bench.rows.iter().map(|row| row.disturbed.len()).sum();
    let loading = bench.entries.iter().find_map(|entry| match entry.phase {
        EntryPhase::Loading(fraction) => Some((entry, fraction)),
        _ => None,
    });
    let session = |entry: &BenchEntry| state.domain.session(entry.session.id?);
    let waits = |entry: &BenchEntry| session(entry).and_then(Session::waiting_job).is_some();
    let text = match bench.phase {
        Phase::Running => match (loading, &bench.trial) {
            (Some((entry, _)), _) if waits(entry) => format!("{} waits for its job", entry.model.name),
            (Some((entry, fraction)), _) => format!("loading {} {:.0}%", entry.model.name, fraction * 100.0),
            (None, _) if bench.cooling.is_some() => "waiting for the machine to cool down".to_owned(),
            (None, Some(trial)) => match bench.rows.get(trial.row) {
                Some(row) => format!("measuring {} of {}", row.cell.label(), name(bench, row)),
                None => "measuring".to_owned(),
            },
            (None, None) => "waiting for the sensors".to_owned(),
        },
        Phase::Comparing => "comparing with earlier benches".to_owned(),
        Phase::Done => "done".to_owned(),
        Phase::Cancelled => "cancelled; no results kept".to_owned(),
        Phase::Idle => String::new(),
    };
    let (disturbed, briefly) = match (n_disturbed, bench.plan.keep_disturbed) {
        (0, _) => (String::new(), String::new()),
        (n, true) => (format!(" · ⚠ {n} disturbed, counted"), format!(" · ⚠ {n}")),
        (n, false) => {
            let key = canvas.key(Mode::Bench, Action::KeepDisturbed);
            (format!(" · ⚠ {n} disturbed, not counted: {key} counts them"), format!(" · ⚠ {n}, {key} counts them"))
        }
    };
    let progress = format!("{done} of {} · {text}", counted(wanted, "repetition"));
    // The bar is shorter, then the words are fewer, where the line has no room.
    let fits = |columns: u16, text: &str| text::width(text) <= usize::from(head.width.saturating_sub(columns + 1));
    let long = 20.min(head.width / 3);
    let ways = [(long, &disturbed), (8, &disturbed), (8, &briefly), (0, &briefly)];
    let ways = ways.map(|(columns, disturbed)| (columns.min(long), format!("{progress}{disturbed}")));
    let fitting = ways.iter().find(|(columns, text)| fits(*columns, text)).or(ways.last());
    let Some((columns, text)) = fitting.cloned() else { return 0 };
    let style = canvas.style(Meaning::Accent);
    bar::share(canvas, Rect { width: columns, ..head }, done as f64 / wanted.max(1) as f64, style);
    let circumstances = bench.circumstances();
    let room = head.width.saturating_sub(columns + 1);
    let both = format!("{text} · {circumstances}");
    if text::width(&both) <= usize::from(room) {
        canvas.say(head.x + columns + 1, head.y, room, &both, Meaning::Text);
        return 1;
    }
    canvas.say(head.x + columns + 1, head.y, room, &text, Meaning::Text);
    let second = row(area, 1);
    canvas.say(second.x, second.y, second.width, &circumstances, Meaning::Muted);
    2
}

fn name<'a>(bench: &'a Bench, row: &Row) -> &'a str {
    bench.entries.get(row.entry).map_or("", |entry| entry.model.name.as_str())
}

fn cells<'a>(canvas: &Canvas<'_>, state: &State, index: usize, row: &'a Row) -> TableRow<'a> {
    let bench = &state.domain.bench;
    let text = |text: String| vec![canvas.span(Meaning::Text, text)];
    let dash = |value: Option<String>| match value {
        Some(value) => text(value),
        None => vec![canvas.span(Meaning::Muted, "—")],
    };
    let rate = row.rate();
    let latencies = row.latencies([0.5, 0.99]).map(|[p50, p99]| format!("{}…{}", digits(p50), digits(p99)));
    let runs = bench.trial.as_ref().is_some_and(|trial| trial.row == index);
    let id = bench.entries.get(row.entry).map_or("", |entry| entry.model.id.as_str());
    let quant = bench.entries.get(row.entry).and_then(|entry| entry.model.quant()).map(str::to_owned);
    let cells = vec![
        marked(canvas, state, id, canvas.span(Meaning::Text, name(bench, row).to_owned())),
        dash(quant),
        text(row.cell.label()),
        match (rate, row.disturbed_rate()) {
            (None, Some(disturbed)) => vec![canvas.span(Meaning::Warn, format!("⚠{}", digits(disturbed.mean)))],
            (rate, _) => dash(rate.map(|rate| digits(rate.mean))),
        },
        dash(rate.or(row.disturbed_rate()).and_then(|rate| rate.half_width()).map(digits)),
        dash(latencies),
        dash(row.joules().map(Graded::brief)),
        earlier(canvas, row),
        verdict(canvas, bench, row, runs),
    ];
    TableRow { cells, instead: None }
}

/// Earlier means and this one as a sparkline.
fn earlier<'a>(canvas: &Canvas<'_>, row: &Row) -> Spans<'a> {
    if row.earlier.is_empty() {
        return vec![canvas.span(Meaning::Muted, "—")];
    }
    if canvas.plain {
        let earlier =
            if row.earlier.len() == 1 { "1 earlier".to_owned() } else { format!("{} earlier", row.earlier.len()) };
        return vec![canvas.span(Meaning::Muted, earlier)];
    }
    let points: Vec<Option<f32>> = row
        .earlier
        .iter()
        .map(|(_, measured)| measured.rate.map(|rate| rate as f32))
        .chain([row.rate().map(|rate| rate.mean as f32)])
        .collect();
    vec![canvas.span(Meaning::Muted, graph::sparkline(points.into_iter(), 10, canvas.graphs))]
}

fn verdict<'a>(canvas: &Canvas<'_>, bench: &Bench, row: &Row, runs: bool) -> Spans<'a> {
    if row.failed.is_some() {
        return vec![canvas.span(Meaning::Bad, "✕ failed")];
    }
    let wanted = bench.plan.repetitions as usize;
    let mut spans = match row.change() {
        Change::Slower(share) => vec![canvas.span(Meaning::Bad, format!("▼ {:.0}% slower ", share * 100.0))],
        Change::Faster(share) => vec![canvas.span(Meaning::Good, format!("▲ {:.0}% faster ", share * 100.0))],
        Change::None if runs => vec![canvas.span(Meaning::Accent, "measuring ")],
        Change::None if row.repetitions.len() < wanted && bench.is_running() && !row.is_done(&bench.plan) => {
            vec![canvas.span(Meaning::Muted, format!("{} of {wanted} ", row.repetitions.len()))]
        }
        Change::None => Vec::new(),
    };
    if !row.disturbed.is_empty() {
        spans.push(canvas.span(Meaning::Warn, format!("⚠ {}", row.disturbed.len())));
    }
    spans
}

fn seconds(time: f64) -> String {
    span(std::time::Duration::try_from_secs_f64(time).unwrap_or_default())
}

fn details(canvas: &mut Canvas<'_>, area: Rect, bench: &Bench, row_: &Row) {
    if area.height < DETAILS {
        return;
    }
    canvas.horizontal(area.x, area.y, area.width, Meaning::Border);
    let title = format!("{} · {} · batch {}", name(bench, row_), row_.cell.label(), tokens(u64::from(row_.cell.batch)));
    canvas.say(area.x, area.y + 1, area.width, &title, Meaning::Accent);
    let rates: Vec<String> = row_.repetitions.iter().map(|repetition| digits(repetition.rate)).collect();
    let last = row_.repetitions.last();
    let machine = last.map(|last| {
        format!(
            "clock {} MHz · hottest {} °C · others {} cores",
            or_dash(last.mhz.map(|mhz| format!("{mhz:.0}"))),
            or_dash(last.celsius.map(|celsius| format!("{celsius:.0}"))),
            or_dash(last.others.map(digits)),
        )
    });
    let steps = row_.latencies([0.5, 0.9, 0.99]).map(|[p50, p90, p99]| {
        format!("step p50 {} ms · p90 {} ms · p99 {} ms", digits(p50), digits(p90), digits(p99))
    });
    let first = row_.first_token().map(|first| format!("first token after {}", seconds(first.mean))).map(|text| {
        match row_.engine_first_token() {
            Some(own) => format!("{text}, {} of it the engine's", seconds(own.mean)),
            None if row_.has_network() => format!("{text}, with the network, as is the speed"),
            None => text,
        }
    });
    let disturbed = row_.disturbed.last().map(|last| format!("⚠ {} disturbed; last: {last}", row_.disturbed.len()));
    let aside: Vec<String> = row_.aside.iter().map(|repetition| digits(repetition.rate)).collect();
    let aside = (!aside.is_empty()).then(|| format!("⚠ not counted {}", aside.join("  ")));
    let lines = [
        (!rates.is_empty()).then(|| format!("repetitions {}", rates.join("  "))),
        aside,
        steps.or(first),
        machine,
        disturbed,
        row_.failed.clone(),
    ];
    let half = if area.width >= 100 { by_depth(canvas, area, bench, row_) } else { area.width };
    for (index, line) in lines.into_iter().flatten().enumerate() {
        let line_area = row(below(area, 2), index as u16);
        canvas.say(line_area.x, line_area.y, half, &line, Meaning::Text);
    }
}

/// The chosen test's speed by depth as bars, on the right; gives the columns that are left. Without several depths there is
/// nothing to draw.
fn by_depth(canvas: &mut Canvas<'_>, area: Rect, bench: &Bench, chosen: &Row) -> u16 {
    let same = |row: &&Row| {
        row.entry == chosen.entry && TestCase { depth: 0, ..row.cell } == TestCase { depth: 0, ..chosen.cell }
    };
    let rates: Vec<(u32, f64)> =
        bench.rows.iter().filter(same).filter_map(|row| Some((row.cell.depth, row.rate()?.mean))).collect();
    if rates.len() < 2 {
        return area.width;
    }
    let most = rates.iter().map(|(_, rate)| *rate).fold(f64::MIN_POSITIVE, f64::max);
    let x = area.x + area.width / 2 + 2;
    canvas.say(x, area.y + 1, area.right() - x, "tok/s by depth", Meaning::Accent);
    for (index, (depth, rate)) in rates.iter().take(usize::from(DETAILS) - 2).enumerate() {
        let y = area.y + 2 + index as u16;
        let head = format!("{:>6}  {:>6} ", tokens(u64::from(*depth)), digits(*rate));
        let behind = canvas.say(x, y, area.right() - x, &head, Meaning::Text);
        let style = canvas.style(Meaning::Accent);
        let bar_area = Rect { x: behind, y, width: area.right().saturating_sub(behind), height: 1 };
        bar::share(canvas, bar_area, rate / most, style);
    }
    area.width / 2
}
