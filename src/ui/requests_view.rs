//! What shows of the requests.

use domain::Domain;
use domain::request::RequestId;
use domain::requests::{self, RequestSort, Row};

use crate::ui::editor::Editor;
use crate::ui::server::Server;

/// Every request that is known, in no order. Where the server is lost, so are those that had not ended.
pub(super) fn requests<'a>(domain: &'a Domain, server: Option<&Server>) -> impl Iterator<Item = Row<'a>> + use<'a> {
    let is_lost = server.is_some_and(|server| server.is_lost);
    let all = requests::all(&domain.sessions, &domain.ended_requests);
    all.map(move |row| if is_lost { row.without_server() } else { row })
}

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
    /// What is wrong with the filter, in a sentence.
    pub problem: Option<String>,
    /// The column that sorts.
    pub sort: RequestSort,
    /// The other way round.
    pub reverse: bool,
    /// The requests that there are and which of them have ended, as the rows were made of them.
    pub(super) known: Vec<(RequestId, bool)>,
}
