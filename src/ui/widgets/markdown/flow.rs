//! Text in several looks, broken into rows.

use std::ops::Range;

use super::{Look, Piece, Row};
use crate::ui::widgets::text;

/// A text without line breaks, and how its parts look.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    text: String,
    /// In order, next to each other, over the whole text.
    looks: Vec<(Range<usize>, Look)>,
}

impl Flow {
    /// Add text from outside.
    pub(super) fn push(&mut self, piece: &str, look: Look) {
        let start = self.text.len();
        self.text.push_str(&text::clean(piece));
        match self.looks.last_mut() {
            Some((range, last)) if *last == look => range.end = self.text.len(),
            _ if start < self.text.len() => self.looks.push((start..self.text.len(), look)),
            _ => {}
        }
    }

    /// Add the text of another.
    pub(super) fn append(&mut self, other: &Self) {
        for (range, look) in &other.looks {
            self.push(other.text.get(range.clone()).unwrap_or_default(), *look);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Columns that it takes in one row.
    pub(super) fn width(&self) -> usize {
        text::width(&self.text)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The rows at a width; at least one.
    pub(super) fn rows(&self, columns: usize) -> Vec<Row> {
        let mut looks = self.looks.as_slice();
        let mut rows = Vec::new();
        for row in text::wrap(&self.text, columns) {
            let mut pieces = Vec::new();
            // Both are in order, so none of the looks before this row is needed again.
            while looks.first().is_some_and(|(range, _)| range.end <= row.start) {
                looks = looks.get(1..).unwrap_or_default();
            }
            for (range, look) in looks.iter().take_while(|(range, _)| range.start < row.end) {
                let piece = self.text.get(range.start.max(row.start)..range.end.min(row.end)).unwrap_or_default();
                if !piece.is_empty() {
                    pieces.push(Piece { text: piece.to_owned(), look: *look });
                }
            }
            rows.push(pieces);
        }
        rows
    }
}
