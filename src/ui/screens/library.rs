//! What do I have, and what would fit?

use ratatui::layout::Rect;

use super::{hub, usage};
use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, inset, spans_width, split_columns, split_rows};
use crate::ui::editor::Editor;
use crate::ui::hits::Target;
use crate::ui::panels::{model_card, model_table, prompt, welcome};
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::text;
use crate::ui::{Action, Mode};
use crate::ui::{LibraryTab, Welcome};
use domain::units::{counted, span};

/// From this size on the chosen model stands beside the table; from the second on below it.
const WIDE: (u16, u16) = (116, 14);
const TALL: u16 = 20;

/// Stands for the stores that have no room.
const MORE: &str = "   …";
/// Most problems of stores that are named; the rest is counted.
const MAX_PROBLEMS: usize = 3;

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    match state.ui.library.tab {
        LibraryTab::Models => models(canvas, area, state, view_state),
        LibraryTab::Hub => hub::draw(canvas, area, state, view_state),
        LibraryTab::DiskUsage => usage::draw(canvas, area, state, view_state),
    }
}

fn models(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let (line, rest) = split_rows(area, 1);
    let (library, view) = (&state.domain.library, &state.ui.library);
    if view.filtering || !view.filter.is_empty() {
        let count = format!("{} of {} ", view.rows.len(), counted(library.models.len(), "model"));
        filter_row(canvas, line, (&view.filter, view.filtering), view.problem.as_deref(), &count);
    } else {
        summary(canvas, line, state);
    }
    let n_problems = library.stores.iter().map(|store| store.problems.len()).sum::<usize>();
    let problem_rows = if rest.height >= 16 { n_problems.min(MAX_PROBLEMS) as u16 } else { 0 };
    let (rest, problem_area) = split_rows(rest, rest.height - problem_rows);
    problems(canvas, problem_area, state, n_problems);
    if view.rows.is_empty() {
        return empty(canvas, rest, state);
    }
    let (table, card) = if rest.width >= WIDE.0 && rest.height >= WIDE.1 && !canvas.plain {
        let (table, card) = split_columns(rest, rest.width - (rest.width * 38 / 100).clamp(44, 64));
        canvas.vertical(card.x, card.y, card.height, Meaning::Border);
        (Rect { width: table.width - 1, ..table }, Rect { x: card.x + 1, width: card.width - 1, ..card })
    } else if rest.height >= TALL - 2 {
        let n_rows = view.rows.len() as u16 + 1;
        let (table, card) = split_rows(rest, n_rows.min(rest.height / 2));
        canvas.horizontal(card.x, card.y, card.width, Meaning::Border);
        (table, below(card, 1))
    } else {
        (rest, Rect { height: 0, ..rest })
    };
    model_table::draw(canvas, table, state, view_state);
    view_state.scroll_limit = None;
    if state.ui.welcome == Welcome::Shown && card.height > 0 {
        return welcome::draw(canvas, card, state);
    }
    if let Some(model) = state.chosen_model().filter(|_| card.height > 0) {
        view_state.scroll_limit = Some(model_card::draw(canvas, card, state, model));
        canvas.hit(card, Target::Text(Mode::Library));
    }
}

/// Columns of a filter beside which what is wrong with it is told.
const FILTER: u16 = 16;

/// A filter with what it leaves, or what is wrong with it.
pub(crate) fn filter_row(
    canvas: &mut Canvas<'_>,
    area: Rect,
    (filter, filtering): (&Editor, bool),
    problem: Option<&str>,
    count: &str,
) {
    if area.height == 0 {
        return;
    }
    let text = problem.map_or_else(|| count.to_owned(), |problem| format!("✕ {problem} "));
    let meaning = if problem.is_some() { Meaning::Warn } else { Meaning::Muted };
    let text = text::fit_words(&text, usize::from(area.width.saturating_sub(FILTER)));
    let columns = text::width(&text) as u16;
    let x = canvas.say(area.x + 1, area.y, 2, "/ ", if filtering { Meaning::Focus } else { Meaning::Muted });
    let width = area.right().saturating_sub(x + columns + 1);
    let field = Rect { x, width, height: 1, ..area };
    if filtering {
        prompt::draw_line(canvas, field, filter);
    } else {
        canvas.say(field.x, field.y, field.width, filter.text(), Meaning::Text);
    }
    canvas.say(area.right() - columns, area.y, columns, &text, meaning);
    canvas.hit(area, Target::Action(Action::Filter));
}

