//! Which one is better for this prompt?
//!
//! ```text
//! prompt                         in turn · seed 1
//! ╭ A model ──────╮╭ B model ──────╮╭ C model ──────╮
//! │ answer        ││ answer        ││ answer        │
//! ├───────────────┤├───────────────┤├───────────────┤
//! │ figures       ││ figures       ││ figures       │
//! ╰───────────────╯╰───────────────╯╰───────────────╯
//! first A · fastest C · most frugal — · shortest B
//! ```

use ratatui::layout::Rect;

use crate::ui::canvas::{Canvas, Spans, below, inset, row, split_rows};
use crate::ui::hits::Target;
use crate::ui::panels::divergence::divergence;
use crate::ui::panels::{heatmap, prompt, race as panel};
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::follow;
use crate::ui::{Action, Mode};
use crate::ui::{RaceTab, State};
use domain::lab::race::{MIN_COLUMNS, Order};
use domain::units::counted;

/// The least columns of the terminal that a column of the race takes.
const LEAST: u16 = 38;

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    view_state.scroll_limit = None;
    let races = &state.ui.race;
    let rest = head(canvas, area, state);
    if races.tab == RaceTab::Leaderboard {
        return panel::ratings(canvas, rest, state);
    }
    if state.race_n_columns() == 0 {
        return empty(canvas, rest, state);
    }
    let has_verdict = state.race().is_some_and(panel::has_verdict);
    let strip_rows = 1 + u16::from(has_verdict && rest.height >= 16);
    let (body, foot) = split_rows(rest, rest.height.saturating_sub(strip_rows));
    match (state.race(), &races.diff) {
        _ if races.tab == RaceTab::KlHeatmap => view_state.scroll_limit = Some(heatmap::draw(canvas, body, state)),
        (Some(race), _) if races.tab == RaceTab::Lockstep && (!race.is_running() || races.divergence.is_some()) => {
            divergence(canvas, body, race, races.divergence.as_ref());
        }
        (Some(race), Some(diff)) => {
            view_state.scroll_limit = Some(panel::diff(canvas, body, state, race, diff));
        }
        _ => columns(canvas, body, state, view_state),
    }
    match state.race() {
        Some(race) => panel::strip(canvas, foot, race),
        None => ready(canvas, foot, state),
    }
}

/// The prompt, and how the race runs; returns what is left.
fn head(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> Rect {
    let races = &state.ui.race;
    let terms = terms(canvas, state);
    let width = crate::ui::canvas::spans_width(&terms) as u16;
    // Beside each other where there is room for both.
    let beside = area.width >= width + 44;
    if !beside {
        canvas.put_spans(area.x + 1, area.y, area.width.saturating_sub(2), &terms);
    }
    let field = Rect { width: if beside { area.width - width - 3 } else { area.width }, ..area };
    let field = inset(below(field, u16::from(!beside)), 1);
    let focused = canvas.mode == Mode::RacePrompt;
    let asked = state.race().filter(|_| !races.typing);
    let editor;
    let editor = match asked {
        Some(race) => {
            editor = crate::ui::editor::Editor::with_text(&race.prompt);
            &editor
        }
        None => &races.prompt,
    };
    let most = if focused { (area.height / 3).max(1) } else { 2.min(area.height) };
    let rows = prompt::rows(editor, field.width, most);
    let placeholder = if focused {
        "write a prompt".to_owned()
    } else {
        format!("{} to write a prompt", canvas.key(Mode::Race, Action::Choose))
    };
    let field = Rect { height: rows.min(field.height), ..field };
    prompt::draw(canvas, field, editor, focused, &placeholder);
    canvas.hit(field, Target::Field(Mode::RacePrompt));
    if beside {
        canvas.put_right(area.x, area.y, area.width.saturating_sub(1), &terms);
    }
    below(area, rows + u16::from(!beside))
}

/// `in turn · temperature 0 · seed 1 · blind`.
fn terms<'a>(canvas: &Canvas<'_>, state: &State) -> Spans<'a> {
    let races = &state.ui.race;
    let race = state.race();
    let order = race.map_or(races.order, |race| race.order);
    let blind = race.map_or(races.blind, |race| race.blind);
    let settings: Vec<_> = match race {
        Some(race) => race.columns.iter().map(|column| column.settings).collect(),
        None => races.entries.iter().map(|entry| entry.settings).collect(),
    };
    let mut terms = vec![canvas.span(Meaning::Accent, order.words())];
    let mut add = |text: String| terms.push(canvas.span(Meaning::Muted, text));
    let same = |name: &str| {
        let first = settings.first()?.get(name)?;
        settings.iter().all(|other| other.get(name).as_ref() == Some(&first)).then_some(first)
    };
    for (name, word) in [("temperature", "temperature"), ("seed", "seed"), ("max_tokens", "at most")] {
        if let Some(value) = same(name) {
            let unit = if name == "max_tokens" { " tok" } else { "" };
            add(format!(" · {word} {value}{unit}"));
        }
    }
    if blind {
        terms.push(canvas.span(Meaning::Warn, " · blind"));
    }
    terms
}

