//! What one client's screen shows of races.

use domain::lab::race::diff::Diff;
use domain::lab::race::rating::Rating;
use domain::lab::race::{Entry, Order, lockstep};

use crate::ui::editor::Editor;

/// What shows of a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RaceTab {
    /// The answers side by side.
    #[default]
    Answers,
    /// Two answers word by word.
    Diff,
    /// Where the columns part, and what each found likely there.
    Lockstep,
    /// How far one model is from another over the prompt, token by token.
    KlHeatmap,
    /// How the models stand after all votes.
    Leaderboard,
}

/// What shows of races, and the next one.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
pub struct RaceView {
    /// The columns of the next race.
    pub entries: Vec<Entry>,
    /// Whether they show rather than the last race, which stays.
    pub drafts: bool,
    /// When its columns answer.
    pub order: Order,
    /// Whether the next race tells where its columns part.
    pub lockstep: bool,
    /// Whether its names are hidden until the vote.
    pub blind: bool,
    /// What it asks.
    pub prompt: Editor,
    /// What stands before it.
    pub system: Option<String>,
    /// Texts that end an answer, in place of those of the models' stores.
    pub stop: Vec<String>,
    /// Whether the prompt is being written.
    pub typing: bool,
    /// How the models stand after them, while that shows; best first.
    pub leaderboard: Vec<Rating>,
    /// What shows of it.
    pub tab: RaceTab,
    /// The chosen column.
    pub chosen: usize,
    /// The column that it is compared with.
    pub other: usize,
    /// The first line that shows of every column; `None` follows the ends.
    pub scroll: Option<usize>,
    /// The furthest that the last frame could be scrolled.
    pub limit: usize,
    /// Whether reasoning is shown whole.
    pub unfolded: bool,
    /// The chosen column against the other, while that shows.
    pub diff: Option<Diff>,
    /// Whether the chosen column's answer is weighed behind the prompt.
    pub with_answer: bool,
    /// Where the columns part, while that shows.
    pub divergence: Option<lockstep::Divergence>,
}
