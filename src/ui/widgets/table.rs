//! A table whose columns stand still: each has its width, one takes the room that is left, and where there is too
//! little the least important go first.

use ratatui::layout::Rect;

use crate::columns;
use crate::ui::canvas::{Canvas, Spans, below, row, spans_width};
use crate::ui::theme::Meaning;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    /// Columns of the screen that it takes; the least for the one that grows.
    pub(crate) width: u16,
    pub(crate) align: Align,
    /// When it goes: columns of the highest rank first. Rank 0 always stays.
    pub(crate) rank: u8,
}

/// On which side a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// Left, and takes what is left over, up to a most.
    Grow(u16),
}

/// One row: a cell for each column, whether it shows or not.
pub(crate) struct Row<'a> {
    pub(crate) cells: Vec<Spans<'a>>,
    /// Text that stands instead of all cells from this column on.
    pub(crate) instead: Option<(usize, Spans<'a>)>,
}

/// Blanks between two columns.
const GAP: u16 = 2;

/// Columns that the mark of the chosen row takes.
const MARK: u16 = 2;

/// Columns of the screen that a table takes whole, where the cells of the one that grows have so many.
pub(crate) fn width(columns: &[Column], longest: u16) -> u16 {
    let own = |column: &Column| match column.align {
        Align::Grow(most) => longest.clamp(column.width, most.max(column.width)),
        Align::Left | Align::Right => column.width,
    };
    let gaps = GAP * (columns.len() as u16).saturating_sub(1);
    MARK + columns.iter().map(own).sum::<u16>() + gaps
}

/// The columns with room for the longest name in one of them, before columns of less use: up to two fifths of the width.
pub(crate) fn with_name(columns: &[Column], name: usize, longest: usize, width: u16) -> Vec<Column> {
    let mut columns = columns.to_vec();
    if let Some(column) = columns.get_mut(name) {
        let longest = u16::try_from(longest).unwrap_or(u16::MAX);
        column.width = longest.clamp(column.width, (width * 2 / 5).max(column.width));
        column.align = Align::Grow(longest.max(column.width));
    }
    columns
}

/// Where each column stands: its left edge and width, `None` for one that doesn't show.
pub(crate) fn arrange(columns: &[Column], area: Rect) -> Vec<Option<(u16, u16)>> {
    let asked: Vec<_> = columns
        .iter()
        .map(|column| {
            let least = usize::from(column.width);
            let most = if let Align::Grow(most) = column.align { usize::from(most).max(least) } else { least };
            columns::Column { least, most, rank: column.rank }
        })
        .collect();
    let widths = columns::widths(&asked, usize::from(area.width.saturating_sub(MARK)), usize::from(GAP));
    let mut x = area.x + MARK.min(area.width);
    widths
        .into_iter()
        .map(|width| {
            let width = width? as u16;
            let width = width.min(area.right().saturating_sub(x));
            let place = (x, width);
            x = (x + width + GAP).min(area.right());
            Some(place)
        })
        .collect()
}

