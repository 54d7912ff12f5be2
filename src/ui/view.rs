//! The frame around every screen: header, notices, footer, and what lies over it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::canvas::{Canvas, Span, Spans, below, row, spans_width, split_rows};
use super::panels::downloads;
use super::panels::machine_figures::{self, Form};
use super::theme::{Meaning, Theme};
use super::view_state::ViewState;
use super::{overlay, screens};
use crate::ui::{Action, Screen, State};
use crate::ui::{Keymap, Mode};

/// The least size that anything can be shown in.
const LEAST: (u16, u16) = (40, 8);

/// Most notices that show at once.
const MAX_NOTICES: usize = 3;

/// Draw the state into an area of a buffer; returns where the terminal's cursor belongs, where a field has the keys.
pub fn view(
    state: &State,
    view_state: &mut ViewState,
    theme: &Theme,
    keys: &Keymap,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let area = area.intersection(buffer.area);
    let mut canvas = Canvas::new(buffer, theme, keys, state.mode(), state.domain.settings.ui.graphs);
    canvas.clear(area);
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(&mut canvas, area);
        return None;
    }
    frame(&mut canvas, area, state, view_state);
    overlay::draw(&mut canvas, area, state, view_state);
    canvas.cursor
}

/// The header, the screen, the notices and the footer.
fn frame(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    header(canvas, row(area, 0), state);
    let rule = u16::from(area.height >= 30);
    if rule > 0 {
        canvas.horizontal(area.x, area.y + 1, area.width, Meaning::Border);
    }
    let body = below(area, 1 + rule);
    let n_notices = state.ui.notices.len().min(MAX_NOTICES).min(usize::from(body.height / 6)) as u16;
    let (body, foot) = split_rows(body, body.height - 1 - n_notices);
    match state.ui.screen {
        Screen::Fleet => screens::fleet::draw(canvas, body, state, view_state),
        Screen::Library => screens::library::draw(canvas, body, state, view_state),
        Screen::Race => screens::race::draw(canvas, body, state, view_state),
        Screen::Bench => screens::bench::draw(canvas, body, state, view_state),
        Screen::Machine => screens::machine::draw(canvas, body, state, view_state),
        Screen::Top => screens::top::draw(canvas, body, state, view_state),
    }
    let newest = state.ui.notices.iter().skip(state.ui.notices.len() - usize::from(n_notices));
    for (index, notice) in newest.enumerate() {
        let line = row(foot, index as u16);
        let (glyph, meaning) = if notice.is_error { ("✕", Meaning::Bad) } else { ("•", Meaning::Accent) };
        let x = canvas.say(line.x + 1, line.y, 2, glyph, meaning);
        let mut text = vec![canvas.span(Meaning::Text, notice.text.as_str())];
        for action in notice.actions {
            if let Some((key, label)) = canvas.keys.hint(canvas.mode, *action, state) {
                text.push(canvas.span(Meaning::Key, format!("  {key}")));
                text.push(canvas.span(Meaning::Muted, format!(" {label}")));
            }
        }
        // The keys stay where the text has no room.
        let keys = spans_width(text.get(1..).unwrap_or_default()) as u16;
        let room = line.right().saturating_sub(x + 2);
        let behind = canvas.put_spans(x + 1, line.y, room.saturating_sub(keys), text.get(..1).unwrap_or_default());
        canvas.put_spans(behind, line.y, line.right().saturating_sub(behind + 1), text.get(1..).unwrap_or_default());
    }
    footer(canvas, row(foot, n_notices), state);
}

fn too_small(canvas: &mut Canvas<'_>, area: Rect) {
    let text = format!("taffrail needs {}×{} characters; this is {}×{}", LEAST.0, LEAST.1, area.width, area.height);
    let style = canvas.style(Meaning::Muted);
    canvas.paragraph(area, &text, style);
}

/// From this width on the header names all screens.
const NAMED: u16 = 100;

/// The most characters of another machine's name.
const MAX_HOST: usize = 24;

/// The program's name, with the other machine that it shows; and whether what it shows is still so.
fn name(state: &State) -> (String, Meaning) {
    let Some(server) = &state.ui.server else { return ("taffrail".to_owned(), Meaning::Accent) };
    let host = server.host.as_deref().map(|host| format!("@{}", gguf::clean(host, MAX_HOST))).unwrap_or_default();
    if server.is_lost {
        (format!("taffrail{host} not connected"), Meaning::Bad)
    } else {
        (format!("taffrail{host}"), Meaning::Accent)
    }
}

