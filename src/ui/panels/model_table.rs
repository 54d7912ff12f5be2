//! The library: a row for each model.

use ratatui::layout::Rect;
use std::time::Duration;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans};
use crate::ui::hits::List;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row};
use crate::ui::widgets::text;
use domain::admission::fit::{Fit, fit};
use domain::model::library_view::LibrarySort;
use domain::model::{Model, Status};
use domain::session::Phase;
use domain::units::{parameters, span, tokens};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 12] = [
    column("Model", 18, Align::Grow(38), 0),
    column("Params", 7, Align::Right, 2),
    column("Quant", 7, Align::Left, 0),
    column("Size", 8, Align::Right, 0),
    column("Context", 7, Align::Right, 3),
    column("License", 16, Align::Left, 7),
    column("Store", 9, Align::Grow(12), 4),
    column("Used", 10, Align::Right, 6),
    column("tok/s", 6, Align::Right, 5),
    column("J/tok", 6, Align::Right, 8),
    column("Fits", 9, Align::Grow(20), 1),
    column("On", 6, Align::Grow(12), 2),
];

/// The column of the store, or of the engine.
const STORE: usize = 6;
/// The columns of what is measured here.
const SPEED: usize = 8;
const ENERGY: usize = 9;

/// The column that a model's fault takes the place of.
const PARAMS: usize = 1;