/// Draw the head and the rows that fit, so that the chosen one shows. `offset` is the first row, kept between frames.
/// `marks` names the column that sorts, with its sign.
pub(crate) fn draw<'a>(
    canvas: &mut Canvas<'_>,
    area: Rect,
    columns: &[Column],
    sorted: Option<(usize, &str)>,
    rows: (usize, Option<usize>, bool),
    offset: &mut usize,
    mut row_of: impl FnMut(&Canvas<'_>, usize) -> Row<'a>,
) {
    let (count, chosen, focused) = rows;
    let mut ranked = columns.to_vec();
    // The column that sorts shows, however little room there is.
    if let Some(column) = sorted.and_then(|(index, _)| ranked.get_mut(index)) {
        column.rank = 0;
    }
    let places = arrange(&ranked, area);
    let head = row(area, 0);
    for (index, (column, place)) in columns.iter().zip(&places).enumerate() {
        let (Some((x, width)), 1) = (place, head.height) else { continue };
        let mut text = column.head.to_owned();
        let sign = sorted.filter(|(sorted, _)| *sorted == index).map(|(_, sign)| sign);
        if let Some(sign) = sign {
            text.push_str(sign);
        }
        let spans = vec![canvas.span(if sign.is_some() { Meaning::Accent } else { Meaning::Heading }, text)];
        // A sign for which the head leaves no room moves it into the gap on its left.
        let more = u16::from(column.align == Align::Right && spans_width(&spans) > usize::from(*width));
        place_spans(canvas, (x.saturating_sub(more), head.y, width + more), column.align, &spans);
    }
    let body = below(area, 1);
    *offset = follow(*offset, chosen, count, usize::from(body.height));
    for (line, index) in (*offset..count).take(usize::from(body.height)).enumerate() {
        let strip = row(body, line as u16);
        let is_chosen = chosen == Some(index);
        let Row { cells, instead } = row_of(canvas, index);
        if is_chosen {
            let style = canvas.style(Meaning::Selection);
            canvas.tint(strip, style);
        }
        for (index, ((column, place), spans)) in columns.iter().zip(&places).zip(&cells).enumerate() {
            let hidden = instead.as_ref().is_some_and(|(from, _)| index >= *from);
            if let (Some((x, width)), false) = (place, hidden) {
                place_spans(canvas, (*x, strip.y, *width), column.align, spans);
            }
        }
        if let Some((from, spans)) = &instead
            && let Some((x, _)) = places.iter().skip(*from).flatten().next()
        {
            canvas.put_spans(*x, strip.y, strip.right().saturating_sub(*x), spans);
        }
        if is_chosen {
            let mark = if canvas.is_ascii() { '>' } else { '▌' };
            let style = canvas.style(if focused { Meaning::Focus } else { Meaning::Muted });
            if focused && canvas.plain {
                canvas.focus(strip.x, strip.y);
            } else {
                canvas.cell(strip.x, strip.y, mark, style);
            }
            let style = canvas.style(Meaning::Selection);
            canvas.tint(strip, style);
        }
    }
}

fn place_spans(canvas: &mut Canvas<'_>, (x, y, width): (u16, u16, u16), align: Align, spans: &Spans<'_>) {
    match align {
        Align::Right => canvas.put_right(x, y, width, spans),
        Align::Left | Align::Grow(_) => {
            canvas.put_spans(x, y, width, spans);
        }
    }
}

/// The first row to show, so that the chosen one shows and no room is wasted.
pub(crate) fn follow(offset: usize, chosen: Option<usize>, count: usize, room: usize) -> usize {
    let offset = offset.min(count.saturating_sub(room));
    match chosen.map(|chosen| chosen.min(count.saturating_sub(1))) {
        Some(chosen) if chosen < offset => chosen,
        Some(chosen) if chosen >= offset + room.max(1) => chosen + 1 - room.max(1),
        _ => offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { head: "Name", width: 6, align: Align::Grow(20), rank: 0 },
        Column { head: "Memory", width: 8, align: Align::Right, rank: 1 },
        Column { head: "Note", width: 5, align: Align::Left, rank: 2 },
    ];

    #[test]
    fn the_least_important_columns_go_first() {
        for (width, places) in [
            (0, [Some((0, 0)), None, None]),
            (8, [Some((2, 6)), None, None]),
            (18, [Some((2, 6)), Some((10, 8)), None]),
            (25, [Some((2, 6)), Some((10, 8)), Some((20, 5))]),
            (60, [Some((2, 20)), Some((24, 8)), Some((34, 5))]),
        ] {
            assert_eq!(arrange(&COLUMNS, Rect::new(0, 0, width, 5)), places, "{width}");
        }
    }

    #[test]
    fn the_chosen_row_shows() {
        for (offset, chosen, count, room, expected) in [
            (0, Some(9), 10, 4, 6),
            (6, Some(2), 10, 4, 2),
            (9, None, 10, 4, 6),
            (3, Some(4), 10, 4, 3),
            (5, None, 2, 4, 0),
            (0, Some(3), 5, 0, 3),
            (0, Some(9), 1, 4, 0),
        ] {
            assert_eq!(follow(offset, chosen, count, room), expected);
        }
    }
}
