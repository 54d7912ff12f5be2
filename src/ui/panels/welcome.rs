//! What a first start says: what to press, and which model to fetch.

use ratatui::layout::Rect;

use crate::ui::canvas::{Canvas, Spans, below, inset, row};
use crate::ui::theme::Meaning;
use crate::ui::{Action, Mode, State};
use domain::admission::free_memory;
use domain::download::suggestion::suggestions;

/// Columns of a key.
const KEY: u16 = 8;

/// Draw it.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    canvas.claim("welcome", area);
    let mut rest = inset(area, 1);
    let bold = canvas.style(Meaning::Accent).add_modifier(ratatui::style::Modifier::BOLD);
    let rows = canvas.paragraph(rest, "Welcome. The models listed here are tiny, for trying things out.", bold);
    rest = below(rest, rows + u16::from(rest.height >= 14));
    for (action, text) in [
        (Action::Choose, "start the selected model, then write to it"),
        (Action::Down, "select another"),
        (Action::Mark, "mark models"),
        (Action::RaceMarked, "race the marked ones on one prompt"),
        (Action::Hub, "find a real model and download it"),
        (Action::Machine, "show the machine; 1 to 4 show the rest"),
        (Action::Help, "explain the screen"),
        (Action::Palette, "find any command by name"),
    ] {
        let line = row(rest, 0);
        if line.height == 0 {
            return;
        }
        let key = canvas.key(Mode::Library, action);
        canvas.say(line.x, line.y, KEY, &key, Meaning::Key);
        let place = Rect { x: line.x + KEY, width: line.width.saturating_sub(KEY), height: rest.height, ..line };
        let style = canvas.style(Meaning::Text);
        let rows = canvas.paragraph(place, text, style);
        rest = below(rest, rows.max(1));
    }
    rest = below(rest, u16::from(rest.height >= 6));
    rest = real_models(canvas, rest, state);
    let key = canvas.key(Mode::Library, Action::Back);
    let style = canvas.style(Meaning::Muted);
    canvas.paragraph(below(rest, u16::from(rest.height >= 2)), &format!("{key} closes this for good."), style);
}

/// Three that fit, by size.
fn real_models(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> Rect {
    let Some(free) = free_memory(&state.domain) else { return area };
    let fitting = suggestions(free.free);
    if fitting.is_empty() || area.height < 2 {
        return area;
    }
    let style = canvas.style(Meaning::Accent);
    let hub = canvas.key(Mode::Library, Action::Hub);
    let text = format!("Real models that fit {} of free memory; {hub} finds and downloads them:", free.free);
    let rows = canvas.paragraph(area, &text, style);
    let mut rest = below(area, rows);
    for suggestion in fitting {
        let line = row(rest, 0);
        if line.height == 0 {
            break;
        }
        let name = suggestion.repository.split_once('/').map_or(suggestion.repository, |(_, name)| name);
        let name = name.strip_suffix("-GGUF").unwrap_or(name);
        let facts = format!("  {} · {} · {}", suggestion.size, suggestion.license, suggestion.openness);
        let spans: Spans<'_> = vec![
            canvas.span(Meaning::Text, format!("{name} {}", suggestion.quant)),
            canvas.span(Meaning::Muted, facts),
        ];
        if crate::ui::canvas::spans_width(&spans) <= usize::from(line.width) {
            canvas.put_spans(line.x, line.y, line.width, &spans);
            rest = below(rest, 1);
            continue;
        }
        // The facts have a line of their own where both have no room.
        canvas.put_spans(line.x, line.y, line.width, &spans[..1]);
        let second = row(rest, 1);
        if second.height > 0 {
            canvas.put_spans(second.x, second.y, second.width, &spans[1..]);
        }
        rest = below(rest, 2);
    }
    rest
}