/// Draw the models that pass the filter.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    canvas.claim("models", area);
    let (library, view) = (&state.domain.library, &state.ui.library);
    let sign = if view.reverse { "▾" } else { "▴" };
    let sorted = match view.sort {
        LibrarySort::Name => 0,
        LibrarySort::Parameters => 1,
        LibrarySort::Size => 3,
        LibrarySort::Context => 4,
        LibrarySort::Store => 6,
        LibrarySort::Used => 7,
    };
    view_state.page_rows = usize::from(area.height.saturating_sub(1));
    let chosen = (!view.rows.is_empty()).then_some(view.chosen);
    let columns = columns(state, area);
    table::draw(
        canvas,
        area,
        &columns,
        Some((sorted, sign)),
        (view.rows.len(), chosen, !view.filtering),
        &mut view_state.library_offset,
        |canvas, index| match view.rows.get(index).and_then(|row| library.models.get(*row)) {
            Some(model) => row(canvas, state, model),
            None => Row { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(area, List::Models, view_state.library_offset, view.rows.len());
}

/// Names that are looked at for their length: some screens full, so that a step through ten thousand costs no more.
const MAX_NAMES: usize = 400;

/// The columns: names have the room that they need before figures that nothing is known of.
fn columns(state: &State, area: Rect) -> Vec<Column> {
    let library = &state.domain.library;
    let first = state.ui.library.chosen.saturating_sub(MAX_NAMES / 2);
    let names = state.ui.library.rows.iter().skip(first).take(MAX_NAMES);
    let names = names.filter_map(|row| library.models.get(*row));
    let longest = names.map(|model| text::width(&text::clean(&model.name))).max().unwrap_or(0);
    // The marks of a running and of a marked model stand before it.
    let marks = 2 * usize::from(!state.ui.race.entries.is_empty()) + 2 * usize::from(!state.domain.sessions.is_empty());
    // All are here where no other machine is set.
    let n_columns = if state.domain.machines.is_empty() { COLUMNS.len() - 1 } else { COLUMNS.len() };
    let mut columns = table::with_name(&COLUMNS[..n_columns], 0, longest + marks, area.width);
    // Names alone do not tell such models apart.
    if has_namesakes(state) {
        columns[STORE].rank = 1;
    }
    for (index, is_empty) in [(SPEED, library.measured.is_empty()), (ENERGY, library.measured_joules.is_empty())] {
        if is_empty {
            (columns[index].width, columns[index].rank) = (u16::MAX, u8::MAX);
        }
    }
    columns
}

/// Whether models of different stores near the chosen one have the same name.
fn has_namesakes(state: &State) -> bool {
    let library = &state.domain.library;
    let first = state.ui.library.chosen.saturating_sub(MAX_NAMES / 2);
    let rows = state.ui.library.rows.iter().skip(first).take(MAX_NAMES);
    let mut stores = std::collections::HashMap::new();
    rows.filter_map(|row| library.models.get(*row)).any(|model| {
        let store = model.store_name();
        *stores.entry(model.name.as_str()).or_insert(store) != store
    })
}

fn row<'a>(canvas: &Canvas<'_>, state: &State, model: &'a Model) -> Row<'a> {
    let one = |meaning, text: String| vec![canvas.span(meaning, text)];
    let or_dash = |text: Option<String>| match text {
        Some(text) => one(Meaning::Text, text),
        None => one(Meaning::Muted, "—".to_owned()),
    };
    let summary = model.summary.as_ref();
    let name = if model.is_runnable() { Meaning::Text } else { Meaning::Muted };
    let measured = state.domain.library.measured.get(&model.id).map(|rate| format!("{rate:.1}"));
    let card = state.domain.library.openness.cards.get(&model.id);
    let licence = card.and_then(|card| Some((card.licence_cell()?, card.conflict)));
    let licence = match licence {
        Some((licence, conflict)) => one(if conflict { Meaning::Warn } else { Meaning::Text }, licence),
        None => or_dash(None),
    };
    let mut title = super::mark::marked(canvas, state, &model.id, canvas.span(name, model.name.as_str()));
    if let Some(session) = state.domain.running(&model.id) {
        let meaning = if session.phase == Phase::Ready { Meaning::Good } else { Meaning::Accent };
        title.insert(0, canvas.span(meaning, if canvas.plain { "running " } else { "▶ " }));
    } else if state.domain.session_there(model).is_some() {
        title.insert(0, canvas.span(Meaning::Muted, if canvas.plain { "in its server " } else { "▷ " }));
    }
    let cells = vec![
        title,
        or_dash(summary.filter(|summary| summary.parameters > 0).map(|summary| parameters(summary.parameters))),
        or_dash(model.quant().map(str::to_owned)),
        one(Meaning::Text, model.size_text()),
        or_dash(summary.and_then(|summary| summary.context_length).map(tokens)),
        licence,
        one(Meaning::Muted, stores(model)),
        one(Meaning::Muted, used(state, model)),
        or_dash(measured),
        or_dash(state.domain.library.measured_joules.get(&model.id).map(|joules| joules.brief())),
        match &model.status {
            // Which format it is, the column of its quantisation says.
            Status::OtherFormat(_) => vec![canvas.span(Meaning::Bad, "✕"), canvas.span(Meaning::Muted, " no GGUF")],
            _ => fit_cell(canvas, &fit(&state.domain, model)),
        },
        one(Meaning::Muted, model.on().to_owned()),
    ];
    let instead = match &model.status {
        Status::Damaged(_) | Status::NotAModel(_) | Status::Unreadable(_) if summary.is_none() => {
            Some((PARAMS, fit_cell(canvas, &fit(&state.domain, model))))
        }
        _ => None,
    };
    Row { cells, instead }
}

/// The store to prefer, and how many others have it: the card names them.
fn stores(model: &Model) -> String {
    let names = model.store_names();
    match names.split_once(' ') {
        Some((first, others)) => format!("{first} +{}", others.split(' ').count()),
        None => names,
    }
}

/// How long ago it was read last.
pub(crate) fn used(state: &State, model: &Model) -> String {
    let Some(used) = model.used else { return "—".to_owned() };
    match u64::try_from(state.domain.now.unix - used) {
        Ok(seconds @ 60..) => format!("{} ago", span(Duration::from_secs(seconds))),
        _ => "just now".to_owned(),
    }
}

/// Glyph and figure: never colour alone.
pub(crate) fn fit_cell<'a>(canvas: &Canvas<'_>, fit: &Fit) -> Spans<'a> {
    let word = match fit {
        _ if !canvas.plain => "",
        Fit::Fits { .. } => " fits",
        Fit::Shorter { .. } => " shorter",
        Fit::TooLarge { .. } => " too large",
        Fit::Unknown => " unknown",
        Fit::Parts { .. } => " parts",
        Fit::Never(_) => " never",
    };
    let (glyph, text, meaning) = match fit {
        Fit::Fits { context } => ("●", tokens(u64::from(*context)), Meaning::Good),
        Fit::Shorter { context } => ("○", tokens(u64::from(*context)), Meaning::Warn),
        Fit::TooLarge { needed } => ("✕", needed.to_string(), Meaning::Bad),
        Fit::Unknown => ("·", "—".to_owned(), Meaning::Muted),
        Fit::Parts { found, count } => ("✕", format!("{found}/{count}"), Meaning::Bad),
        Fit::Never(reason) => ("✕", reason.clone(), Meaning::Bad),
    };
    let words =
        if matches!(fit, Fit::Unknown | Fit::Parts { .. } | Fit::Never(_)) { Meaning::Muted } else { Meaning::Text };
    if canvas.plain {
        return vec![canvas.span(words, format!("{} {text}", word.trim_start()))];
    }
    vec![canvas.span(meaning, glyph), canvas.span(words, format!("{word} {text}"))]
}