/// The columns side by side, as many as there is room for.
fn columns(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let races = &state.ui.race;
    let count = state.race_n_columns();
    let shown = usize::from(area.width / LEAST).clamp(1, count);
    let first = follow(view_state.race_offset, Some(races.chosen), count, shown);
    view_state.race_offset = first;
    let mut limit = 0;
    for index in 0..shown {
        let left = area.width * index as u16 / shown as u16;
        let right = area.width * (index as u16 + 1) / shown as u16;
        let place = Rect { x: area.x + left, width: right - left, ..area };
        let column = first + index;
        canvas.hit(place, Target::Column(column));
        match state.race() {
            Some(race) => {
                limit = limit.max(panel::column(canvas, place, (state, race), column, &mut view_state.columns));
            }
            None => panel::entry(canvas, place, state, column),
        }
    }
    view_state.scroll_limit = Some(limit);
    if first > 0 {
        canvas.say(area.x, area.y + area.height / 2, 1, if canvas.is_ascii() { "<" } else { "◂" }, Meaning::Accent);
    }
    if first + shown < count {
        let x = area.right().saturating_sub(1);
        canvas.say(x, area.y + area.height / 2, 1, if canvas.is_ascii() { ">" } else { "▸" }, Meaning::Accent);
    }
}

/// What to do before a race.
fn ready(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let races = &state.ui.race;
    let missing = MIN_COLUMNS.saturating_sub(races.entries.len());
    let text = match (missing, races.order) {
        (0, Order::InTurn) => "Each model is loaded, answers and is unloaded before the next one.".to_owned(),
        (0, Order::Together) => "All models are loaded and answer at once.".to_owned(),
        _ => format!(
            "Mark one more in the Library with {}, or duplicate this one with {}.",
            canvas.key(Mode::Library, Action::Mark),
            canvas.key(Mode::Race, Action::New)
        ),
    };
    let line = row(area, 0);
    canvas.say(line.x + 1, line.y, line.width.saturating_sub(2), &text, Meaning::Muted);
}

fn empty(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let key = |canvas: &Canvas<'_>, context, action| canvas.key(context, action);
    let n_models = state.domain.library.models.iter().filter(|model| model.is_runnable()).count();
    let lines = [
        ("No models in the race yet.".to_owned(), Meaning::Text),
        (
            format!(
                "Press {}, mark two to eight models with {}, then {} to race them.",
                key(canvas, Mode::Race, Action::Library),
                key(canvas, Mode::Library, Action::Mark),
                key(canvas, Mode::Library, Action::RaceMarked)
            ),
            Meaning::Muted,
        ),
        (format!("{}.", counted(n_models, "runnable model")), Meaning::Muted),
    ];
    let top = area.y + area.height.saturating_sub(lines.len() as u16) / 2;
    for (index, (line, meaning)) in lines.iter().enumerate() {
        let y = top + index as u16;
        if y < area.bottom() {
            let width = (line.chars().count() as u16).min(area.width);
            canvas.say(area.x + (area.width - width) / 2, y, width, line, *meaning);
        }
    }
}
