//! What shows of the requests.

use domain::request::RequestId;
use domain::requests::RequestSort;

use crate::ui::editor::Editor;

/// The requests' tab of the Fleet screen.
#[derive(Debug, Clone, Default)]
pub struct RequestsView {
    /// Whether it shows, rather than the sessions.
    pub shown: bool,
    /// The rows that show, filtered and sorted.
    pub rows: Vec<RequestId>,
    /// How many there are without the filter.
    pub n_all: usize,
    /// The selected one.
    pub chosen: Option<RequestId>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// The column that sorts.
    pub sort: RequestSort,
    /// The other way round.
    pub reverse: bool,
    /// The requests that there are and which of them have ended, as the rows were made of them.
    pub(super) known: Vec<(RequestId, bool)>,
}
