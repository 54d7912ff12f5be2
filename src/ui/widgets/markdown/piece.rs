//! Runs of text, each in one look.

use ratatui::style::Modifier;

use crate::ui::theme::Meaning;

/// A run of text in one look; what that is on the screen depends on the theme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(super) look: Look,
}

/// How a run of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) meaning: Meaning,
    pub(super) modifier: Modifier,
}

impl Look {
    pub(super) const fn of(meaning: Meaning) -> Self {
        Self { meaning, modifier: Modifier::empty() }
    }
}

/// A row of runs.
pub(crate) type Row = Vec<Piece>;

/// What rows depend on beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) columns: usize,
    pub(super) ascii: bool,
}

/// A place in a text, and in its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) byte: usize,
    pub(super) row: usize,
}
