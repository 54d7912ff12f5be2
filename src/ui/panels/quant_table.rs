//! The models of one repository on the hub: a row for each quantisation, the best that fits with its reason.

use ratatui::layout::Rect;

use super::hub_table::needs;
use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, inset, split_rows};
use crate::ui::hits::List;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row};
use domain::admission::free_memory;
use domain::download::hub::{Files, Quant, Repository};
use domain::download::preselection::preselected;
use domain::model::file_role::FileRole;

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 5] = [
    column("Quant", 14, Align::Grow(28), 0),
    column("Size", 8, Align::Right, 0),
    column("Parts", 5, Align::Right, 2),
    column("Needs", 10, Align::Left, 1),
    column("", 14, Align::Grow(40), 3),
];

/// Draw the chosen repository's models.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    canvas.claim("quants", area);
    let Some(repository) = state.ui.hub.repository() else { return };
    let (line, list) = split_rows(area, 1);
    heading(canvas, line, repository);
    let quants = match &repository.files {
        Files::Known(quants) if !quants.is_empty() => quants,
        files => return message(canvas, list, files),
    };
    let choice = preselected(&state.domain, repository);
    let reason_rows = u16::from(choice.is_some() && list.height > 4);
    let (reason, list) = split_rows(list, reason_rows);
    if let Some(choice) = choice.as_ref().filter(|_| reason_rows > 0) {
        let label = quants.get(choice.index).map_or("", |quant| quant.label.as_str());
        let text = format!("★ {label}: {}", choice.reason);
        canvas.say(reason.x + 2, reason.y, reason.width.saturating_sub(2), &text, Meaning::Muted);
    }
    let free = free_memory(&state.domain).map(|memory| memory.free);
    let has_keys = state.ui.hub.open.is_some() && !state.ui.hub.typing && !state.ui.hub.in_downloads;
    table::draw(
        canvas,
        list,
        &COLUMNS,
        None,
        (quants.len(), state.ui.hub.open.or(choice.as_ref().map(|choice| choice.index)), has_keys),
        &mut view_state.quant_offset,
        |canvas, index| match quants.get(index) {
            Some(quant) => {
                let fits = free.map(|free| quant.needs(state.domain.settings.session.context) <= free);
                let is_best = choice.as_ref().is_some_and(|choice| choice.index == index);
                row(canvas, state, quant, fits, is_best, is_here(state, repository, quant))
            }
            None => Row { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(list, List::Quants, view_state.quant_offset, quants.len());
}

fn heading(canvas: &mut Canvas<'_>, area: Rect, repository: &Repository) {
    if area.height == 0 {
        return;
    }
    let mut line: Spans<'_> = vec![canvas.span(Meaning::Accent, format!("  {}", repository.id))];
    if let Some(license) = &repository.license {
        line.push(canvas.span(Meaning::Muted, format!("  {license}")));
    }
    if repository.gated == Some(true) {
        line.push(canvas.span(Meaning::Warn, "  gated: request access on its Hub page first"));
    }
    canvas.put_spans(area.x, area.y, area.width, &line);
}

fn message(canvas: &mut Canvas<'_>, area: Rect, files: &Files) {
    let text = match files {
        Files::Unasked => "Files not listed yet; open it to list them.".to_owned(),
        Files::Asked => "Listing files …".to_owned(),
        Files::Failed(failure) => failure.to_string(),
        Files::Known(_) => "No GGUF model in it.".to_owned(),
    };
    let style = canvas.style(Meaning::Muted);
    canvas.paragraph(below(inset(area, 2), 1), &text, style);
}

fn row<'a>(
    canvas: &Canvas<'_>,
    state: &State,
    quant: &'a Quant,
    fits: Option<bool>,
    is_best: bool,
    is_here: bool,
) -> Row<'a> {
    let meaning = if quant.is_choice() { Meaning::Text } else { Meaning::Muted };
    let one = |meaning, text: String| vec![canvas.span(meaning, text)];
    let parts =
        if quant.is_whole() { quant.n_parts.to_string() } else { format!("{}/{}", quant.files.len(), quant.n_parts) };
    let note = match () {
        () if is_here => one(Meaning::Good, "✓ downloaded".to_owned()),
        () if quant.is_lone() => one(Meaning::Muted, "one part of a split model".to_owned()),
        () if !quant.is_whole() => one(Meaning::Bad, "parts missing".to_owned()),
        () if quant.role != FileRole::Model => one(Meaning::Muted, quant.role.name().to_owned()),
        () if is_best => {
            one(Meaning::Accent, if fits == Some(true) { "★ best that fits" } else { "★ suggested" }.to_owned())
        }
        () => Vec::new(),
    };
    let need =
        if quant.is_choice() { needs(canvas, state, quant, fits) } else { one(Meaning::Muted, "—".to_owned()) };
    let cells = vec![
        vec![canvas.span(meaning, quant.label.as_str())],
        one(meaning, quant.size().to_string()),
        one(Meaning::Muted, parts),
        need,
        note,
    ];
    Row { cells, instead: None }
}

/// Whether the library has it already.
fn is_here(state: &State, repository: &Repository, quant: &Quant) -> bool {
    let first = quant.files.first().map_or("", |file| file.path.as_str());
    let is_it = |id: &str| {
        id.strip_prefix("hf:").and_then(|rest| rest.strip_prefix(repository.id.as_str())?.strip_prefix('/'))
            == Some(first)
    };
    state.domain.library.models.iter().any(|model| is_it(&model.id))
}
