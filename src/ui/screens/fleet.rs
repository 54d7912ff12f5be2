//! What is running, and what does it cost?
//!
//! ```text
//! ┌ sessions ──────────────┬ the chosen one ┐      narrow: ┌ sessions ─────┐
//! │                        │ chat           │              ├ sparklines ───┤
//! ├ throughput memory power┤                │              ├ the chosen one┤
//! │                        │ prompt         │              │ prompt        │
//! └────────────────────────┴────────────────┘              └───────────────┘
//! ```

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, below, inset, row, split_columns, split_rows};
use crate::ui::editor::Editor;
use crate::ui::hits::Target;
use crate::ui::panels::{
    chat, chat_rule, engines, foreign_table, graphs, machines, prompt, session_table, session_tabs,
};
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::text;
use crate::ui::{Action, Mode};
use crate::ui::{Focus, SessionTab};
use domain::session::Session;
use domain::units::counted;

/// What is said where no session was started.
const NOTHING: &str = "No sessions yet.";

/// From this size on the chosen session stands beside the table.
const WIDE: (u16, u16) = (110, 22);

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    if state.ui.requests.shown {
        return super::requests::draw(canvas, area, state, view_state);
    }
    if state.ui.chats.shown {
        return super::chats::draw(canvas, area, state, view_state);
    }
    let area = super::chats::name(canvas, area, state);
    if state.ui.fleet.is_zoomed && state.chosen_session().is_some() {
        return chosen(canvas, area, state, view_state);
    }
    let area = filter(canvas, area, state);
    let n_foreign = foreign_table::rows(state, area.height / 2);
    let has_foreign = state.domain.machine.sample.as_ref().is_some_and(|sample| !sample.foreign.is_empty());
    let n_there = machines::fleet_rows(state, area.height / 3) + engines::rows(state, area.height / 3);
    if state.domain.sessions.is_empty() && !has_foreign && n_there == 0 {
        return empty(canvas, area, state);
    }
    if area.width >= WIDE.0 && area.height >= WIDE.1 && !canvas.plain {
        // The chat takes what the table doesn't need.
        let least = area.width - (area.width * 36 / 100).max(40);
        let (left, right) = split_columns(area, least.min(session_table::width(state) + 1));
        let n_rows = session_rows(state) + n_foreign + n_there;
        let least = (left.height / 3).max(8);
        // The graphs have all the room that the table doesn't need.
        let graph_rows = left.height.saturating_sub(n_rows + 2).max(least);
        let (table, graph) = split_rows(left, left.height.saturating_sub(graph_rows + 1));
        let table = Rect { width: table.width - 1, ..table };
        list(canvas, table, state, view_state);
        graphs::draw(canvas, Rect { width: graph.width - 1, ..below(graph, 1) }, state);
        canvas.vertical(right.x, right.y, right.height, Meaning::Border);
        let right = Rect { x: right.x + 1, width: right.width - 1, ..right };
        return chosen(canvas, right, state, view_state);
    }
    let n_rows = session_rows(state) + n_foreign + n_there;
    let (table, rest) = split_rows(area, n_rows.max(2).min((area.height / 3).max(2)));
    list(canvas, table, state, view_state);
    let graph_rows = if rest.height >= 28 { 9 } else { u16::from(rest.height >= 8) };
    let (graph, rest) = split_rows(rest, graph_rows);
    graphs::draw(canvas, graph, state);
    if rest.height >= 3 {
        canvas.horizontal(rest.x, rest.y, rest.width, Meaning::Border);
        chosen(canvas, below(rest, 1), state, view_state);
    }
}

/// Rows of the table: a head, the sessions or that there are none, and taffrail itself.
fn session_rows(state: &State) -> u16 {
    state.ui.fleet.rows.len().max(1) as u16 + 2
}

