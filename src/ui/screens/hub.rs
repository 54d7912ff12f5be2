//! What else is there, and would it fit? The models on the hub, and what is being fetched: a face of the Library.
//!
//! ```text
//! › the field                                   found, sorted by
//! the repositories            │ the chosen one's quantisations
//! ───────────────────────────────────────────────────────────────
//! the downloads
//! ```

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, below, inset, split_columns, split_rows};
use crate::ui::hits::Target;
use crate::ui::panels::{downloads, hub_table, prompt, quant_table};
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::{Action, Mode};
use domain::download::hub::{Search, Sort};

/// From this width on the quantisations stand beside the repositories.
const WIDE: u16 = 140;

/// The least rows of the list above the downloads.
const LEAST: u16 = 4;

/// Draw the face.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let hub = &state.ui.hub;
    let (line, rest) = split_rows(area, 1);
    field(canvas, line, state);
    let wanted = if state.domain.downloads.all.is_empty() { 0 } else { downloads::rows(state, area.width) + 1 };
    let most = if hub.results.is_empty() { rest.height.saturating_sub(LEAST) } else { rest.height * 2 / 5 };
    let (list, panel) = split_rows(rest, rest.height - wanted.min(most));
    if panel.height > 1 {
        canvas.horizontal(panel.x, panel.y, panel.width, Meaning::Border);
        downloads::draw(canvas, below(panel, 1), state, view_state);
    }
    if hub.results.is_empty() || matches!(hub.search, Search::Failed(_)) {
        return message(canvas, list, state);
    }
    if list.width >= WIDE && !canvas.plain {
        let (results, quants) = split_columns(list, list.width * 58 / 100);
        canvas.vertical(quants.x, quants.y, quants.height, Meaning::Border);
        hub_table::draw(canvas, Rect { width: results.width - 1, ..results }, state, view_state);
        let quants = Rect { x: quants.x + 1, width: quants.width - 1, ..quants };
        quant_table::draw(canvas, quants, state, view_state);
    } else if hub.open.is_some() {
        quant_table::draw(canvas, list, state, view_state);
    } else {
        hub_table::draw(canvas, list, state, view_state);
    }
}

/// What is searched for, and what came of it.
fn field(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let hub = &state.ui.hub;
    let by = match hub.sort {
        Sort::Downloads => "downloads",
        Sort::Likes => "likes",
        Sort::Updated => "last update",
    };
    let (text, meaning) = match &hub.search {
        Search::Idle => (format!("sorted by {by} "), Meaning::Muted),
        Search::Running => ("◌ contacting the Hub ".to_owned(), Meaning::Accent),
        Search::Done => (format!("{} found · sorted by {by} ", hub.results.len()), Meaning::Muted),
        Search::Failed(_) => ("✕ search failed ".to_owned(), Meaning::Bad),
    };
    let right = [canvas.span(meaning, text.as_str())];
    let room = area.width.saturating_sub(text.chars().count() as u16 + 1);
    let left = if hub.typing { Meaning::Focus } else { Meaning::Muted };
    let x = canvas.say(area.x + 1, area.y, room, "Hub › ", left);
    let field = Rect { x, width: (area.x + room).saturating_sub(x), height: 1, ..area };
    canvas.hit(field, Target::Field(Mode::HubSearch));
    if hub.typing {
        prompt::draw_line(canvas, field, &hub.field);
    } else if hub.field.is_empty() {
        let key = canvas.key(Mode::Hub, Action::Filter);
        canvas.say(field.x, field.y, field.width, &format!("{key} to search"), Meaning::Muted);
    } else {
        canvas.say(field.x, field.y, field.width, hub.field.text(), Meaning::Text);
    }
    canvas.put_right(area.x, area.y, area.width, &right);
}

/// Why there is no list.
fn message(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let area = below(inset(area, 2), 1);
    let hub = &state.ui.hub;
    let style = canvas.style(Meaning::Muted);
    let text = match &hub.search {
        Search::Failed(failure) => {
            let bad = canvas.style(Meaning::Text);
            let rows = canvas.paragraph(area, &format!("{}.", failure.reason), bad);
            let hint = failure.hint.clone().unwrap_or_default();
            canvas.paragraph(below(area, rows + 1), &hint, style);
            return;
        }
        Search::Running => "Contacting the Hub …".to_owned(),
        Search::Done => format!("No GGUF models on the Hub for `{}`.", hub.field.text()),
        Search::Idle if hub.typing => {
            let enter = canvas.key(Mode::HubSearch, Action::Choose);
            format!(
                "Type a name or part of one and press {enter}. {enter} alone lists the most downloaded GGUF models."
            )
        }
        Search::Idle => {
            let key = canvas.key(Mode::Hub, Action::Filter);
            format!("Press {key} to search the Hub. It is not contacted before.")
        }
    };
    canvas.paragraph(area, &text, style);
}