/// How many models where, and how the scan goes.
fn summary(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let library = &state.domain.library;
    let mut right: Spans<'_> = Vec::new();
    if library.scanning {
        right.push(canvas.span(Meaning::Accent, "◌ scanning "));
    } else if let Some(took) = library.took {
        right.push(canvas.span(Meaning::Muted, format!("scanned in {} ", span(took))));
    }
    let mut left: Spans<'_> = Vec::new();
    let size: domain::units::Bytes = library.models.iter().map(|model| model.size).sum();
    left.push(canvas.span(Meaning::Text, format!(" {}", counted(library.models.len(), "model"))));
    left.push(canvas.span(Meaning::Muted, format!(" · {size}")));
    let n_running = state.domain.sessions.iter().filter(|session| session.is_live()).count();
    if n_running > 0 {
        left.push(canvas.span(Meaning::Good, format!(" · ▶ {n_running} running")));
    }
    let stores: Vec<[_; 2]> = library
        .stores
        .iter()
        .map(|store| {
            let name = canvas.span(Meaning::Muted, format!("   {} ", store.name()));
            [name, canvas.span(Meaning::Text, store.n_models.to_string())]
        })
        .collect();
    let width = spans_width(&left) + stores.iter().map(|store| spans_width(store)).sum::<usize>();
    let room = |right: &Spans<'_>| usize::from(area.width).saturating_sub(spans_width(right) + 1);
    // How long it took is worth less than a store.
    if width > room(&right) && !library.scanning {
        right.clear();
    }
    let room = room(&right);
    // Each whole or not at all, with room for the sign that there are more.
    let reserve = if width > room { MORE.chars().count() } else { 0 };
    for store in stores {
        if spans_width(&left) + spans_width(&store) + reserve > room {
            left.push(canvas.span(Meaning::Muted, MORE));
            break;
        }
        left.extend(store);
    }
    canvas.put_spans(area.x, area.y, room as u16, &left);
    canvas.put_right(area.x, area.y, area.width, &right);
}

fn problems(canvas: &mut Canvas<'_>, area: Rect, state: &State, n_problems: usize) {
    let all =
        state.domain.library.stores.iter().flat_map(|store| store.problems.iter().map(move |problem| (store, problem)));
    let rows = usize::from(area.height);
    for (index, (store, problem)) in all.take(rows).enumerate() {
        let y = area.y + index as u16;
        if index + 1 == rows && n_problems > rows {
            let text = format!("and {} more that could not be read", n_problems - index);
            canvas.say(area.x + 3, y, area.width.saturating_sub(3), &text, Meaning::Muted);
            return;
        }
        let x = canvas.say(area.x + 1, y, 2, "! ", Meaning::Warn);
        let text = format!("{}: {problem}", store.name());
        canvas.say(x, y, area.right().saturating_sub(x), &text, Meaning::Muted);
    }
}

fn empty(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let area = inset(area, 2);
    let text = if state.domain.library.scanning && state.domain.library.models.is_empty() {
        "Scanning for models …".to_owned()
    } else if state.domain.library.models.is_empty() {
        let (hub, rescan) = (canvas.key(Mode::Library, Action::Hub), canvas.key(Mode::Library, Action::Rescan));
        format!(
            "No model was found. Press {hub} to find and fetch one, or name your folders in config.toml under \
             [library], then press {rescan}."
        )
    } else {
        format!("No model matches the filter. Press {} to show all.", canvas.key(Mode::LibraryFilter, Action::Back))
    };
    let style = canvas.style(Meaning::Muted);
    canvas.paragraph(below(area, 1), &text, style);
}
