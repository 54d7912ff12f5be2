//! The course of weighing a text: chunk by chunk, the reference first, whose distributions the model is then held
//! against. Only one chunk's distributions lie on the disk at any time.

use std::path::PathBuf;

use wire::{Distributions, Request, Score, Scored};

use super::{next_id, notify, race, session};
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::quality::{CHUNK, Quality, QualityOrder, Stage};
use crate::race::{Entry, Face, same_vocabulary};
use crate::session::{Phase, SessionId};
use crate::state::State;

/// Chunks of a prompt that are weighed: some pages of text.
const MAX_CHUNKS: u32 = 8;

/// Weigh the prompt by the chosen column against the other and show it, then the prompt with the chosen column's answer,
/// then the answers again.
pub(super) fn turn(state: &mut State) -> Vec<Effect> {
    match (state.ui.race.face, state.ui.race.with_answer) {
        (Face::Heat, false) if state.race_chosen_answer().is_some() => {
            state.ui.race.with_answer = true;
            again(state)
        }
        (Face::Heat, _) => leave(state),
        _ => {
            state.ui.race.with_answer = false;
            weigh(state)
        }
    }
}

fn weigh(state: &mut State) -> Vec<Effect> {
    let races = &state.ui.race;
    let mut text =
        state.domain.race.as_ref().map_or_else(|| races.prompt.text(), |race| &race.prompt).trim().to_owned();
    if let Some(answer) = state.race_chosen_answer().filter(|_| races.with_answer) {
        text.push_str("\n\n");
        text.push_str(answer);
    }
    let refusal = match (state.race_entry(races.chosen), state.race_entry(races.other)) {
        _ if state.domain.is_racing() => "wait for the end of the race".to_owned(),
        _ if state.domain.race.as_ref().is_some_and(|race| race.hides_names()) => {
            "vote first: the names are hidden".to_owned()
        }
        _ if text.is_empty() => "write a prompt first: its text is scored".to_owned(),
        (Some(model), Some(reference)) if races.chosen != races.other => {
            if same_vocabulary(&model.model, &reference.model) {
                return show(state, &model, &reference, text);
            }
            let (one, other) = (&model.model.name, &reference.model.name);
            format!("{one} and {other} have different vocabularies, so their distributions can't be compared")
        }
        _ => "two columns are needed to compare them".to_owned(),
    };
    notify(state, refusal, true);
    Vec::new()
}

fn show(state: &mut State, model: &Entry, reference: &Entry, text: String) -> Vec<Effect> {
    let entry = |entry: &Entry| {
        let mut entry = entry.clone();
        entry.settings.context = CHUNK;
        entry.settings.ubatch = entry.settings.ubatch.min(CHUNK);
        entry
    };
    let order = QualityOrder {
        model: entry(model),
        reference: Some(entry(reference)),
        text,
        n_chunk: CHUNK,
        max_chunks: Some(MAX_CHUNKS),
        every: true,
        file: PathBuf::new(),
    };
    state.ui.race.face = Face::Heat;
    state.ui.race.diff = None;
    state.ui.race.scroll = Some(0);
    let is_known = state.domain.quality.as_ref().is_some_and(|quality| {
        quality.stage == Stage::Done && QualityOrder { file: PathBuf::new(), ..quality.order.clone() } == order
    });
    if is_known {
        return Vec::new();
    }
    state.domain.quality = None;
    vec![Effect::Scratch(Box::new(order))]
}

/// Show the answers again. What is being weighed ends.
pub(super) fn leave(state: &mut State) -> Vec<Effect> {
    state.ui.race.face = Face::Answers;
    match &state.domain.quality {
        Some(quality) if !quality.is_over() => fail(state, "it was left".to_owned(), None),
        _ => Vec::new(),
    }
}

/// What is weighed, or by whom, changes while this shows.
pub(super) fn again(state: &mut State) -> Vec<Effect> {
    let mut effects = leave(state);
    effects.extend(weigh(state));
    effects
}

/// The models are needed no more.
fn end(state: &mut State) -> Vec<Effect> {
    let Some(quality) = &state.domain.quality else { return Vec::new() };
    let sessions: Vec<SessionId> = [Some(quality.sessions.0), quality.sessions.1].into_iter().flatten().collect();
    let mut effects = vec![Effect::Sweep];
    for id in sessions {
        effects.extend(session::stop_one(state, id));
    }
    effects
}

