//! What the models take of the disks, and what could be tidied up: a face of the Library screen.
//!
//! ```text
//!  12 models · 212 GB · by model                                    looking at the disks
//!  ┌ treemap ─────────────────────────┐   Could be tidied up        Frees
//!  │ qwen3-8b       │ gemma-3-4b      │ ▌ 2 old revisions          5.0 GB   no branch …
//!  │ 5.0 GB 24%     │                 │   Model                      Size   Share
//!  └──────────────────────────────────┘   qwen3-8b                 5.0 GB     24%
//! ```

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, inset, row, spans_width, split_columns, split_rows};
use crate::ui::hits::List;
use crate::ui::theme::{Meaning, N_SERIES};
use crate::ui::view_state::ViewState;
use crate::ui::widgets::table::{self, Align, Column, Row};
use crate::ui::widgets::treemap::{self, Tile};
use crate::ui::{Action, Mode};
use domain::storage::{DiskUsageReport, Grouping};
use domain::units::{self, Bytes, counted};

/// From this size on the picture stands beside the lists; else above them.
const WIDE: (u16, u16) = (110, 12);
/// The fewest rows that a picture is worth.
const PICTURE: u16 = 5;
/// Tiles of a picture; the rest is one more.
const MAX_TILES: usize = 15;

/// Draw the face.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let (line, rest) = split_rows(area, 1);
    heading(canvas, line, state);
    let Some(disk_usage) = &state.domain.cleanup.disk_usage else {
        let style = canvas.style(Meaning::Muted);
        canvas.paragraph(inset(below(rest, 1), 2), "Scanning the disks …", style);
        return;
    };
    if canvas.plain {
        lists(canvas, rest, state, disk_usage, view_state);
    } else if rest.width >= WIDE.0 && rest.height >= WIDE.1 {
        let (picture, lists) = split_columns(rest, rest.width * 2 / 5);
        tiles(canvas, inset(picture, 1), state, disk_usage);
        self::lists(canvas, lists, state, disk_usage, view_state);
    } else {
        let rows = (rest.height * 2 / 5).max(PICTURE);
        let (picture, lists) = split_rows(rest, if rest.height >= 3 * PICTURE { rows } else { 0 });
        tiles(canvas, inset(picture, 1), state, disk_usage);
        self::lists(canvas, lists, state, disk_usage, view_state);
    }
}

fn heading(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let cleanup = &state.domain.cleanup;
    let mut right: Spans<'_> = Vec::new();
    if let Some(work) = &cleanup.work {
        let text = match work.count {
            0 => format!("{} … ", work.title),
            count => format!("{}: {} of {count} steps ", work.title, work.done),
        };
        right.push(canvas.span(Meaning::Accent, text));
    } else if cleanup.surveying {
        right.push(canvas.span(Meaning::Accent, "◌ scanning the disks "));
    } else if let Some(undo) = cleanup.disk_usage.as_ref().and_then(|disk_usage| disk_usage.undo.as_ref()) {
        let key = canvas.key(Mode::DiskUsage, Action::UndoCleanup);
        right.push(canvas.span(Meaning::Key, key));
        right.push(canvas.span(Meaning::Muted, format!(" to undo: {undo} ")));
    }
    let mut left: Spans<'_> = Vec::new();
    if let Some(disk_usage) = &cleanup.disk_usage {
        left.push(canvas.span(Meaning::Text, format!(" {}", disk_usage.usage.total)));
        left.push(canvas.span(Meaning::Muted, format!(" in {}", counted(disk_usage.usage.models.len(), "model"))));
        for store in &disk_usage.usage.stores {
            left.push(canvas.span(Meaning::Muted, format!("   {} ", store.name)));
            left.push(canvas.span(Meaning::Text, store.bytes.to_string()));
        }
    }
    let room = area.width.saturating_sub(spans_width(&right) as u16 + 1);
    canvas.put_spans(area.x, area.y, room, &left);
    canvas.put_right(area.x, area.y, area.width, &right);
}

/// The picture. Models of one family have one colour.
fn tiles(canvas: &mut Canvas<'_>, area: Rect, state: &State, disk_usage: &DiskUsageReport) {
    let usage = &disk_usage.usage;
    let colour = |index: usize| Meaning::Series((index % N_SERIES) as u8);
    let family = |name: &str| usage.families.iter().position(|family| family.name == name).unwrap_or(0);
    let part = |bytes: Bytes| bytes.0 as f64 / usage.total.0.max(1) as f64;
    let shares = state.domain.cleanup.shares(state.ui.usage.grouping);
    let mut tiles: Vec<Tile> = shares
        .iter()
        .take(MAX_TILES)
        .enumerate()
        .filter(|(_, share)| share.bytes.0 > 0)
        .map(|(index, share)| Tile {
            share: part(share.bytes),
            name: share.name.clone(),
            detail: format!("{} {}", share.bytes, units::share(share.bytes, usage.total)),
            style: canvas.style(match state.ui.usage.grouping {
                Grouping::Model => colour(usage.models.get(index).map_or(0, |model| family(&model.family))),
                _ => colour(index),
            }),
        })
        .collect();
    let rest: Bytes = shares.iter().skip(MAX_TILES).map(|share| share.bytes).sum();
    if rest.0 > 0 {
        tiles.push(Tile {
            share: part(rest),
            name: format!("{} more", shares.len() - MAX_TILES),
            detail: rest.to_string(),
            style: canvas.style(Meaning::Muted),
        });
        tiles.sort_by(|one, other| other.share.total_cmp(&one.share));
    }
    treemap::draw(canvas, area, &tiles);
}

