//! The course of weighing a text: chunk by chunk, the reference first, whose distributions the model is then held
//! against. Only one chunk's distributions lie on the disk at any time.

use wire::{Distributions, Request, Score, Scored};

use super::super::effect::Effect;
use super::super::quality::{Quality, QualityOrder, Stage};
use super::super::session::{Phase, SessionId};
use super::super::state::State;
use super::{next_id, race, session};

/// Start both models, or say why not.
pub(super) fn start(state: &mut State, order: QualityOrder) -> Vec<Effect> {
    let entries: Vec<_> = [Some(order.model.clone()), order.reference.clone()].into_iter().flatten().collect();
    let excess = race::excess(state, &entries);
    let mut effects = Vec::new();
    let mut open = |state: &mut State, entry: &super::super::race::Entry| -> SessionId {
        let id = session::create(state, entry.model.clone(), entry.settings);
        effects.extend(session::spawn(state, id));
        id
    };
    let (sessions, begin) = if let Some(reason) = excess {
        let hint = Some("a smaller chunk or reference needs less".to_owned());
        ((SessionId(0), None), Stage::Failed { reason, hint })
    } else {
        let model = open(state, &order.model);
        let reference = order.reference.as_ref().map(|entry| open(state, entry));
        ((model, reference), Stage::Loading)
    };
    state.quality = Some(Box::new(Quality {
        order,
        sessions,
        stage: begin,
        request: 0,
        chunk: 0,
        n_chunks: None,
        vocabulary: None,
        reference: Vec::new(),
        model: Vec::new(),
    }));
    effects
}

/// Look where the sessions are, and begin once both are loaded.
pub(super) fn advance(state: &mut State) -> Vec<Effect> {
    let Some(quality) = state.quality.as_ref().filter(|quality| !quality.is_over()) else { return Vec::new() };
    let sessions: Vec<SessionId> = [Some(quality.sessions.0), quality.sessions.1].into_iter().flatten().collect();
    let mut are_ready = true;
    let mut failure = None;
    for id in sessions {
        match state.session(id).map(|session| &session.phase) {
            Some(Phase::Ready) => {}
            Some(Phase::Failed { reason, hint }) => failure = Some((reason.clone(), hint.clone())),
            None | Some(Phase::Stopping) => failure = Some(("a session was stopped".to_owned(), None)),
            Some(_) => are_ready = false,
        }
    }
    if let Some((reason, hint)) = failure {
        return fail(state, reason, hint);
    }
    if are_ready && quality.stage == Stage::Loading {
        let next = if quality.sessions.1.is_some() { Stage::Reference } else { Stage::Model };
        return ask(state, next);
    }
    Vec::new()
}

/// Have the next one read the chunk.
fn ask(state: &mut State, next: Stage) -> Vec<Effect> {
    let request = next_id(state);
    let Some(quality) = &mut state.quality else { return Vec::new() };
    quality.request = request;
    let file = quality.order.file.clone();
    let (session, distributions) = match (&next, quality.sessions) {
        (Stage::Reference, (_, Some(reference))) => (reference, Distributions::Write(file)),
        (_, (model, Some(_))) => (model, Distributions::Compare(file)),
        (_, (model, None)) => (model, Distributions::Drop),
    };
    let text = (quality.chunk == 0).then(|| quality.order.text.clone());
    let score = Score { id: request, text, n_chunk: quality.order.n_chunk, chunk: quality.chunk, distributions };
    quality.stage = next;
    let worker = state.session(session).map(|session| session.worker);
    worker.map(|worker| Effect::Tell { worker, request: Request::Score(score) }).into_iter().collect()
}

/// A chunk was weighed.
pub(super) fn scored(state: &mut State, scored: Scored) -> Vec<Effect> {
    let Some(quality) = state.quality.as_mut().filter(|quality| quality.request == scored.id) else {
        return Vec::new();
    };
    match quality.stage {
        Stage::Reference => {
            quality.vocabulary = Some(scored.vocabulary);
            quality.reference.push(scored);
            ask(state, Stage::Model)
        }
        Stage::Model => {
            if quality.vocabulary.is_some_and(|vocabulary| vocabulary != scored.vocabulary) {
                let reason = "the two models have different vocabularies, so their distributions can't be compared";
                let hint = "take a reference of the same family, or leave it out for the perplexity alone";
                return fail(state, reason.to_owned(), Some(hint.to_owned()));
            }
            let most = quality.order.max_chunks.unwrap_or(u32::MAX).min(scored.n_chunks);
            quality.n_chunks = Some(most);
            quality.model.push(scored);
            quality.chunk += 1;
            if quality.chunk >= most {
                quality.stage = Stage::Done;
                return Vec::new();
            }
            let next = if quality.sessions.1.is_some() { Stage::Reference } else { Stage::Model };
            ask(state, next)
        }
        _ => Vec::new(),
    }
}

/// A worker could not weigh a chunk. Whether this was about one.
pub(super) fn failed(state: &mut State, id: u64, message: &str, hint: Option<&str>) {
    if state.quality.as_ref().is_some_and(|quality| quality.request == id && !quality.is_over()) {
        // A reference that has another vocabulary leaves a file of another length.
        fail(state, message.to_owned(), hint.map(str::to_owned));
    }
}

fn fail(state: &mut State, reason: String, hint: Option<String>) -> Vec<Effect> {
    if let Some(quality) = &mut state.quality {
        quality.stage = Stage::Failed { reason, hint };
    }
    Vec::new()
}
