//! A record of the history as it is read: a conversation as the chat shows it, a race with its columns side by side, a bench
//! and a suite as tables.

use ratatui::layout::Rect;
use wire::Role;

use super::canvas::{Canvas, Span, Spans, row, spans_width};
use super::hits::Target;
use super::theme::Meaning;
use super::view_state::ViewState;
use super::widgets::{markdown, text};
use super::window::window;
use crate::ui::{Mode, RecordView};
use domain::conversation::Conversation;
use domain::figure::Graded;
use domain::record::{BenchDocument, BenchRow, RaceColumn, RaceDocument, SuiteDocument, TokenCounts};
use domain::units::{digits, or_dash};

/// The fewest columns of the screen that an answer of a race is readable in; with fewer they stand below each other.
const MIN_COLUMN: usize = 28;

/// Columns between two answers.
const GAP: usize = 3;

/// Draw a record's content from line `scroll` on.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    (title, plain, view): (&str, &str, &RecordView),
    scroll: usize,
    view_state: &mut ViewState,
) {
    let most = if matches!(view, RecordView::Text) { 110 } else { area.width };
    let inside = window(canvas, area, most, area.height.saturating_sub(2).max(6), title);
    let width = usize::from(inside.width);
    let lines = match view {
        RecordView::Text => plain_lines(canvas, plain, width),
        RecordView::Conversation(conversation) => conversation_lines(canvas, conversation, width),
        RecordView::Race(race) => race_lines(canvas, &race.document, width),
        RecordView::Bench(bench) => bench_lines(canvas, &bench.document, width),
        RecordView::Suite(suite) => suite_lines(canvas, &suite.document, width),
    };
    let limit = lines.len().saturating_sub(usize::from(inside.height));
    view_state.scroll_limit = Some(limit);
    canvas.hit(inside, Target::Text(Mode::Record));
    let first = scroll.min(limit);
    for (index, spans) in lines.iter().skip(first).take(usize::from(inside.height)).enumerate() {
        canvas.put_spans(inside.x, row(inside, index as u16).y, inside.width, spans);
    }
    if first < limit {
        let more = [canvas.span(Meaning::Accent, " ↓ more ")];
        canvas.put_right(inside.x, inside.bottom(), inside.width, &more);
    }
}