/// The sessions, and below them what other programs run.
fn list(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let n_there = machines::fleet_rows(state, area.height / 3);
    let (area, there) = split_rows(area, area.height - n_there);
    machines::draw_fleet(canvas, there, state);
    let n_others = foreign_table::rows(state, area.height.saturating_sub(1));
    let left = area.height.saturating_sub(session_rows(state) + n_others);
    let n_engines = engines::rows(state, left.max(area.height / 3));
    let (area, there) = split_rows(area, area.height - n_engines);
    engines::draw(canvas, there, state);
    let n_foreign = foreign_table::rows(state, area.height.saturating_sub(1));
    let wanted = session_rows(state).min(area.height - n_foreign);
    let (sessions, foreign) = split_rows(area, if n_foreign > 0 { wanted } else { area.height });
    session_table::draw(canvas, sessions, state, view_state);
    none_match(canvas, sessions, state);
    foreign_table::draw(canvas, foreign, state);
}

/// The filter's row, where there is one; returns what is left.
fn filter(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> Rect {
    let fleet = &state.ui.fleet;
    if !fleet.filtering && fleet.filter.is_empty() {
        return area;
    }
    let (line, rest) = split_rows(area, 1);
    let n_foreign = state.domain.machine.sample.as_ref().map_or(0, |sample| sample.foreign.len());
    let foreign = match n_foreign {
        0 => String::new(),
        _ => format!(", {} of {n_foreign} other processes", fleet.foreign.rows.len()),
    };
    let count = format!("{} of {}{foreign} ", fleet.rows.len(), counted(state.domain.sessions.len(), "session"));
    super::library::filter_row(canvas, line, (&fleet.filter, fleet.filtering), fleet.problem.as_deref(), &count);
    rest
}

fn none_match(canvas: &mut Canvas<'_>, table: Rect, state: &State) {
    if state.ui.fleet.rows.is_empty() && table.height > 2 {
        let text = if state.domain.sessions.is_empty() { NOTHING } else { "No session matches the filter." };
        canvas.say(table.x + 2, table.y + 2, table.width.saturating_sub(2), text, Meaning::Muted);
    }
}

fn empty(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let (library, choose) = (canvas.key(Mode::Fleet, Action::Library), canvas.key(Mode::Library, Action::Choose));
    let n_models = state.domain.library.models.iter().filter(|model| model.is_runnable()).count();
    let lines = [
        (NOTHING.to_owned(), Meaning::Text),
        (format!("Press {library}, select a model, then {choose} to start it."), Meaning::Muted),
        (format!("{}.", counted(n_models, "runnable model")), Meaning::Muted),
    ];
    let has_graphs = area.height >= 20;
    let (message, graph) = split_rows(area, if has_graphs { area.height - 11 } else { area.height });
    let top = message.y + message.height.saturating_sub(lines.len() as u16) / 2;
    for (index, (line, meaning)) in lines.iter().enumerate() {
        let y = top + index as u16;
        if y < message.bottom() {
            let width = (line.len() as u16).min(message.width);
            canvas.say(message.x + (message.width - width) / 2, y, width, line, *meaning);
        }
    }
    if has_graphs {
        graphs::draw(canvas, inset(graph, 1), state);
    }
}

/// The chosen session: its tabs, and the prompt.
fn chosen(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    if let Some(foreign) = state.chosen_foreign() {
        return foreign_table::card(canvas, area, state, foreign);
    }
    let Some(session) = state.chosen_session() else {
        let (library, choose) = (canvas.key(Mode::Fleet, Action::Library), canvas.key(Mode::Library, Action::Choose));
        let start = format!("Press {library}, select a model, then {choose} to start it.");
        let text = if state.domain.sessions.is_empty() { &start } else { "No session is selected." };
        let style = canvas.style(Meaning::Muted);
        canvas.paragraph(Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area }, text, style);
        return;
    };
    // A name that has no room beside the tabs has a line of its own.
    let is_long = text::width(&session.name) as u16 + tabs_width() + 6 > area.width && area.height >= 12;
    let (head, rest) = split_rows(area, 1 + u16::from(is_long));
    tabs(canvas, head, state, session);
    let rest = if rest.height >= 8 {
        canvas.horizontal(rest.x, rest.y, rest.width, Meaning::Border);
        below(rest, 1)
    } else {
        rest
    };
    let nothing = Editor::default();
    let editor = state.ui.fleet.prompts.get(&session.id).unwrap_or(&nothing);
    let field_width = area.width.saturating_sub(2);
    let has_prompt = session.is_live() && !session.embeds_only() && rest.height >= 2;
    let prompt_rows = if has_prompt { prompt::rows(editor, field_width, (rest.height / 2).max(1)) } else { 0 };
    let rule = u16::from(has_prompt && rest.height >= 6);
    let (body, foot) = split_rows(rest, rest.height - prompt_rows - rule);
    let note = chat_rule::note(canvas, state, session, foot.width).filter(|_| rule > 0 && body.height >= 6);
    let (body, line) = split_rows(body, body.height - u16::from(note.is_some()));
    if let Some(note) = note {
        canvas.put_spans(line.x + 1, line.y, line.width.saturating_sub(1), &note);
    }
    canvas.hit(body, Target::Text(Mode::Fleet));
    match state.ui.fleet.tab {
        SessionTab::Conversation => {
            chat::draw(
                canvas,
                body,
                (session, &state.domain.settings, &state.ui.fleet),
                state.ui.fleet.scroll,
                view_state,
            );
        }
        SessionTab::Figures => view_state.scroll_limit = Some(session_tabs::figures(canvas, body, state, session)),
        SessionTab::Memory => session_tabs::memory(canvas, body, state, session),
        SessionTab::Log => session_tabs::log(canvas, body, session, state.ui.fleet.scroll),
    }
    if has_prompt {
        let focused = canvas.mode == Mode::Prompt;
        if rule > 0 {
            canvas.horizontal(foot.x, foot.y, foot.width, if focused { Meaning::Focus } else { Meaning::Border });
            chat_rule::draw(canvas, row(foot, 0), state, session);
        }
        let placeholder = match state.ui.fleet.focus {
            Focus::Prompt => "write a prompt".to_owned(),
            Focus::Table => format!("{} to write a prompt", canvas.key(Mode::Fleet, Action::Choose)),
        };
        prompt::draw(canvas, inset(below(foot, rule), 1), editor, focused, &placeholder);
        canvas.hit(foot, Target::Field(Mode::Prompt));
    }
}

