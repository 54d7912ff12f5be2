//! What one frame leaves for the next.

use super::hits::Hit;
use super::widgets::markdown;
use domain::session::SessionId;

/// The rows of answers, by their session and turn.
pub(crate) type Answers = markdown::Cache<(SessionId, usize)>;

/// The rows of the columns' answers.
pub(crate) type Columns = markdown::Cache<usize>;

/// What one frame leaves for the next: where lists begin. Nothing in it decides anything.
#[derive(Debug, Clone, Default)]
pub struct ViewState {
    pub(super) fleet_offset: usize,
    pub(super) requests_offset: usize,
    pub(super) library_offset: usize,
    pub(super) hub_offset: usize,
    pub(super) quant_offset: usize,
    pub(super) downloads_offset: usize,
    pub(super) usage_offset: usize,
    pub(super) race_offset: usize,
    pub(super) bench_offset: usize,
    pub(super) history_offset: usize,
    pub(super) chats_offset: usize,
    pub(super) suites_offset: usize,
    pub(super) palette_offset: usize,
    pub(super) form_offset: usize,
    /// The rows of answers that were drawn before.
    pub(super) answers: Answers,
    /// The same of a race's columns.
    pub(super) columns: Columns,
    /// The most lines that the help, else the conversation can be scrolled by: a scroll beyond it shows nothing more.
    /// `None` while that is not known, since only what shows is laid out.
    pub scroll_limit: Option<usize>,
    /// What lies where, for the mouse; what lies over the others comes last.
    pub hits: Vec<Hit>,
    /// Rows that the screen's list has room for, for moving by pages.
    pub page_rows: usize,
}