const TIDY: [Column; 3] = [
    Column { head: "Can be cleaned up", width: 20, align: Align::Grow(22), rank: 0 },
    Column { head: "Frees", width: 8, align: Align::Right, rank: 0 },
    Column { head: "", width: 14, align: Align::Grow(64), rank: 1 },
];

const fn shares_of(head: &'static str, last: Column) -> [Column; 4] {
    [
        Column { head, width: 20, align: Align::Grow(48), rank: 0 },
        Column { head: "Size", width: 8, align: Align::Right, rank: 0 },
        Column { head: "Share", width: 5, align: Align::Right, rank: 1 },
        last,
    ]
}

const FAMILY: Column = Column { head: "Family", width: 8, align: Align::Grow(24), rank: 2 };
const MODELS: Column = Column { head: "Models", width: 6, align: Align::Right, rank: 2 };

/// What could be tidied up, and below it the shares; one choice goes through both.
fn lists(canvas: &mut Canvas<'_>, area: Rect, state: &State, disk_usage: &DiskUsageReport, view_state: &mut ViewState) {
    let cleanup = &state.domain.cleanup;
    let n_reclaimable = disk_usage.reclaimable.len();
    let gap = u16::from(area.height >= 12);
    let (above, rest) = split_rows(area, (n_reclaimable.max(1) as u16 + 1 + gap).min(area.height / 2));
    if n_reclaimable == 0 {
        canvas.say(above.x + 2, above.y, above.width.saturating_sub(2), "Nothing to clean up", Meaning::Heading);
    } else {
        let chosen = Some(state.ui.usage.chosen).filter(|chosen| *chosen < n_reclaimable);
        let mut offset = 0;
        table::draw(canvas, above, &TIDY, None, (n_reclaimable, chosen, true), &mut offset, |canvas, index| {
            let reclaimable = &disk_usage.reclaimable[index];
            Row {
                cells: vec![
                    vec![canvas.span(Meaning::Text, reclaimable.kind.counted(reclaimable.count))],
                    vec![canvas.span(Meaning::Good, reclaimable.frees.to_string())],
                    vec![canvas.span(Meaning::Muted, reclaimable.kind.help())],
                ],
                instead: None,
            }
        });
    }
    if n_reclaimable > 0 {
        // What is left of many shows from the selected one on.
        let first = table::follow(
            0,
            Some(state.ui.usage.chosen).filter(|chosen| *chosen < n_reclaimable),
            n_reclaimable,
            usize::from(above.height.saturating_sub(1)),
        );
        canvas.hit_rows(above, List::Cleanup, first, n_reclaimable);
    }
    let problems = disk_usage.problems.len().min(2) as u16;
    let (rest, foot) = split_rows(rest, rest.height.saturating_sub(if rest.height > 6 { problems } else { 0 }));
    for (index, problem) in disk_usage.problems.iter().enumerate() {
        let line = row(foot, index as u16);
        if line.height > 0 {
            let x = canvas.say(line.x + 1, line.y, 2, "! ", Meaning::Warn);
            canvas.say(x, line.y, line.right().saturating_sub(x), problem, Meaning::Muted);
        }
    }
    let columns = match state.ui.usage.grouping {
        Grouping::Model => shares_of("Model", FAMILY),
        Grouping::Family => shares_of("Family", MODELS),
        Grouping::Store => shares_of("Store", MODELS),
    };
    let shares = cleanup.shares(state.ui.usage.grouping);
    let chosen = state.ui.usage.chosen.checked_sub(n_reclaimable);
    let offset = &mut view_state.usage_offset;
    table::draw(canvas, rest, &columns, None, (shares.len(), chosen, true), offset, |canvas, index| {
        let share = shares[index];
        let model = disk_usage.usage.models.get(index).filter(|_| state.ui.usage.grouping == Grouping::Model);
        let last = model.map_or_else(|| share.n_models.to_string(), |model| model.family.clone());
        Row {
            cells: vec![
                crate::ui::panels::mark::marked(
                    canvas,
                    state,
                    model.map_or("", |model| model.id.as_str()),
                    canvas.span(Meaning::Text, share.name.clone()),
                ),
                vec![canvas.span(Meaning::Text, share.bytes.to_string())],
                vec![canvas.span(Meaning::Muted, units::share(share.bytes, disk_usage.usage.total))],
                vec![canvas.span(Meaning::Muted, last)],
            ],
            instead: None,
        }
    });
    canvas.hit_rows(rest, List::DiskUsage, view_state.usage_offset, shares.len());
}
