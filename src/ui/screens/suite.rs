//! Which models pass one's own prompts, and at which cost?
//!
//! ```text
//! ┌ how it goes ───────────────────────┐
//! │ a row for each model, a cell for   │
//! │ each prompt                        │
//! ├ pass rate by cost ─┬ the selected ─┤
//! │ the plot           │ answer        │
//! └────────────────────┴───────────────┘
//! ```

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans, below, row, split_columns, split_rows};
use crate::ui::hits::List;
use crate::ui::panels::mark;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row as TableRow};
use crate::ui::widgets::{bar, text};
use crate::ui::{Action, Mode};
use crate::ui::{SuiteEntry, SuiteView};
use domain::figure::Graded;
use domain::lab::suite::plot;
use domain::lab::suite::run::{Cell, JudgeStage, Phase, Stage, SuiteRun};
use domain::lab::suite::tally::{Cost, Tally, cheapest, front, interval};
use domain::units::{Bytes, counted, digits, or_dash};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const SUITES: [Column; 4] = [
    column("Suite", 14, Align::Grow(24), 0),
    column("Prompts", 7, Align::Right, 2),
    column("What", 20, Align::Grow(400), 1),
    column("File", 16, Align::Grow(40), 3),
];

/// The column of the prompts in the matrix.
const PROMPTS: usize = 2;
/// The least columns for the prompts.
const LEAST_PROMPTS: u16 = 12;
/// Rows that are left for the plot and the selected answer where there are many models.
const LOWER: u16 = 12;
/// Rows for the selected answer where it is below the plot.
const ANSWER: u16 = 5;
/// From this width on the plot and the selected answer are side by side.
const WIDE: u16 = 100;
/// The part of the prompts that a model has to pass to be named below the plot.
const GOOD: f64 = 0.8;

/// Draw the tab.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    match &state.domain.suite {
        Some(run) if !state.ui.shows_suites(&state.domain) => matrix(canvas, area, (state, run), view_state),
        _ => list(canvas, area, state, view_state),
    }
}

