//! Markdown as rows of cells: headings, lists, quotes, code, tables, bold, italic, struck out.
//!
//! An answer grows while it is read, so every state of it must be drawable, and the next one cheap. Text that follows can
//! change the last block at the top level only: [`Cache`] keeps the rows of those before it. Absent: pictures and HTML,
//! which stay text.

mod flow;
mod layout;
mod piece;
mod table;

use std::collections::HashMap;
use std::hash::Hash;

use self::piece::{Format, Look, Mark};
pub(crate) use self::piece::{Piece, Row};
use crate::ui::canvas::{Canvas, Span, Spans};

/// Texts whose rows are kept: those of the longest conversation that anybody scrolls through.
const MAX_TEXTS: usize = 512;

/// A text as it was laid out last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Laid {
    source: String,
    format: Format,
    rows: Vec<Row>,
    /// Where the last block at the top level begins, in the text and in the rows: what is before it stays.
    last: Mark,
    /// When it was used last.
    used: u64,
}

impl Laid {
    fn new(format: Format) -> Self {
        Self { source: String::new(), format, rows: Vec::new(), last: Mark::default(), used: 0 }
    }

    /// Lay out this text, keeping what it has in common with the one before.
    fn update(&mut self, source: &str, format: Format) {
        if self.format == format && self.source == source {
            return;
        }
        let kept = self.source.get(..self.last.byte).unwrap_or_default();
        if self.format != format || !source.starts_with(kept) {
            *self = Self::new(format);
        }
        self.source.truncate(self.last.byte);
        self.source.push_str(source.get(self.last.byte..).unwrap_or_default());
        self.rows.truncate(self.last.row);
        self.last = layout::blocks(&self.source, self.last.byte, format, &mut self.rows);
    }
}

/// The rows of texts that were drawn before.
#[derive(Debug, Clone)]
pub(crate) struct Cache<K> {
    texts: HashMap<K, Laid>,
    clock: u64,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { texts: HashMap::new(), clock: 0 }
    }
}

impl<K: Eq + Hash + Clone> Cache<K> {
    /// The rows of the text with this name, at a width.
    pub(crate) fn rows(&mut self, canvas: &Canvas<'_>, name: K, source: &str, columns: usize) -> &[Row] {
        let format = Format { columns, ascii: canvas.is_ascii() };
        self.clock += 1;
        if self.texts.len() >= MAX_TEXTS && !self.texts.contains_key(&name) {
            let oldest = self.texts.iter().min_by_key(|(_, laid)| laid.used).map(|(name, _)| name.clone());
            oldest.map(|oldest| self.texts.remove(&oldest));
        }
        let laid = self.texts.entry(name).or_insert_with(|| Laid::new(format));
        laid.used = self.clock;
        laid.update(source, format);
        &laid.rows
    }
}

/// The rows of a text that is drawn as it stands, and not kept.
pub(crate) fn rows(canvas: &Canvas<'_>, source: &str, columns: usize) -> Vec<Row> {
    let mut laid = Laid::new(Format { columns: columns.max(1), ascii: canvas.is_ascii() });
    laid.update(source, laid.format);
    laid.rows
}

/// A row in this theme.
pub(crate) fn spans(canvas: &Canvas<'_>, row: &[Piece]) -> Spans<'static> {
    let span = |piece: &Piece| Span {
        text: piece.text.clone().into(),
        style: canvas.style(piece.look.meaning).add_modifier(piece.look.modifier),
    };
    row.iter().map(span).collect()
}

#[cfg(test)]
mod tests;
