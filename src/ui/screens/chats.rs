//! What was talked about, with which model?
//!
//! ```text
//! ┌ count, or the filter ┐
//! ├ conversations ───────┤
//! └──────────────────────┘
//! ```

use ratatui::layout::Rect;

use crate::ui::canvas::{Canvas, below, row};
use crate::ui::hits::List;
use crate::ui::panels::{mark, prompt};
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row as TableRow};
use crate::ui::widgets::text;
use crate::ui::{Action, Mode, State};
use domain::conversation::{ConversationEntry, filter};
use domain::units::{ago, counted};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 5] = [
    column("#", 5, Align::Right, 3),
    column("Conversation", 24, Align::Grow(400), 0),
    column("Model", 14, Align::Grow(30), 0),
    column("Prompts", 7, Align::Right, 2),
    column("Last", 14, Align::Left, 1),
];

/// Where the model's name stands.
const MODEL: usize = 2;

/// Draw the tab.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    canvas.claim("chats", area);
    let chats = &state.ui.chats;
    let head = row(area, 0);
    let rest = below(area, 1);
    if chats.filtering || !chats.filter.is_empty() {
        let count = format!("{} ", counted(chats.entries.len(), "conversation"));
        let filter = filter::parse(chats.filter.text());
        super::library::filter_row(canvas, head, (&chats.filter, chats.filtering), filter.problem(), &count);
    } else {
        let more = if chats.more { " and more; a search finds them" } else { "" };
        let text = format!("Conversations · {}{more} · `taffrail chats` lists them too", chats.entries.len());
        canvas.say(head.x + 1, head.y, head.width.saturating_sub(1), &text, Meaning::Muted);
    }
    let rest = name(canvas, rest, state);
    if chats.entries.is_empty() {
        let write = canvas.key(Mode::Fleet, Action::Choose);
        let text = match (chats.asked, chats.filter.is_empty()) {
            (true, _) => "Reading the conversations …".to_owned(),
            (false, true) if !state.domain.settings.history.keep => {
                "No conversations are kept: `history.keep` is false.".to_owned()
            }
            (false, true) => format!("No conversations yet. Select a session and press {write} to write to it."),
            (false, false) => "No conversation matches the filter.".to_owned(),
        };
        canvas.say(rest.x + 1, rest.y, rest.width.saturating_sub(1), &text, Meaning::Muted);
        return;
    }
    view_state.page_rows = usize::from(rest.height.saturating_sub(1));
    // Prompts are sentences that go on; the model's name tells it only as a whole.
    let longest = chats.entries.iter().map(|entry| text::width(&entry.model_name)).max().unwrap_or_default();
    let columns = table::with_name(&COLUMNS, MODEL, longest, rest.width);
    table::draw(
        canvas,
        rest,
        &columns,
        None,
        (chats.entries.len(), Some(chats.chosen), canvas.mode == Mode::Chats),
        &mut view_state.chats_offset,
        |canvas, index| match chats.entries.get(index) {
            Some(entry) => TableRow { cells: cells(canvas, state, entry), instead: None },
            None => TableRow { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(rest, List::Chats, view_state.chats_offset, chats.entries.len());
}

/// The name that is typed, where one is; gives what is left.
pub(crate) fn name(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> Rect {
    let Some((_, editor)) = &state.ui.chats.naming else { return area };
    let line = row(area, 0);
    let x = canvas.say(line.x + 1, line.y, line.width, "name: ", Meaning::Key);
    prompt::draw_line(canvas, Rect { x, width: line.right().saturating_sub(x), ..line }, editor);
    below(area, 1)
}

fn cells<'a>(
    canvas: &Canvas<'_>,
    state: &State,
    entry: &'a ConversationEntry,
) -> Vec<Vec<crate::ui::canvas::Span<'a>>> {
    let muted = |text: String| vec![canvas.span(Meaning::Muted, text)];
    let is_open = state.domain.sessions.iter().any(|session| session.thread.key == Some(entry.key));
    let mark = if is_open { if canvas.is_ascii() { "* " } else { "● " } } else { "" };
    let marked = mark::glyph(canvas, state.ui.chats.marks.has(&entry.key));
    let meaning = if entry.name.is_some() { Meaning::Accent } else { Meaning::Text };
    let label = if entry.label().is_empty() { "(no prompt)" } else { entry.label() };
    vec![
        muted(entry.number.to_string()),
        marked.into_iter().chain([canvas.span(Meaning::Good, mark), canvas.span(meaning, label)]).collect(),
        vec![canvas.span(Meaning::Text, entry.model_name.as_str())],
        muted(entry.n_prompts.to_string()),
        muted(ago(entry.updated_ms / 1000, state.domain.now.unix)),
    ]
}