/// The suites to pick from, and the models that would be asked.
fn list(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let models = state.suite_models();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let (head, meaning) = match names.len() {
        0 => {
            let key = canvas.key(Mode::Library, Action::Mark);
            (
                format!("No model is selected: select one in the Library, or mark several there with {key}."),
                Meaning::Warn,
            )
        }
        n => (format!("{} to ask: {}", counted(n, "model"), names.join(", ")), Meaning::Text),
    };
    canvas.say(area.x, area.y, area.width, &head, meaning);
    let rest = below(area, 2);
    let Some(suites) = &state.ui.suites.suites else {
        canvas.say(rest.x, rest.y, rest.width, "Reading suites …", Meaning::Muted);
        return;
    };
    let rows = (suites.len() as u16 + 1).min(rest.height.saturating_sub(6).max(2));
    let (upper, lower) = split_rows(rest, rows);
    view_state.page_rows = usize::from(upper.height.saturating_sub(1));
    table::draw(
        canvas,
        upper,
        &SUITES,
        None,
        (suites.len(), Some(state.ui.suites.chosen), true),
        &mut view_state.suites_offset,
        |canvas, index| match suites.get(index) {
            Some(entry) => suite_cells(canvas, entry, state.ui.suites.marks.has(&entry.file)),
            None => TableRow { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(upper, List::Suites, view_state.suites_offset, suites.len());
    let text = "A suite asks each model all of its prompts and checks the answers. Suites of your own are TOML files in the folder `suites` next to config.toml; `taffrail suite FILE MODEL…` takes them from anywhere. What was answered before is not asked again.";
    let style = canvas.style(Meaning::Muted);
    canvas.paragraph(below(lower, 1), text, style);
}

fn suite_cells<'a>(canvas: &Canvas<'_>, entry: &'a SuiteEntry, is_marked: bool) -> TableRow<'a> {
    let name = mark::glyph(canvas, is_marked).into_iter().chain([canvas.span(Meaning::Text, entry.name.as_str())]);
    let name: Spans<'a> = name.collect();
    let file = entry.file.file_name().unwrap_or_default().to_string_lossy();
    let file = vec![canvas.span(Meaning::Muted, file)];
    let cells = match &entry.suite {
        Ok(suite) => vec![
            name,
            vec![canvas.span(Meaning::Text, suite.suite.prompts.len().to_string())],
            vec![canvas.span(Meaning::Text, suite.suite.description.as_str())],
            file,
        ],
        Err(reason) => {
            let wrong = format!("{} {reason}", if canvas.is_ascii() { 'x' } else { '✕' });
            vec![name, vec![canvas.span(Meaning::Muted, "—")], vec![canvas.span(Meaning::Bad, wrong)], file]
        }
    };
    TableRow { cells, instead: None }
}

/// The run: how far it is, the matrix, the plot, the selected answer.
fn matrix(canvas: &mut Canvas<'_>, area: Rect, (state, run): (&State, &SuiteRun), view_state: &mut ViewState) {
    let view = &state.ui.suites;
    progress(canvas, row(area, 0), (run, view));
    let rest = below(area, 1);
    let wanted = run.models.len() as u16 + 1;
    let (upper, lower) = split_rows(rest, wanted.min(rest.height.saturating_sub(LOWER).max(3)));
    let columns = columns(run);
    let width = table::arrange(&columns, upper).get(PROMPTS).copied().flatten().map_or(0, |(_, width)| width);
    let tallies: Vec<Tally> = run.models.iter().map(|one| one.tally_so_far(run.suite())).collect();
    let by = view.cost(run);
    let is_first = front(&tallies, by);
    view_state.page_rows = usize::from(upper.height.saturating_sub(1));
    table::draw(
        canvas,
        upper,
        &columns,
        None,
        (run.models.len(), Some(view.row), true),
        &mut view_state.suites_offset,
        |canvas, index| match (run.models.get(index), tallies.get(index)) {
            (Some(_), Some(tally)) => {
                let letter = plot::letter(index, is_first.get(index).copied().unwrap_or(false));
                model_cells(canvas, (state, run), (index, letter), tally, usize::from(width))
            }
            _ => TableRow { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(upper, List::SuiteModels, view_state.suites_offset, run.models.len());
    canvas.horizontal(lower.x, lower.y, lower.width, Meaning::Border);
    let lower = below(lower, 1);
    let (left, right) = if lower.width >= WIDE {
        let (left, right) = split_columns(lower, lower.width / 2);
        (left, Rect { x: right.x + 2, width: right.width.saturating_sub(2), ..right })
    } else {
        split_rows(lower, lower.height.saturating_sub(ANSWER))
    };
    draw_plot(canvas, left, &tallies, (by, run.is_over()));
    answer(canvas, right, run, view);
}

fn columns(run: &SuiteRun) -> [Column; 8] {
    let n_prompts = u16::try_from(run.suite().prompts.len()).unwrap_or(u16::MAX);
    [
        column("", 1, Align::Left, 0),
        column("Model", 12, Align::Grow(28), 0),
        column("Prompts", LEAST_PROMPTS, Align::Grow(n_prompts.max(LEAST_PROMPTS)), 0),
        column("Passed", 7, Align::Right, 0),
        column("95 %", 9, Align::Right, 5),
        column("J/answer", 8, Align::Right, 1),
        column("s/answer", 8, Align::Right, 2),
        column("Memory", 8, Align::Right, 3),
    ]
}

fn progress(canvas: &mut Canvas<'_>, area: Rect, (run, view): (&SuiteRun, &SuiteView)) {
    let (done, wanted) = run.progress();
    let style = canvas.style(Meaning::Accent);
    let columns = 20.min(area.width / 3);
    bar::share(canvas, Rect { width: columns, ..area }, done as f64 / wanted.max(1) as f64, style);
    let queued = match view.queue.len() {
        0 => String::new(),
        n => format!(" · {} to follow", counted(n, "suite")),
    };
    let text = format!("{} · {done} of {} · {}{queued}", run.suite().name, counted(wanted, "answer"), what(run));
    canvas.say(area.x + columns + 1, area.y, area.width.saturating_sub(columns + 1), &text, Meaning::Text);
}

/// What the run does now, or how it ended.
fn what(run: &SuiteRun) -> String {
    match &run.phase {
        Phase::Recalling => "reading earlier answers".to_owned(),
        _ if run.is_cancelled && !run.is_over() => "cancelling".to_owned(),
        Phase::Asking => {
            let now = run.models.iter().find_map(|one| match one.stage {
                Stage::Loading => Some(format!("loading {}", one.model.name)),
                Stage::Answering(place) => {
                    let id = run.suite().prompts.get(place).map_or("", |prompt| prompt.id.as_str());
                    Some(format!("{} answers {id}", one.model.name))
                }
                Stage::Ready => Some(format!("{} answers", one.model.name)),
                Stage::Unloading => Some(format!("unloading {}", one.model.name)),
                _ => None,
            });
            now.unwrap_or_else(|| "waiting for the sensors".to_owned())
        }
        Phase::Judging => {
            let name = run.order.judge.as_ref().map_or("", |judge| judge.name.as_str());
            match run.judge.stage {
                JudgeStage::Waiting | JudgeStage::Loading => format!("loading {name}, the judge"),
                _ => format!("{name} judges"),
            }
        }
        Phase::Done => match run.models.len() - run.asked().count() {
            0 => "done".to_owned(),
            n => format!("done; {} could not be asked", counted(n, "model")),
        },
        Phase::Cancelled => "cancelled; the next run continues from here".to_owned(),
        Phase::Failed(failure) => format!("failed: {}", failure.reason),
    }
}

fn model_cells<'a>(
    canvas: &Canvas<'_>,
    (state, run): (&'a State, &'a SuiteRun),
    (index, letter): (usize, char),
    tally: &Tally,
    width: usize,
) -> TableRow<'a> {
    let view = &state.ui.suites;
    let text = |text: String| vec![canvas.span(Meaning::Text, text)];
    let one = &run.models[index];
    let is_known = tally.n > 0;
    let (low, high) = interval(tally.passed, tally.n);
    let meaning = if matches!(one.stage, Stage::Failed(_)) { Meaning::Bad } else { Meaning::Text };
    let known = |value: String| or_dash(is_known.then_some(value));
    let cells = vec![
        vec![canvas.span(Meaning::Accent, letter.to_string())],
        mark::marked(canvas, state, &one.model.id, canvas.span(meaning, one.model.name.as_str())),
        prompts(canvas, run, index, view, width),
        text(known(format!("{}/{}", tally.passed, tally.n))),
        text(known(format!("{:.0}–{:.0} %", low * 100.0, high * 100.0))),
        text(or_dash(tally.joules.map(Graded::brief))),
        text(known(digits(tally.seconds))),
        text(known(or_dash(tally.known_memory().map(Bytes)))),
    ];
    TableRow { cells, instead: None }
}

/// A glyph for each prompt of a model; of more than fit those around the selected one.
fn prompts<'a>(canvas: &Canvas<'_>, run: &SuiteRun, model: usize, view: &SuiteView, width: usize) -> Spans<'a> {
    let count = run.suite().prompts.len();
    let first = (view.prompt + 1).saturating_sub(width.max(1)).min(count.saturating_sub(width));
    let is_selected = |place: usize| model == view.row && place == view.prompt;
    let glyph = |place: usize| -> Span<'a> {
        let (meaning, glyph) = glyph(run.cell(model, place), canvas.is_ascii());
        let mut span = canvas.span(meaning, glyph);
        if is_selected(place) {
            span.style = span.style.add_modifier(Modifier::REVERSED);
        }
        span
    };
    (first..count.min(first + width)).map(glyph).collect()
}

fn glyph(cell: Cell<'_>, is_ascii: bool) -> (Meaning, &'static str) {
    let (meaning, glyph, ascii) = match cell {
        Cell::Waiting => (Meaning::Muted, "·", "."),
        Cell::Running => (Meaning::Accent, "◐", ">"),
        Cell::ToJudge(_) => (Meaning::Accent, "?", "?"),
        Cell::Passed(_) => (Meaning::Good, "✓", "+"),
        Cell::Failed(_) => (Meaning::Warn, "✗", "-"),
        Cell::Error(_) => (Meaning::Bad, "!", "!"),
    };
    (meaning, if is_ascii { ascii } else { glyph })
}

/// The pass rate by what an answer costs.
fn draw_plot(canvas: &mut Canvas<'_>, area: Rect, tallies: &[Tally], (by, is_over): (Cost, bool)) {
    let against = match by {
        Cost::Energy => "energy per answer",
        Cost::Time => "time per answer",
        Cost::Memory => "memory",
    };
    canvas.say(area.x, area.y, area.width, &format!("Pass rate by {against}"), Meaning::Accent);
    let rest = below(area, 1);
    if rest.height < 5 {
        return;
    }
    let lines = plot::plot(tallies, by, (usize::from(rest.width), usize::from(rest.height) - 3));
    if lines.is_empty() {
        let text = match (by, tallies.iter().any(|tally| tally.n > 0)) {
            (Cost::Energy, true) => "No energy was measured; the Machine screen says why.",
            _ => "No answers yet.",
        };
        canvas.say(rest.x, rest.y, rest.width, text, Meaning::Muted);
        return;
    }
    for (index, line) in lines.iter().enumerate() {
        plot_line(canvas, row(rest, index as u16), line, tallies);
    }
    let tied: Vec<&str> = cheapest(tallies, by, GOOD).iter().map(|tally| tally.name.as_str()).collect();
    let so_far = if is_over { "" } else { "so far " };
    let text = match tied.as_slice() {
        [] => format!("{so_far}no model passes {:.0} %", GOOD * 100.0),
        [one] => format!("{so_far}cheapest that passes {:.0} %: {one}", GOOD * 100.0),
        all => format!("{so_far}cheapest that pass {:.0} %, a tie: {}", GOOD * 100.0, all.join(", ")),
    };
    let at = row(rest, lines.len() as u16);
    if at.height > 0 {
        canvas.say(at.x, at.y, at.width, &text, Meaning::Muted);
    }
}

/// A line of the plot; each model's letter has its name next to it where there is room.
fn plot_line(canvas: &mut Canvas<'_>, area: Rect, line: &str, tallies: &[Tally]) {
    let glyphs: Vec<char> = line.chars().collect();
    let axis = glyphs.iter().position(|glyph| "┤└".contains(*glyph)).map_or(glyphs.len(), |place| place + 1);
    let text: String = glyphs.iter().collect();
    let text = if canvas.is_ascii() { text.replace('┤', "|").replace('└', "+").replace('─', "-") } else { text };
    canvas.say(area.x, area.y, area.width, &text, Meaning::Muted);
    let width = usize::from(area.width);
    let is_blank = |from: usize, to: usize| {
        from >= axis && to <= width && (from..to).all(|place| glyphs.get(place).is_none_or(|glyph| *glyph == ' '))
    };
    for (place, glyph) in glyphs.iter().enumerate().skip(axis).filter(|(_, glyph)| glyph.is_ascii_alphabetic()) {
        let model =
            tallies.iter().enumerate().find(|(index, _)| plot::letter(*index, false) == glyph.to_ascii_lowercase());
        let Some((_, tally)) = model else { continue };
        let style = canvas.style(Meaning::Accent).add_modifier(Modifier::BOLD);
        canvas.put(area.x + place as u16, area.y, 1, &glyph.to_string(), style);
        let columns = text::width(&tally.name);
        let begin = if is_blank(place + 1, place + 2 + columns) {
            place + 2
        } else if let Some(begin) = place.checked_sub(columns + 1).filter(|begin| is_blank(*begin, place)) {
            begin
        } else {
            continue;
        };
        canvas.say(area.x + begin as u16, area.y, columns as u16, &tally.name, Meaning::Text);
    }
}

/// The selected prompt, and what came of it.
fn answer(canvas: &mut Canvas<'_>, area: Rect, run: &SuiteRun, view: &SuiteView) {
    let Some((one, prompt)) = run.models.get(view.row).zip(run.suite().prompts.get(view.prompt)) else { return };
    let cell = run.cell(view.row, view.prompt);
    let (meaning, word) = match cell {
        Cell::Waiting => (Meaning::Muted, "not asked yet"),
        Cell::Running => (Meaning::Accent, "being answered"),
        Cell::ToJudge(_) => (Meaning::Accent, "waiting for the judge"),
        Cell::Passed(_) => (Meaning::Good, "passed"),
        Cell::Failed(_) => (Meaning::Warn, "failed"),
        Cell::Error(_) => (Meaning::Bad, "not answered"),
    };
    let head = row(area, 0);
    if head.height == 0 {
        return;
    }
    let title = format!("{} · {} of {} · {}  ", prompt.id, view.prompt + 1, run.suite().prompts.len(), one.model.name);
    let room = head.width.saturating_sub(text::width(word) as u16);
    let x = canvas.say(head.x, head.y, room, &title, Meaning::Accent);
    canvas.say(x, head.y, head.right().saturating_sub(x), word, meaning);
    let mut rest = below(area, 1);
    let mut paragraph = |canvas: &mut Canvas<'_>, text: &str, most: u16, meaning| {
        let style = canvas.style(meaning);
        let rows = canvas.paragraph(Rect { height: rest.height.min(most), ..rest }, text, style);
        rest = below(rest, rows);
    };
    let third = (area.height / 3).max(1);
    paragraph(canvas, &prompt.text, third, Meaning::Muted);
    match cell {
        Cell::Passed(answer) | Cell::Failed(answer) | Cell::ToJudge(answer) => {
            for reason in answer.reasons() {
                paragraph(canvas, reason, third, Meaning::Warn);
            }
            paragraph(canvas, answer.text.trim(), u16::MAX, Meaning::Text);
        }
        Cell::Error(failure) => {
            paragraph(canvas, &failure.reason, third, Meaning::Bad);
            if let Some(hint) = &failure.hint {
                paragraph(canvas, hint, third, Meaning::Muted);
            }
        }
        Cell::Waiting | Cell::Running => {}
    }
}