fn plain_lines(canvas: &Canvas<'_>, plain: &str, width: usize) -> Vec<Spans<'static>> {
    wrapped(canvas, plain, width, Meaning::Text)
}

/// A text in one look, broken into rows.
fn wrapped(canvas: &Canvas<'_>, source: &str, width: usize, meaning: Meaning) -> Vec<Spans<'static>> {
    let mut lines = Vec::new();
    for line in source.lines() {
        let clean = text::clean_block(line);
        for range in text::wrap(&clean, width) {
            lines.push(vec![canvas.span(meaning, clean.get(range).unwrap_or_default().to_owned())]);
        }
    }
    lines
}

/// An answer as Markdown.
fn answer(canvas: &Canvas<'_>, source: &str, width: usize) -> Vec<Spans<'static>> {
    markdown::rows(canvas, source.trim(), width).iter().map(|row| markdown::spans(canvas, row)).collect()
}

fn conversation_lines(canvas: &Canvas<'_>, conversation: &Conversation, width: usize) -> Vec<Spans<'static>> {
    const INDENT: &str = "  ";
    let room = width.saturating_sub(INDENT.len()).max(1);
    let mut lines: Vec<Spans<'static>> = Vec::new();
    let indented = |spans: Spans<'static>| {
        let mut all = vec![canvas.span(Meaning::Text, INDENT)];
        all.extend(spans);
        all
    };
    if let Some(system) = conversation.chat.system.as_deref().filter(|system| !system.is_empty()) {
        lines.push(vec![canvas.span(Meaning::Muted, "System")]);
        lines.extend(wrapped(canvas, system, room, Meaning::Muted).into_iter().map(indented));
    }
    let model = conversation.model.name.clone().unwrap_or_default();
    for (place, turn) in conversation.turns.iter().enumerate() {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        if place > 0 && place == conversation.n_dropped {
            let note = "The context was full: the turns above were no longer sent to the model.";
            lines.extend(wrapped(canvas, note, width, Meaning::Warn));
            lines.push(Vec::new());
        }
        let (speaker, meaning) = match turn.role {
            Role::User => ("You".to_owned(), Meaning::You),
            Role::System => ("System".to_owned(), Meaning::Muted),
            Role::Tool => ("Tool".to_owned(), Meaning::Muted),
            Role::Assistant => (model.clone(), Meaning::Accent),
        };
        lines.push(vec![canvas.span(meaning, speaker)]);
        if !turn.reasoning.trim().is_empty() {
            lines.extend(wrapped(canvas, turn.reasoning.trim(), room, Meaning::Reasoning).into_iter().map(indented));
        }
        if turn.role == Role::Assistant {
            lines.extend(answer(canvas, &turn.text, room).into_iter().map(indented));
        } else {
            lines.extend(wrapped(canvas, turn.text.trim_end(), room, Meaning::Text).into_iter().map(indented));
        }
        if let Some(error) = &turn.error {
            lines.extend(wrapped(canvas, &format!("✕ {error}"), room, Meaning::Bad).into_iter().map(indented));
        }
    }
    lines
}

/// The figures of a column in a line.
fn column_figures(column: &RaceColumn) -> String {
    let TokenCounts { generated, .. } = column.tokens;
    let energy = column.energy.as_ref().and_then(|energy| energy.provenance.graded(energy.joules));
    format!(
        "{} tok · {} tok/s · TTFT {} ms · {} · {}",
        or_dash(generated),
        or_dash(column.generation_tokens_per_second.map(digits)),
        or_dash(column.ttft_ms.map(|ms| format!("{ms:.0}"))),
        energy.map_or_else(|| "— J".to_owned(), |joules| joules.text("J")),
        or_dash(column.memory),
    )
}

fn race_lines(canvas: &Canvas<'_>, race: &RaceDocument, width: usize) -> Vec<Spans<'static>> {
    let mut lines = vec![vec![canvas.span(Meaning::You, "Prompt")]];
    lines.extend(wrapped(canvas, &race.prompt, width, Meaning::Text));
    if let Some(vote) = &race.vote {
        let who = if vote.tie { "a tie".to_owned() } else { vote.winner.clone().unwrap_or_else(|| "—".to_owned()) };
        lines.push(vec![canvas.span(Meaning::Accent, format!("Vote: {who}"))]);
    }
    lines.push(Vec::new());
    let n = race.columns.len().max(1);
    let room = width.saturating_sub(GAP * (n - 1)) / n;
    if room < MIN_COLUMN {
        for column in &race.columns {
            lines.extend(column_lines(canvas, column, width));
            lines.push(Vec::new());
        }
        return lines;
    }
    let columns: Vec<Vec<Spans<'static>>> =
        race.columns.iter().map(|column| column_lines(canvas, column, room)).collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or_default();
    let bar = if canvas.is_ascii() { " | " } else { " │ " };
    for place in 0..height {
        let mut line: Spans<'static> = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                line.push(canvas.span(Meaning::Border, bar));
            }
            let spans = column.get(place).cloned().unwrap_or_default();
            let padding = room.saturating_sub(spans_width(&spans));
            line.extend(spans);
            if index + 1 < columns.len() {
                line.push(canvas.span(Meaning::Text, " ".repeat(padding)));
            }
        }
        lines.push(line);
    }
    lines
}

fn column_lines(canvas: &Canvas<'_>, column: &RaceColumn, width: usize) -> Vec<Spans<'static>> {
    let name = text::clean(&column.name).into_owned();
    let mut lines = vec![vec![canvas.span(Meaning::Accent, text::fit(&name, width).into_owned())]];
    lines.extend(wrapped(canvas, &column_figures(column), width, Meaning::Muted));
    lines.push(Vec::new());
    if let Some(reasoning) = column.reasoning.as_deref().filter(|text| !text.trim().is_empty()) {
        lines.extend(wrapped(canvas, reasoning.trim(), width, Meaning::Reasoning));
        lines.push(Vec::new());
    }
    match (&column.error, &column.text) {
        (Some(error), _) => lines.extend(wrapped(canvas, &format!("✕ {}", error.reason), width, Meaning::Bad)),
        (None, Some(text)) => lines.extend(answer(canvas, text, width)),
        (None, None) => lines.push(vec![canvas.span(Meaning::Muted, "no answer")]),
    }
    lines
}

/// A table of texts, the first row its heads; columns behind the first stand to the right.
fn table(canvas: &Canvas<'_>, rows: &[Vec<String>], width: usize) -> Vec<Spans<'static>> {
    let n = rows.first().map_or(0, Vec::len);
    let mut widths: Vec<usize> = (0..n)
        .map(|place| rows.iter().filter_map(|row| row.get(place)).map(|cell| text::width(&text::clean(cell))).max())
        .map(Option::unwrap_or_default)
        .collect();
    let gaps = 2 * n.saturating_sub(1);
    let others: usize = widths.iter().skip(1).sum::<usize>() + gaps;
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(width.saturating_sub(others).max(8));
    }
    let mut lines = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let meaning = if place == 0 { Meaning::Muted } else { Meaning::Text };
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let clean = text::clean(cell);
            let fitted = text::fit(&clean, *width).into_owned();
            let padding = " ".repeat(width.saturating_sub(text::width(&fitted)));
            let gap = if column == 0 { "" } else { "  " };
            if column == 0 { format!("{fitted}{padding}") } else { format!("{gap}{padding}{fitted}") }
        });
        let line: Vec<Span<'static>> = cells.map(|cell| canvas.span(meaning, cell)).collect();
        lines.push(line);
    }
    lines
}

