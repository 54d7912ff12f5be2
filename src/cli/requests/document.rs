//! Requests as JSON.

use serde::Serialize;

use domain::requests::RequestDocument;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    requests: Vec<RequestDocument<'a>>,
}

impl<'a> Document<'a> {
    /// Of these requests.
    pub(super) fn new(requests: Vec<RequestDocument<'a>>) -> Self {
        Self { schema: "taffrail/requests/1", requests }
    }
}

/// What `--follow --json` prints: one on each line.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    schema: &'static str,
    #[serde(flatten)]
    request: RequestDocument<'a>,
}

impl<'a> Line<'a> {
    /// Of this request.
    pub(super) fn new(request: RequestDocument<'a>) -> Self {
        Self { schema: "taffrail/request/1", request }
    }
}