/// Columns of the tabs' names, with the blanks between them.
fn tabs_width() -> u16 {
    let names = SessionTab::ALL.iter().map(|(_, name)| name.len() as u16 + 2).sum::<u16>();
    names.saturating_sub(2)
}

/// Who it is, and which tab shows: one row, or two.
fn tabs(canvas: &mut Canvas<'_>, area: Rect, state: &State, session: &Session) {
    if area.height == 0 {
        return;
    }
    let mut tabs = Vec::new();
    for (tab, name) in SessionTab::ALL {
        let is_shown = tab == state.ui.fleet.tab;
        let mut span = canvas.span(if is_shown { Meaning::Accent } else { Meaning::Muted }, name);
        if is_shown {
            span.style = span.style.add_modifier(ratatui::style::Modifier::BOLD | ratatui::style::Modifier::UNDERLINED);
        }
        tabs.push(span);
        tabs.push(canvas.span(Meaning::Muted, "  "));
    }
    tabs.pop();
    let beside = if area.height > 1 { 0 } else { tabs_width() };
    let room = area.width.saturating_sub(beside + 3);
    let mut title = session_tabs::title(canvas, session, usize::from(room.saturating_sub(2)));
    title.insert(0, canvas.span(session_table::series(session), "■ "));
    canvas.put_spans(area.x + 1, row(area, 0).y, room, &title);
    let area = row(area, area.height - 1);
    canvas.put_right(area.x, area.y, area.width.saturating_sub(1), &tabs);
    let mut x = area.right().saturating_sub(tabs_width() + 1);
    for (tab, name) in SessionTab::ALL {
        let width = name.len() as u16;
        canvas.hit(Rect { x, width, height: 1, ..area }, Target::Tab(tab));
        x += width + 2;
    }
}
