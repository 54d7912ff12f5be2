//! The repositories that a search found: a row for each.

use std::time::Duration;

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans};
use crate::ui::hits::List;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row};
use domain::download::hub::{Files, Quant, Repository, Sort};
use domain::download::preselection::preselected;
use domain::units::{span, tokens};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 9] = [
    column("Repository", 24, Align::Grow(48), 0),
    column("Downloads", 11, Align::Right, 1),
    column("Likes", 6, Align::Right, 6),
    column("Updated", 10, Align::Right, 5),
    column("License", 12, Align::Left, 7),
    column("Gated", 5, Align::Left, 4),
    column("Best", 8, Align::Left, 3),
    column("Size", 8, Align::Right, 2),
    column("Needs", 10, Align::Left, 0),
];

/// Draw the repositories.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    canvas.claim("hub", area);
    let hub = &state.ui.hub;
    let sorted = match hub.sort {
        Sort::Downloads => 1,
        Sort::Likes => 2,
        Sort::Updated => 3,
    };
    view_state.page_rows = usize::from(area.height.saturating_sub(1));
    let has_keys = !hub.typing && !hub.in_downloads && hub.open.is_none();
    table::draw(
        canvas,
        area,
        &COLUMNS,
        Some((sorted, "▾")),
        (hub.results.len(), Some(hub.chosen), has_keys),
        &mut view_state.hub_offset,
        |canvas, index| match hub.results.get(index) {
            Some(repository) => row(canvas, state, repository),
            None => Row { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(area, List::Repositories, view_state.hub_offset, hub.results.len());
}

fn row<'a>(canvas: &Canvas<'_>, state: &State, repository: &'a Repository) -> Row<'a> {
    let or_dash = |text: Option<String>| match text {
        Some(text) => vec![canvas.span(Meaning::Text, text)],
        None => vec![canvas.span(Meaning::Muted, "—")],
    };
    let gated = match repository.gated {
        Some(true) => vec![canvas.span(Meaning::Warn, "gated")],
        Some(false) => vec![canvas.span(Meaning::Muted, "open")],
        None => vec![canvas.span(Meaning::Muted, "—")],
    };
    let choice = preselected(&state.domain, repository);
    let best = match (&repository.files, &choice) {
        (Files::Known(quants), Some(choice)) => quants.get(choice.index),
        _ => None,
    };
    let fits = match (&repository.files, best) {
        (_, Some(quant)) => needs(canvas, state, quant, choice.and_then(|choice| choice.fits)),
        (Files::Asked, _) => vec![canvas.span(Meaning::Muted, "◌ asking")],
        (Files::Failed(_), _) => vec![canvas.span(Meaning::Bad, "✕ unknown")],
        (Files::Known(_), _) => vec![canvas.span(Meaning::Muted, "no model")],
        (Files::Unasked, _) => vec![canvas.span(Meaning::Muted, "—")],
    };
    let cells = vec![
        vec![canvas.span(Meaning::Text, repository.id.as_str())],
        or_dash(repository.downloads.map(tokens)),
        or_dash(repository.likes.map(tokens)),
        or_dash(repository.updated.map(|updated| ago(state.domain.now.unix, updated))),
        or_dash(repository.license.clone()),
        gated,
        or_dash(best.map(|quant| quant.label.clone())),
        or_dash(best.map(|quant| quant.size().to_string())),
        fits,
    ];
    Row { cells, instead: None }
}

/// What a model would need, and whether that is free.
pub(super) fn needs<'a>(canvas: &Canvas<'_>, state: &State, quant: &Quant, fits: Option<bool>) -> Spans<'a> {
    let (glyph, meaning) = match fits {
        Some(true) => ("●", Meaning::Good),
        Some(false) => ("✕", Meaning::Bad),
        None => ("·", Meaning::Muted),
    };
    let needed = quant.needs(state.domain.settings.session.context);
    vec![canvas.span(meaning, glyph), canvas.span(Meaning::Text, format!(" ~{needed}"))]
}

fn ago(now: i64, then: i64) -> String {
    match u64::try_from(now - then) {
        Ok(seconds @ 60..) => format!("{} ago", span(Duration::from_secs(seconds))),
        _ => "just now".to_owned(),
    }
}