fn bench_lines(canvas: &Canvas<'_>, bench: &BenchDocument, width: usize) -> Vec<Spans<'static>> {
    let mut lines = wrapped(canvas, &bench.machine, width, Meaning::Muted);
    if let Some(note) = &bench.note {
        lines.extend(wrapped(canvas, note, width, Meaning::Warn));
    }
    lines.push(Vec::new());
    let heads = ["Model", "Test", "tok/s", "± 95%", "TTFT ms", "p50 ms", "J/tok", "Runs", "Disturbed"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(bench.rows.iter().map(bench_row));
    lines.extend(table(canvas, &rows, width));
    for failed in bench.rows.iter().filter_map(|row| row.failed.as_ref()) {
        lines.extend(wrapped(canvas, &format!("✕ {failed}"), width, Meaning::Bad));
    }
    let changes = bench.rows.iter().filter_map(|row| row.change.as_ref().map(|change| (row, change)));
    for (row, change) in changes {
        let name = row.name.as_deref().unwrap_or("—");
        let text = format!("{name} {}: {:.0}% {} than earlier", row.test, change.share * 100.0, change.verdict);
        lines.extend(wrapped(canvas, &text, width, Meaning::Accent));
    }
    lines
}

fn bench_row(row: &BenchRow) -> Vec<String> {
    vec![
        row.name.clone().unwrap_or_else(|| "—".to_owned()),
        row.test.clone(),
        or_dash(row.tokens_per_second.map(digits)),
        or_dash(row.half_width_95.map(digits)),
        or_dash(row.ttft_ms.map(digits)),
        or_dash(row.step_ms.and_then(|step| step.p50).map(digits)),
        or_dash(row.joules().map(Graded::brief)),
        row.repetitions.len().to_string(),
        row.disturbed.len().to_string(),
    ]
}

fn suite_lines(canvas: &Canvas<'_>, suite: &SuiteDocument, width: usize) -> Vec<Spans<'static>> {
    let mut lines = vec![vec![canvas.span(Meaning::Accent, text::clean(&suite.suite).into_owned())], Vec::new()];
    let heads = ["Model", "Passed", "Rate", "J/answer", "s/answer", "tok/answer"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(suite.models.iter().map(|model| {
        let count = |count: Option<usize>| or_dash(count.map(|count| count.to_string()));
        vec![
            model.name.clone(),
            format!("{} of {}", count(model.passed), count(model.prompts)),
            or_dash(model.rate.map(|rate| format!("{:.0}%", rate * 100.0))),
            or_dash(model.joules().map(Graded::brief)),
            or_dash(model.seconds_per_answer.map(digits)),
            or_dash(model.tokens_per_answer.map(digits)),
        ]
    }));
    lines.extend(table(canvas, &rows, width));
    lines
}