fn header(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    canvas.claim("header", area);
    let brief = area.width < NAMED;
    let (name, meaning) = name(state);
    let mut tabs: Spans<'_> = vec![canvas.span(meaning, format!(" {name}{}", if brief { " " } else { "  " }))];
    // `taffrail top` has this screen alone.
    for (screen, action, name) in Screen::ALL.into_iter().filter(|_| state.ui.screen != Screen::Top) {
        let is_shown = screen == state.ui.screen;
        let meaning = if is_shown { Meaning::Text } else { Meaning::Muted };
        // Where both have no room, the figures go before the names of screens that do not show.
        let key = canvas.key(Mode::Fleet, action);
        let text = if is_shown || !brief { format!(" {key} {name} ") } else { format!(" {key} ") };
        let mut label = canvas.span(meaning, text);
        if is_shown {
            let selection = canvas.style(Meaning::Selection);
            label.style = label.style.patch(selection).add_modifier(ratatui::style::Modifier::BOLD);
        }
        tabs.push(label);
    }
    let x = canvas.put_spans(area.x, area.y, area.width, &tabs);
    let room = usize::from(area.right().saturating_sub(x));
    // What matters least goes first; power stays longest.
    let width = |parts: &[Spans<'_>]| parts.iter().map(|part| spans_width(part) + 2).sum::<usize>();
    let figures = |form| {
        let mut parts = machine_figures::parts(canvas, state, form);
        parts.splice(0..0, downloads::summary(canvas, state));
        parts
    };
    let fitting = Form::ALL.into_iter().map(figures).find(|parts| width(parts) <= room);
    let mut parts = fitting.unwrap_or_else(|| figures(Form::Joined));
    while width(&parts) > room && !parts.is_empty() {
        parts.remove(0);
    }
    let mut line: Spans<'_> = Vec::new();
    for part in parts {
        if !line.is_empty() {
            line.push(canvas.span(Meaning::Muted, "  "));
        }
        line.extend(part);
    }
    line.push(canvas.span(Meaning::Text, " "));
    canvas.put_right(x, area.y, area.right().saturating_sub(x), &line);
}

fn footer(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    canvas.claim("footer", area);
    let entry = |canvas: &Canvas<'_>, key: String, label: &str| {
        [canvas.span(Meaning::Key, key), canvas.span(Meaning::Muted, format!(" {label}  "))]
    };
    let right: Spans<'_> = [(Action::Help, "help"), (Action::Palette, "commands")]
        .into_iter()
        .filter_map(|(action, label)| Some(entry(canvas, canvas.keys.key(canvas.mode, action)?, label)))
        .flatten()
        .collect();
    let room = usize::from(area.width).saturating_sub(spans_width(&right) + 2);
    let marks = marks(canvas, state);
    let mut used = marks.as_ref().map_or(0, |marks| spans_width(std::slice::from_ref(marks)));
    let mut left: Vec<[Span<'_>; 2]> = Vec::new();
    for (key, label) in canvas.keys.hints(canvas.mode, state) {
        let hint = entry(canvas, key, label);
        used += spans_width(&hint);
        if used > room {
            break;
        }
        left.push(hint);
    }
    let left: Spans<'_> = marks.into_iter().chain(left.into_iter().flatten()).collect();
    canvas.put_spans(area.x + 1, area.y, area.width.saturating_sub(1), &left);
    canvas.put_right(area.x, area.y, area.width, &right);
}

/// How many models are marked, where the marks count: also those that a filter hides.
fn marks<'a>(canvas: &Canvas<'_>, state: &State) -> Option<Span<'a>> {
    let n_marked = state.ui.race.entries.len();
    let counts = matches!(canvas.mode, Mode::Fleet | Mode::Library);
    let glyph = if canvas.is_ascii() { '*' } else { '◆' };
    (counts && n_marked > 0).then(|| canvas.span(Meaning::Accent, format!("{glyph} {n_marked} marked  ")))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "bench_view_tests.rs"]
mod bench_tests;
