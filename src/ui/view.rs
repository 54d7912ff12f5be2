//! The frame around every screen: header, notices, footer, and what lies over it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::canvas::{Canvas, HINT_GAP, Span, Spans, below, row, spans_width, split_rows};
use super::hits::Target;
use super::keymap::KeyHint;
use super::panels::downloads;
use super::panels::machine_figures::{self, Form};
use super::theme::{Meaning, Theme};
use super::view_state::ViewState;
use super::widgets::text;
use super::{ascii, overlay, screens};
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
    let mut canvas = Canvas::new(buffer, theme, keys, state.mode(), state.ui.graphs);
    canvas.plain = state.ui.screen_reader;
    canvas.clear(area);
    view_state.hits.clear();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(&mut canvas, area);
        return None;
    }
    frame(&mut canvas, area, state, view_state);
    overlay::draw(&mut canvas, area, state, view_state);
    view_state.hits = std::mem::take(&mut canvas.hits);
    let cursor = canvas.cursor;
    if state.ui.screen_reader {
        ascii::without_ornaments(buffer, area);
    }
    if state.ui.ascii {
        ascii::replace(buffer, area);
    }
    cursor
}

/// The header, the screen, the notices and the footer.
fn frame(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    header(canvas, row(area, 0), state);
    let rule = u16::from(area.height >= 30);
    if rule > 0 {
        canvas.horizontal(area.x, area.y + 1, area.width, Meaning::Border);
    }
    let body = below(area, 1 + rule);
    // Whoever has the screen read out has changes as lines alone.
    let most = if canvas.plain { 2 * MAX_NOTICES } else { MAX_NOTICES };
    let n_notices = state.ui.notices.len().min(most).min(usize::from(body.height / 4)) as u16;
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
        // What is cut off can be read whole elsewhere.
        let room = line.right().saturating_sub(x + 2);
        let is_long = spans_width(&text) > usize::from(room);
        let more = canvas.keys.key(canvas.mode, Action::Messages).filter(|_| is_long);
        text.extend(more.map(|key| canvas.span(Meaning::Key, format!("  {key} shows all"))));
        // The keys stay where the text has no room.
        let keys = spans_width(text.get(1..).unwrap_or_default()) as u16;
        let room = room.saturating_sub(keys);
        let message = [canvas.span(Meaning::Text, text::fit_words(&notice.text, usize::from(room)))];
        let behind = canvas.put_spans(x + 1, line.y, room, &message);
        canvas.put_spans(behind, line.y, line.right().saturating_sub(behind + 1), text.get(1..).unwrap_or_default());
        canvas.hit(line, Target::Action(Action::Messages));
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
    let mut left = area.x + spans_width(tabs.get(..1).unwrap_or_default()) as u16;
    for (tab, (_, action, _)) in tabs.iter().skip(1).zip(Screen::ALL) {
        let width = spans_width(std::slice::from_ref(tab)) as u16;
        canvas.hit(Rect { x: left, width, ..area }.intersection(area), Target::Action(action));
        left += width;
    }
    // Figures that change each second would be read out each second.
    if canvas.plain {
        return;
    }
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
    let right: Vec<KeyHint> = [(Action::Help, "help"), (Action::Palette, "commands")]
        .into_iter()
        .filter_map(|(action, label)| {
            Some(KeyHint { action, key: canvas.keys.key(canvas.mode, action)?, label: label.into() })
        })
        .collect();
    let width = |hint: &KeyHint| (text::width(&hint.key) + 1 + text::width(&hint.label)) as u16 + HINT_GAP;
    let right_columns: u16 = right.iter().map(width).sum();
    let room = area.width.saturating_sub(right_columns + 2);
    let mut x = area.x + 1;
    if let Some(marks) = marks(canvas, state) {
        x = canvas.put_spans(x, area.y, room, &[marks]);
    }
    let mut used = x - area.x - 1;
    let fitting: Vec<KeyHint> = (canvas.keys.hints(canvas.mode, state).into_iter())
        .take_while(|hint| {
            used += width(hint);
            used <= room
        })
        .collect();
    canvas.put_hints((x, area.y, area.right().saturating_sub(x)), &fitting);
    let x = area.right().saturating_sub(right_columns);
    canvas.put_hints((x, area.y, right_columns), &right);
}

/// How many rows are marked, and how many of them the list does not show.
fn marks<'a>(canvas: &Canvas<'_>, state: &State) -> Option<Span<'a>> {
    let (n_marked, n_hidden) = state.n_marked();
    let counts = !matches!(canvas.mode, Mode::Race | Mode::RacePrompt | Mode::Top) && !canvas.mode.is_dialog();
    let hidden = if n_hidden > 0 { format!(", {n_hidden} not shown") } else { String::new() };
    (counts && n_marked > 0).then(|| canvas.span(Meaning::Accent, format!("◆ {n_marked} marked{hidden}  ")))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "bench_view_tests.rs"]
mod bench_tests;
