//! What panels draw on: a buffer that can't be overrun, with a theme and the keys at hand.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use super::theme::{Meaning, Theme};
use super::widgets::text;
use crate::ui::hits::{Hit, List, Target};
use crate::ui::keymap::KeyHint;
use crate::ui::{Action, Keymap, Mode};
use domain::settings::GraphStyle;

/// A run of text in one look.
#[derive(Debug, Clone)]
pub(super) struct Span<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) style: Style,
}

/// Runs of text in one row.
pub(super) type Spans<'a> = Vec<Span<'a>>;

/// Blanks between two keys.
pub(super) const HINT_GAP: u16 = 2;

/// Columns that a row takes.
pub(super) fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| text::width(&text::clean(&span.text))).sum()
}

/// A buffer with what is needed to draw on it.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
    pub(super) keys: &'a Keymap,
    pub(super) mode: Mode,
    pub(super) graphs: GraphStyle,
    /// Whether the screen is read out: no boxes, rules, bars and graphs.
    pub(super) plain: bool,
    pub(super) cursor: Option<Position>,
    /// What lies where, for the mouse.
    pub(super) hits: Vec<Hit>,
    /// Where each panel stands, for the test that no two share a cell.
    #[cfg(test)]
    pub(super) panels: Vec<(&'static str, Rect)>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(
        buffer: &'a mut Buffer,
        theme: &'a Theme,
        keys: &'a Keymap,
        mode: Mode,
        graphs: GraphStyle,
    ) -> Self {
        Self {
            buffer,
            theme,
            keys,
            mode,
            graphs,
            plain: false,
            cursor: None,
            hits: Vec::new(),
            #[cfg(test)]
            panels: Vec::new(),
        }
    }

    pub(super) fn style(&self, meaning: Meaning) -> Style {
        self.theme.style(meaning)
    }

    pub(super) fn span<'t>(&self, meaning: Meaning, text: impl Into<Cow<'t, str>>) -> Span<'t> {
        Span { text: text.into(), style: self.style(meaning) }
    }

    /// Draw one row of text from outside, cut to `columns` with `…`; returns the column behind it.
    pub(super) fn put(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if x < area.left() || x >= area.right() || y < area.top() || y >= area.bottom() || columns == 0 {
            return x;
        }
        let columns = columns.min(area.right() - x);
        let clean = text::clean(text);
        let fitted = text::fit(&clean, usize::from(columns));
        self.buffer.set_stringn(x, y, fitted, usize::from(columns), style).0
    }

    pub(super) fn say(&mut self, x: u16, y: u16, columns: u16, text: &str, meaning: Meaning) -> u16 {
        let style = self.style(meaning);
        self.put(x, y, columns, text, style)
    }

    /// Draw runs of text one behind the other; returns the column behind them.
    pub(super) fn put_spans(&mut self, x: u16, y: u16, columns: u16, spans: &[Span<'_>]) -> u16 {
        let end = x.saturating_add(columns);
        spans.iter().fold(x, |x, span| self.put(x, y, end.saturating_sub(x), &span.text, span.style))
    }

    /// Draw runs of text so that they end at the right edge.
    pub(super) fn put_right(&mut self, x: u16, y: u16, columns: u16, spans: &[Span<'_>]) {
        let width = spans_width(spans).min(usize::from(columns)) as u16;
        self.put_spans(x + columns - width, y, width, spans);
    }

    /// Draw what may be taller than its area, from so many rows on: `draw` is given `most` rows and returns those that it
    /// left. Where there is more, the last row says by which keys it shows. Returns the most rows to scroll by.
    pub(super) fn scrolled(
        &mut self,
        area: Rect,
        skip: usize,
        most: u16,
        draw: impl FnOnce(&mut Canvas<'_>, Rect) -> Rect,
    ) -> usize {
        let tall = Rect { y: 0, height: most.max(area.height), ..area };
        let mut buffer = Buffer::empty(tall);
        let mut canvas = Canvas::new(&mut buffer, self.theme, self.keys, self.mode, self.graphs);
        canvas.plain = self.plain;
        canvas.clear(tall);
        let used = tall.height - draw(&mut canvas, tall).height;
        let is_long = used > area.height;
        let shown = area.height.saturating_sub(u16::from(is_long));
        let limit = used.saturating_sub(shown) * u16::from(is_long);
        let skip = u16::try_from(skip).unwrap_or(u16::MAX).min(limit);
        for position in (Rect { height: shown, ..area }).positions() {
            let from = Position { y: position.y - area.y + skip, ..position };
            if let (Some(cell), Some(drawn)) = (self.buffer.cell_mut(position), buffer.cell(from)) {
                *cell = drawn.clone();
            }
        }
        if is_long {
            let key = |action| self.keys.key(self.mode, action);
            let more = [(skip < limit, "↓ more", Action::ScrollDown), (skip > 0, "↑ back", Action::ScrollUp)];
            let more = more.into_iter().filter(|(is_there, ..)| *is_there);
            let more: Vec<_> = more.filter_map(|(_, what, action)| Some(format!("{what}: {}", key(action)?))).collect();
            self.say(area.x + 1, area.y + shown, area.width.saturating_sub(1), &more.join("   "), Meaning::Muted);
        }
        usize::from(limit)
    }

    /// Say what the mouse does in an area.
    pub(super) fn hit(&mut self, area: Rect, target: Target) {
        if !area.is_empty() {
            self.hits.push(Hit { area, target });
        }
    }

    /// Say that the rows of a list stand in a table, below its head.
    pub(super) fn hit_rows(&mut self, table: Rect, list: List, first: usize, count: usize) {
        self.hit(below(table, 1), Target::Rows { list, first, count });
    }

    /// Draw keys with what each does, as buttons, as far as there is room; gives the column behind them.
    pub(super) fn put_hints(&mut self, (x, y, columns): (u16, u16, u16), hints: &[KeyHint]) -> u16 {
        let end = x.saturating_add(columns);
        hints.iter().fold(x, |x, hint| {
            let spans =
                [self.span(Meaning::Key, hint.key.as_str()), self.span(Meaning::Muted, format!(" {}", hint.label))];
            let behind = self.put_spans(x, y, end.saturating_sub(x), &spans);
            self.hit(Rect { x, y, width: behind - x, height: 1 }, Target::Action(hint.action));
            (behind + HINT_GAP).min(end)
        })
    }

    /// Say that a panel has this area for itself.
    #[cfg(test)]
    pub(super) fn claim(&mut self, panel: &'static str, area: Rect) {
        self.panels.push((panel, area));
    }

    /// Only tests look.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a test keeps it")]
    pub(super) fn claim(&mut self, _: &'static str, _: Rect) {}

    /// One cell.
    pub(super) fn cell(&mut self, x: u16, y: u16, glyph: char, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_char(glyph).set_style(style);
        }
    }

    /// Lay a look over an area.
    pub(super) fn tint(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buffer.area);
        self.buffer.set_style(area, style);
        if style.add_modifier.contains(Modifier::REVERSED) {
            // A reversed row shows no dim text: what is muted elsewhere is plain here.
            self.buffer.set_style(area, Style::new().remove_modifier(Modifier::DIM));
            // A bar that is reversed shows what it lacks: a full one would be a hole.
            let is_bar = |symbol: &str| symbol.starts_with(|glyph: char| ('▁'..='█').contains(&glyph));
            for position in area.positions() {
                let cell = &mut self.buffer[position];
                if is_bar(cell.symbol()) {
                    cell.modifier.remove(Modifier::REVERSED);
                }
            }
        }
    }

    /// Empty an area and give it the theme's ground.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let style = self.style(Meaning::Background).patch(self.style(Meaning::Text));
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
                cell.set_style(style);
            }
        }
        // Half of a wide character may stand before the area's left edge.
        for y in area.rows().map(|row| row.y) {
            if let Some(cell) = area.left().checked_sub(1).and_then(|x| self.buffer.cell_mut((x, y)))
                && text::width(cell.symbol()) > 1
            {
                cell.set_char(' ');
            }
        }
    }

    pub(super) fn horizontal(&mut self, x: u16, y: u16, columns: u16, meaning: Meaning) {
        if self.plain {
            return;
        }
        let glyph = match (self.is_ascii(), meaning) {
            (true, Meaning::Focus) => '=',
            (true, _) => '-',
            (false, Meaning::Focus) => '━',
            (false, _) => '─',
        };
        let style = self.style(meaning);
        (x..x.saturating_add(columns)).for_each(|x| self.cell(x, y, glyph, style));
    }

    pub(super) fn vertical(&mut self, x: u16, y: u16, rows: u16, meaning: Meaning) {
        if self.plain {
            return;
        }
        let glyph = match (self.is_ascii(), meaning) {
            (true, _) => '|',
            (false, Meaning::Focus) => '┃',
            (false, _) => '│',
        };
        let style = self.style(meaning);
        (y..y.saturating_add(rows)).for_each(|y| self.cell(x, y, glyph, style));
    }

    /// A frame around an area; returns what is inside.
    pub(super) fn frame(&mut self, area: Rect, meaning: Meaning) -> Rect {
        if area.width < 2 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        self.horizontal(area.x, area.y, area.width, meaning);
        self.horizontal(area.x, bottom, area.width, meaning);
        self.vertical(area.x, area.y, area.height, meaning);
        self.vertical(right, area.y, area.height, meaning);
        let corners = match (self.is_ascii(), meaning) {
            _ if self.plain => [' '; 4],
            (true, _) => ['+'; 4],
            // What has the keys is plain without its colour.
            (false, Meaning::Focus) => ['┏', '┓', '┗', '┛'],
            (false, _) => ['╭', '╮', '╰', '╯'],
        };
        let style = self.style(meaning);
        for ((x, y), glyph) in
            [(area.x, area.y), (right, area.y), (area.x, bottom), (right, bottom)].into_iter().zip(corners)
        {
            self.cell(x, y, glyph, style);
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }

    /// Put the cursor where the focus is, for whoever has the screen read out.
    pub(super) fn focus(&mut self, x: u16, y: u16) {
        if self.plain {
            self.cursor = Some(Position { x, y });
        }
    }

    /// A paragraph from outside, wrapped; returns the rows it took, at most the area's.
    pub(super) fn paragraph(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        let clean = text::clean_block(text);
        let mut y = area.y;
        for line in clean.split('\n') {
            for row in text::wrap(line, usize::from(area.width)) {
                if y >= area.bottom() {
                    return area.height;
                }
                self.put(area.x, y, area.width, line.get(row).unwrap_or_default(), style);
                y += 1;
            }
        }
        y - area.y
    }

    /// Rows that a paragraph takes at this width.
    pub(super) fn rows_of(text: &str, columns: u16) -> u16 {
        let clean = text::clean_block(text);
        clean.split('\n').map(|line| text::wrap(line, usize::from(columns)).len() as u16).sum()
    }

    /// A label with its figure behind it, on one row: `label   value`.
    pub(super) fn pair(&mut self, area: Rect, label: &str, label_columns: u16, value: &[Span<'_>]) {
        self.say(area.x, area.y, label_columns.min(area.width), label, Meaning::Muted);
        let x = area.x + label_columns.min(area.width);
        self.put_spans(x, area.y, area.right().saturating_sub(x), value);
    }

    /// Whether the theme has no looks of their own for series, so that patterns tell them apart.
    pub(super) fn needs_patterns(&self) -> bool {
        self.style(Meaning::Series(0)) == self.style(Meaning::Series(1))
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.graphs == GraphStyle::Ascii
    }

    /// The key for an action in a mode; empty where it has none.
    pub(super) fn key(&self, mode: Mode, action: Action) -> String {
        self.keys.key(mode, action).unwrap_or_default()
    }
}

/// The row at `index` of an area, empty where the area has none.
pub(super) fn row(area: Rect, index: u16) -> Rect {
    if index < area.height { Rect { y: area.y + index, height: 1, ..area } } else { Rect { height: 0, ..area } }
}

/// The area without its first rows.
pub(super) fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Cut an area in two: so many rows above, the rest below.
pub(super) fn split_rows(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    (Rect { height: rows, ..area }, below(area, rows))
}

/// Cut an area in two: so many columns left, the rest right.
pub(super) fn split_columns(area: Rect, columns: u16) -> (Rect, Rect) {
    let columns = columns.min(area.width);
    (Rect { width: columns, ..area }, Rect { x: area.x + columns, width: area.width - columns, ..area })
}

/// The area without a margin of columns on both sides.
pub(super) fn inset(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width / 2);
    Rect { x: area.x + columns, width: area.width - 2 * columns, ..area }
}
