//! Requests that have ended and that their sessions know no longer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::row::{RequestState, Row};
use crate::Moment;
use crate::ask::{Asker, Priority};
use crate::figure::Figure;
use crate::request::{Client, Figures, Request, RequestId};
use crate::session::{End, Session, SessionId};

/// The most characters that are kept of how a program names itself, and of why a request failed.
const MAX_TEXT: usize = 200;

/// A request that has ended, without its texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedRequest {
    id: RequestId,
    session: SessionId,
    model: String,
    model_id: String,
    kind: Client,
    asker: Option<Asker>,
    priority: Priority,
    state: RequestState,
    end: Option<End>,
    calls_tools: bool,
    since: Moment,
    started: Option<Moment>,
    first_token: Option<Moment>,
    ended: Option<Moment>,
    n_prompt: Option<u32>,
    figures: Figures,
}

impl EndedRequest {
    fn of(session: &Session, request: &Request) -> Self {
        let row = Row::of(session, request);
        let asker = row.asker.map(|asker| Asker {
            name: gguf::clean(&asker.name, MAX_TEXT),
            agent: gguf::clean(&asker.agent, MAX_TEXT),
            api: asker.api,
        });
        let end = row.end.map(|end| match end {
            End::Failed { reason, hint } => End::Failed {
                reason: gguf::clean(reason, MAX_TEXT),
                hint: hint.as_ref().map(|hint| gguf::clean(hint, MAX_TEXT)),
            },
            end @ End::Finished(_) => end.clone(),
        });
        Self {
            id: row.id,
            session: row.session,
            model: row.model.to_owned(),
            model_id: row.model_id.to_owned(),
            kind: row.kind,
            asker,
            priority: row.priority,
            state: row.state,
            end,
            calls_tools: row.calls_tools,
            since: row.since,
            started: row.started,
            first_token: row.first_token,
            ended: row.ended,
            n_prompt: row.n_prompt,
            figures: row.figures.clone(),
        }
    }

    fn row(&self) -> Row<'_> {
        Row {
            id: self.id,
            session: self.session,
            model: &self.model,
            model_id: &self.model_id,
            kind: self.kind,
            asker: self.asker.as_ref(),
            priority: self.priority,
            state: self.state,
            end: self.end.as_ref(),
            calls_tools: self.calls_tools,
            since: self.since,
            started: self.started,
            first_token: self.first_token,
            ended: self.ended,
            n_prompt: self.n_prompt,
            figures: &self.figures,
        }
    }
}

/// The last requests that have ended and left their sessions, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EndedRequests(VecDeque<EndedRequest>);

impl EndedRequests {
    /// The most that are kept, over all sessions: some screens full. The oldest goes first.
    pub const MAX: usize = 200;

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which came last.
    pub fn last(&self) -> Option<RequestId> {
        self.0.back().map(|request| request.id)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.0.iter().map(EndedRequest::row)
    }

    /// Keep what is told of a request that its session forgets.
    pub(crate) fn push(&mut self, session: &Session, request: &Request) {
        if request.is_open() {
            return;
        }
        while self.0.len() >= Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back(EndedRequest::of(session, request));
    }

    /// The figures of those of a session whose energy is not all booked yet.
    pub(crate) fn unsettled(&mut self, session: SessionId) -> impl Iterator<Item = &mut Figures> {
        let of = self.0.iter_mut().filter(move |request| request.session == session);
        of.map(|request| &mut request.figures).filter(|figures| !figures.is_settled)
    }

    /// A session is gone: what is not booked to its requests never will be, and a part of an energy is not the energy.
    pub(crate) fn session_gone(&mut self, session: SessionId) {
        for figures in self.unsettled(session) {
            figures.energy_account = crate::energy::EnergyAccount::default();
            figures.energy = Figure::unknown("its session ended before its energy was booked");
            figures.is_settled = true;
        }
    }
}
