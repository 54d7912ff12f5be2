//! The downloads: a row for each, with a bar, what came, how fast, and what is left.

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, inset, split_rows};
use crate::ui::hits::List;
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row};
use domain::download::{Download, Phase};
use domain::units::{Bytes, span};

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

/// Columns beside what the chosen download has to say.
const MARGIN: u16 = 2;

/// Cells of a bar.
const BAR: usize = 14;

const COLUMNS: [Column; 7] = [
    column("Download", 20, Align::Grow(40), 0),
    column("", BAR as u16, Align::Left, 3),
    column("", 4, Align::Right, 1),
    column("Size", 8, Align::Right, 5),
    column("Rate", 9, Align::Right, 2),
    column("Left", 7, Align::Right, 4),
    column("State", 12, Align::Grow(60), 0),
];

/// Rows that the downloads take: the head, one for each, and what the chosen one has to say.
pub(crate) fn rows(state: &State, columns: u16) -> u16 {
    state.domain.downloads.all.len() as u16 + 1 + detail(state).map_or(0, |(_, text)| detail_rows(&text, columns))
}

/// Rows of what the chosen download has to say: reason and hint have room, a wordy hub has not.
fn detail_rows(text: &str, columns: u16) -> u16 {
    Canvas::rows_of(text, columns.saturating_sub(2 * MARGIN).max(1)).min(3)
}

/// Why the chosen download does not go on, which has no room in its row.
fn detail(state: &State) -> Option<(Meaning, String)> {
    match &state.domain.downloads.all.get(state.ui.hub.chosen_download)?.phase {
        Phase::Failed(failure) => Some((Meaning::Bad, failure.to_string())),
        Phase::Waiting(what) => Some((Meaning::Warn, format!("waits: {what}"))),
        _ => None,
    }
}

/// Draw the downloads.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    canvas.claim("downloads", area);
    let hub = &state.ui.hub;
    let detail = detail(state).filter(|_| area.height > 3);
    let wanted = detail.as_ref().map_or(0, |(_, text)| detail_rows(text, area.width));
    let (area, foot) = split_rows(area, area.height - wanted.min(area.height.saturating_sub(2)));
    if let Some((meaning, text)) = detail {
        let style = canvas.style(meaning);
        canvas.paragraph(inset(foot, MARGIN), &text, style);
    }
    table::draw(
        canvas,
        area,
        &COLUMNS,
        None,
        (state.domain.downloads.all.len(), Some(hub.chosen_download), hub.in_downloads),
        &mut view_state.downloads_offset,
        |canvas, index| match state.domain.downloads.all.get(index) {
            Some(download) => row(canvas, download),
            None => Row { cells: Vec::new(), instead: None },
        },
    );
    canvas.hit_rows(area, List::Downloads, view_state.downloads_offset, state.domain.downloads.all.len());
}

fn row<'a>(canvas: &Canvas<'_>, download: &'a Download) -> Row<'a> {
    let one = |meaning, text: String| vec![canvas.span(meaning, text)];
    let or_dash = |text: Option<String>| match text {
        Some(text) => one(Meaning::Text, text),
        None => one(Meaning::Muted, "—".to_owned()),
    };
    let cells = vec![
        // What tells downloads of one repository apart comes first, for the end may be cut off.
        vec![
            canvas.span(Meaning::Text, download.order.label.as_str()),
            canvas.span(Meaning::Muted, format!("  {}", download.order.repository)),
        ],
        bar(canvas, download),
        one(Meaning::Text, format!("{:.0}%", (download.share() * 100.0).floor())),
        one(Meaning::Text, download.order.size().to_string()),
        or_dash(download.rate.map(|rate| format!("{}/s", Bytes(rate as u64)))),
        or_dash(download.left().map(span)),
        phase(canvas, download),
    ];
    Row { cells, instead: None }
}

fn bar<'a>(canvas: &Canvas<'_>, download: &Download) -> Spans<'a> {
    let full = (download.share() * BAR as f64).floor() as usize;
    let [done, rest] = if canvas.is_ascii() { ["#", "."] } else { ["━", "─"] };
    let meaning = match download.phase {
        Phase::Done => Meaning::Good,
        Phase::Failed(_) => Meaning::Bad,
        Phase::Paused | Phase::Queued => Meaning::Muted,
        _ => Meaning::Accent,
    };
    vec![canvas.span(meaning, done.repeat(full)), canvas.span(Meaning::Border, rest.repeat(BAR - full))]
}

fn phase<'a>(canvas: &Canvas<'_>, download: &'a Download) -> Spans<'a> {
    let (glyph, meaning, text) = match &download.phase {
        Phase::Queued => ("◌", Meaning::Muted, "queued"),
        Phase::Preparing(what) => ("◔", Meaning::Accent, what.as_str()),
        Phase::Running => ("↓", Meaning::Accent, "downloading"),
        Phase::Waiting(what) => ("◌", Meaning::Warn, what.as_str()),
        Phase::Pausing => ("◌", Meaning::Muted, "pausing"),
        Phase::Paused => ("‖", Meaning::Muted, "paused"),
        Phase::Cancelling => ("◌", Meaning::Muted, "cancelling"),
        Phase::Failed(failure) => ("✕", Meaning::Bad, failure.reason.as_str()),
        Phase::Done => ("✓", Meaning::Good, "downloaded"),
    };
    vec![canvas.span(meaning, glyph), canvas.span(Meaning::Text, format!(" {text}"))]
}

/// The downloads that run and their rate, for the header; nothing where none runs.
pub(crate) fn summary<'a>(canvas: &Canvas<'_>, state: &State) -> Option<Spans<'a>> {
    let running = || state.domain.downloads.all.iter().filter(|download| download.is_active());
    let count = running().count();
    let rate: f64 = running().filter_map(|download| download.rate).sum();
    (count > 0).then(|| {
        let text = if rate > 0.0 { format!("{count} · {}/s", Bytes(rate as u64)) } else { count.to_string() };
        vec![canvas.span(Meaning::Accent, "↓ "), canvas.span(Meaning::Text, text)]
    })
}
