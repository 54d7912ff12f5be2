//! A table of Markdown: cells are wrapped within their columns, and rows become lists where that leaves too little room.

use pulldown_cmark::Alignment;
use ratatui::style::Modifier;

use super::flow::Flow;
use super::{Format, Look, Piece, Row};
use crate::columns::{self, Column};
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;

/// Columns narrower than this can't be read: then each row becomes a list of its cells.
const LEAST: usize = 4;

/// What stands between two columns.
const GAP: usize = 3;

/// The most rows that are laid out: more than any answer has, since a hostile one could repeat a wide head for ever.
const MAX_ROWS: usize = 2000;

/// A table as it is being read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    /// The first is the head.
    pub(super) rows: Vec<Vec<Flow>>,
}

impl Table {
    pub(super) fn add_cell(&mut self, cell: Flow) {
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// The table's rows of cells.
    pub(super) fn lay_out(&self, format: Format) -> Vec<Row> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let room = format.columns.saturating_sub(GAP * count.saturating_sub(1));
        if room < LEAST * count { self.as_list(format) } else { self.as_grid(count, format) }
    }

    fn as_grid(&self, count: usize, format: Format) -> Vec<Row> {
        let natural = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(Flow::width).max().unwrap_or(0).max(1)
        };
        let natural: Vec<usize> = (0..count).map(natural).collect();
        let share = fair_share(&natural, format.columns.saturating_sub(GAP * count.saturating_sub(1)));
        let asked: Vec<Column> =
            natural.iter().map(|most| Column { least: share.min(*most), most: *most, rank: 0 }).collect();
        let widths: Vec<usize> = columns::widths(&asked, format.columns, GAP).into_iter().flatten().collect();
        let border = Look::of(Meaning::Border);
        let (bar, cross, line) = if format.ascii { (" | ", "-+-", "-") } else { (" │ ", "─┼─", "─") };
        let mut rows = Vec::new();
        for (number, cells) in self.rows.iter().take(MAX_ROWS).enumerate() {
            let cells: Vec<Vec<Row>> = widths
                .iter()
                .enumerate()
                .map(|(column, width)| cells.get(column).map_or_else(Vec::new, |cell| cell.rows(*width)))
                .collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let mut row = Vec::new();
                for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                    if column > 0 {
                        row.push(Piece { text: bar.to_owned(), look: border });
                    }
                    let alignment = self.alignments.get(column).copied().unwrap_or(Alignment::None);
                    pad(&mut row, cell.get(line).map_or(&[][..], Vec::as_slice), *width, alignment);
                }
                rows.push(row);
            }
            if number == 0 {
                let lines: Vec<String> = widths.iter().map(|width| line.repeat(*width)).collect();
                rows.push(vec![Piece { text: lines.join(cross), look: border }]);
            }
        }
        rows
    }

    /// Each row as lines of a head and its cell.
    fn as_list(&self, format: Format) -> Vec<Row> {
        let Some((head, rest)) = self.rows.split_first() else { return Vec::new() };
        let mut rows = Vec::new();
        for (number, cells) in rest.iter().take(MAX_ROWS).enumerate() {
            if number > 0 {
                rows.push(Vec::new());
            }
            for (column, cell) in cells.iter().enumerate() {
                let mut line = Flow::default();
                if let Some(name) = head.get(column).filter(|name| !name.is_empty()) {
                    let look = Look { meaning: Meaning::Text, modifier: Modifier::BOLD };
                    line.push(&format!("{}: ", name.text()), look);
                }
                line.append(cell);
                rows.extend(line.rows(format.columns));
            }
        }
        if rest.is_empty() {
            rows.extend(head.iter().flat_map(|cell| cell.rows(format.columns)));
        }
        rows
    }
}

/// The widest that all columns can be at most, so that none takes the room of the others.
fn fair_share(natural: &[usize], room: usize) -> usize {
    let mut sorted = natural.to_vec();
    sorted.sort_unstable();
    let mut room = room;
    let mut rest = sorted.len();
    for width in sorted {
        let share = room / rest.max(1);
        if width > share {
            return share.max(1);
        }
        room -= width;
        rest -= 1;
    }
    usize::MAX
}

/// Add a cell, filled up to its width.
fn pad(row: &mut Row, cell: &[Piece], width: usize, alignment: Alignment) {
    let used: usize = cell.iter().map(|piece| text::width(&piece.text)).sum();
    let blanks = width.saturating_sub(used);
    let left = match alignment {
        Alignment::Right => blanks,
        Alignment::Center => blanks / 2,
        Alignment::Left | Alignment::None => 0,
    };
    let blank = |count: usize| Piece { text: " ".repeat(count), look: Look::of(Meaning::Text) };
    row.extend((left > 0).then(|| blank(left)));
    row.extend_from_slice(cell);
    row.extend((blanks > left).then(|| blank(blanks - left)));
}
