//! What was run before: a window on the history, newest first.

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, below, row};
use crate::ui::hits::List;
use crate::ui::panels::mark;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row as TableRow};
use domain::figure::Graded;
use domain::record::Entry;
use domain::units::{counted, digits, or_dash, span};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 7] = [
    column("#", 6, Align::Right, 3),
    column("When", 11, Align::Left, 1),
    column("Kind", 5, Align::Left, 0),
    column("Model", 16, Align::Grow(36), 0),
    column("tok/s", 7, Align::Right, 2),
    column("J/tok", 7, Align::Right, 4),
    column("What", 20, Align::Grow(400), 0),
];

/// Draw the list.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let history = &state.ui.history;
    let head = row(area, 0);
    if history.filtering || !history.filter.is_empty() {
        let more = if history.more { " and older ones" } else { "" };
        let count = format!("{}{more} ", counted(history.entries.len(), "record"));
        let filter = (&history.filter, history.filtering);
        super::library::filter_row(canvas, head, filter, history.problem.as_deref(), &count);
    } else {
        let more = if history.more { " and older ones" } else { "" };
        let text =
            format!("{}{more} · `taffrail history` shows and exports them", counted(history.entries.len(), "record"));
        canvas.say(head.x, head.y, head.width, &text, Meaning::Muted);
    }
    let rest = below(area, 1);
    if history.entries.is_empty() {
        let text = match (history.asked, history.filter.is_empty()) {
            (true, _) => "Reading the history …",
            (false, true) if !state.domain.settings.history.keep => "No history is kept: `history.keep` is false.",
            (false, true) => "Nothing yet. Answers, races and benches are kept here.",
            (false, false) => "No record matches the filter.",
        };
        canvas.say(rest.x, rest.y, rest.width, text, Meaning::Muted);
        return;
    }
    view_state.page_rows = usize::from(rest.height.saturating_sub(1));
    table::draw(
        canvas,
        rest,
        &COLUMNS,
        None,
        (history.entries.len(), Some(history.chosen), !history.filtering),
        &mut view_state.history_offset,
        |canvas, index| match history.entries.get(index) {
            Some(entry) => cells(canvas, state, entry),
            None => TableRow { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(rest, List::Records, view_state.history_offset, history.entries.len());
}

fn cells<'a>(canvas: &Canvas<'_>, state: &State, entry: &'a Entry) -> TableRow<'a> {
    let text = |text: String| vec![canvas.span(Meaning::Text, text)];
    let muted = |text: String| vec![canvas.span(Meaning::Muted, text)];
    let models = entry
        .models
        .first()
        .map_or("—", |model| state.domain.model(model).map_or(model.as_str(), |known| &known.name));
    let more = if entry.models.len() > 1 { format!(" +{}", entry.models.len() - 1) } else { String::new() };
    let cells = vec![
        muted(entry.id.to_string()),
        muted(ago(state.domain.now.unix, entry.at / 1000)),
        text(entry.kind.name().to_owned()),
        text(format!("{models}{more}")),
        text(or_dash(entry.rate.map(digits))),
        text(or_dash(entry.joules.map(Graded::brief))),
        mark::glyph(canvas, state.ui.history.marks.has(&entry.id))
            .into_iter()
            .chain([canvas.span(Meaning::Text, entry.title.as_str())])
            .collect(),
    ];
    TableRow { cells, instead: None }
}

fn ago(now: i64, then: i64) -> String {
    match u64::try_from(now - then) {
        Ok(seconds @ 60..) => format!("{} ago", span(std::time::Duration::from_secs(seconds))),
        _ => "just now".to_owned(),
    }
}
