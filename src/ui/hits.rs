//! What lies where on the screen, for the mouse: recorded while a frame is drawn, asked when a button is pressed.

use ratatui::layout::{Position, Rect};

use crate::ui::{Action, Mode, SessionTab};

/// A list whose rows can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say which")]
pub enum List {
    Sessions,
    OtherProcesses,
    Requests,
    Models,
    Chats,
    Repositories,
    Quants,
    Downloads,
    Cleanup,
    DiskUsage,
    Bench,
    Records,
    Suites,
    SuiteModels,
    Palette,
    Fields,
    Votes,
}

/// What is done where the mouse points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing: a dialog lies over it.
    Nothing,
    /// The screen around a dialog.
    Beside,
    /// What a key does that is named there.
    Action(Action),
    /// Rows of a list, from this one on, of so many.
    Rows {
        /// Which list.
        list: List,
        /// The row at the top.
        first: usize,
        /// How many the list has.
        count: usize,
    },
    /// A tab of the selected session.
    Tab(SessionTab),
    /// A column of the race.
    Column(usize),
    /// A field that text is typed into.
    Field(Mode),
    /// Text that can be scrolled, by the list whose screen it is on.
    Text(Mode),
    /// The ground of a graph.
    Graph,
}

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Where it is.
    pub area: Rect,
    /// What is there.
    pub target: Target,
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// The button was pressed.
    Click,
    /// It was pressed twice at the same place.
    DoubleClick,
    /// The mouse was moved with the button held down.
    Drag,
    /// The wheel was turned by so many notches; negative is up.
    Wheel(i32),
}

/// The mouse on a part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    /// What it did.
    pub gesture: Gesture,
    /// On which part.
    pub hit: Hit,
    /// Where in it, from its left upper corner.
    pub at: Position,
}

impl Hit {
    /// Point at a position, or the nearest of this part.
    pub fn pointed(self, gesture: Gesture, column: u16, row: u16) -> Mouse {
        let x = column.clamp(self.area.left(), self.area.right().saturating_sub(1).max(self.area.left()));
        let y = row.clamp(self.area.top(), self.area.bottom().saturating_sub(1).max(self.area.top()));
        Mouse { gesture, hit: self, at: Position { x: x - self.area.x, y: y - self.area.y } }
    }
}

/// The part at a position: what was drawn last lies over the others.
pub fn at(hits: &[Hit], column: u16, row: u16) -> Option<Hit> {
    hits.iter().rev().find(|hit| hit.area.contains(Position { x: column, y: row })).copied()
}