/// The folder for a text's distributions is there.
pub(super) fn begin(state: &mut State, order: QualityOrder) -> Vec<Effect> {
    match start(state, order) {
        Ok(effects) => effects,
        Err(refused) => {
            state.ui.race.face = Face::Answers;
            notify(state, refused.reason, true);
            vec![Effect::Sweep]
        }
    }
}

/// Start both models.
pub(super) fn start(state: &mut State, order: QualityOrder) -> Result<Vec<Effect>, Refused> {
    if state.domain.quality.as_ref().is_some_and(|quality| !quality.is_over()) {
        return Err(Refused::new(Cause::Busy, "another text is being scored"));
    }
    let entries: Vec<_> = [Some(order.model.clone()), order.reference.clone()].into_iter().flatten().collect();
    if let Some(excess) = race::excess(state, &entries) {
        let hint = "a smaller model or reference, or --set budget.reserve=0, leaves more room";
        return Err(Refused::new(Cause::MemoryTogether, excess).with_hint(hint));
    }
    let mut effects = Vec::new();
    let mut open = |state: &mut State, entry: &Entry| -> SessionId {
        let id = session::create(state, entry.model.clone(), entry.settings);
        effects.extend(session::spawn(state, id));
        id
    };
    let model = open(state, &order.model);
    let reference = order.reference.as_ref().map(|entry| open(state, entry));
    state.domain.quality = Some(Box::new(Quality::begun(order, (model, reference), Stage::Loading)));
    Ok(effects)
}

/// Look where the sessions are, and begin once both are loaded.
pub(super) fn advance(state: &mut State) -> Vec<Effect> {
    let Some(quality) = state.domain.quality.as_ref().filter(|quality| !quality.is_over()) else { return Vec::new() };
    let sessions: Vec<SessionId> = [Some(quality.sessions.0), quality.sessions.1].into_iter().flatten().collect();
    let mut are_ready = true;
    let mut failure = None;
    for id in sessions {
        match state.domain.session(id).map(|session| &session.phase) {
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
    let Some(quality) = &mut state.domain.quality else { return Vec::new() };
    quality.request = request;
    let file = quality.order.file.clone();
    let (session, distributions) = match (&next, quality.sessions) {
        (Stage::Reference, (_, Some(reference))) => (reference, Distributions::Write(file)),
        (_, (model, Some(_))) => (model, Distributions::Compare(file)),
        (_, (model, None)) => (model, Distributions::Drop),
    };
    let text = (quality.chunk == 0).then(|| quality.order.text.clone());
    let QualityOrder { n_chunk, every, .. } = quality.order;
    let score = Score { id: request, text, n_chunk, chunk: quality.chunk, every, distributions };
    quality.stage = next;
    let now = state.domain.now.uptime;
    let Some(session) = session::find(state, session) else { return Vec::new() };
    // It is work as an answer is: no idle power, and no stranger's.
    session.timer.begin(request, now);
    Some(session.worker).map(|worker| Effect::Tell { worker, request: Request::Score(score) }).into_iter().collect()
}

/// The sessions have done what this request asked.
fn rest(state: &mut State, request: u64) {
    let now = state.domain.now.uptime;
    let Some(quality) = state.domain.quality.as_ref().filter(|quality| quality.request == request) else { return };
    for id in [Some(quality.sessions.0), quality.sessions.1].into_iter().flatten() {
        if let Some(session) = session::find(state, id) {
            session.timer.end(now);
        }
    }
}

/// A chunk was weighed.
pub(super) fn scored(state: &mut State, scored: Scored) -> Vec<Effect> {
    rest(state, scored.id);
    let Some(quality) = state.domain.quality.as_mut().filter(|quality| quality.request == scored.id) else {
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
                return end(state);
            }
            let next = if quality.sessions.1.is_some() { Stage::Reference } else { Stage::Model };
            ask(state, next)
        }
        _ => Vec::new(),
    }
}

/// A worker could not do what it was asked, which may have been to weigh a chunk.
pub(super) fn failed(state: &mut State, id: u64, message: &str, hint: Option<&str>) -> Vec<Effect> {
    rest(state, id);
    if state.domain.quality.as_ref().is_some_and(|quality| quality.request == id && !quality.is_over()) {
        // A reference that has another vocabulary leaves a file of another length.
        return fail(state, message.to_owned(), hint.map(str::to_owned));
    }
    Vec::new()
}

fn fail(state: &mut State, reason: String, hint: Option<String>) -> Vec<Effect> {
    if let Some(quality) = &mut state.domain.quality {
        quality.stage = Stage::Failed { reason, hint };
    }
    end(state)
}
