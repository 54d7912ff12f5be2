//! The course of scoring a text: chunk by chunk, the reference first, with whose distributions the model's are then
//! compared. Only one chunk's distributions lie on the disk at any time.

use wire::{Distributions, Request, Score, Scored};

use super::common::{generate, next_id, notify};
use super::job::{self, Readiness};
use super::{race, session};
use crate::command::{Cause, Force, Refused};
use crate::effect::Effect;
use crate::lab::job::JobSession;
use crate::lab::perplexity::{PerplexityOrder, PerplexityRun, Stage};
use crate::lab::race::Entry;
use crate::state::Domain;

/// End what is being scored.
pub(super) fn cancel(domain: &mut Domain) -> Vec<Effect> {
    match &domain.perplexity {
        Some(run) if !run.is_over() => fail(domain, "it was cancelled".to_owned(), None),
        _ => Vec::new(),
    }
}

/// The models are needed no more.
fn end(domain: &mut Domain) -> Vec<Effect> {
    let Some(run) = &domain.perplexity else { return Vec::new() };
    let sessions = run.sessions().cloned().collect::<Vec<_>>();
    let mut effects = vec![Effect::RemoveTempDir];
    for session in sessions {
        effects.extend(job::leave(domain, &session));
    }
    effects
}

/// Score a text. Without a file for the distributions a private folder is made first.
pub(super) fn start(domain: &mut Domain, order: PerplexityOrder) -> Result<Vec<Effect>, Refused> {
    if let Some(refused) = job::running(domain) {
        return Err(refused);
    }
    for entry in [Some(&order.model), order.reference.as_ref()].into_iter().flatten() {
        generate([&*entry.model])?;
        session::may_start(&entry.model, Force::No)?;
        session::has_devices(domain, &entry.settings)?;
    }
    // The one writes whole distributions to a file, and the other reads them.
    if order
        .reference
        .as_ref()
        .is_some_and(|reference| !(reference.settings.on.is_here() && order.model.settings.on.is_here()))
    {
        let reason = "a text is compared with a reference on this machine only: both models share a file in its memory";
        return Err(Refused::new(Cause::Invalid, reason).with_hint("leave out --on, or the reference"));
    }
    if let Some(shortfall) = memory_shortfall(domain, &order) {
        let hint = "a smaller model or reference, or --set budget.reserve=0, leaves more room";
        return Err(Refused::new(Cause::MemoryTogether, shortfall).with_hint(hint));
    }
    let earlier = domain.perplexity.take();
    job::forget(domain, earlier.iter().flat_map(|run| run.sessions()));
    if order.file.as_os_str().is_empty() {
        return Ok(vec![Effect::TempDir(Box::new(order))]);
    }
    Ok(begin(domain, order))
}

/// Why its models don't fit in memory. Each gets a session of its own, also where one has the model loaded.
fn memory_shortfall(domain: &Domain, order: &PerplexityOrder) -> Option<String> {
    let entries: Vec<&Entry> = [Some(&order.model), order.reference.as_ref()].into_iter().flatten().collect();
    race::memory_shortfall_of(domain, &entries)
}

/// The folder for the distributions is there. What was free when the text was given may be taken by now.
pub(super) fn prepared(domain: &mut Domain, order: PerplexityOrder) -> Vec<Effect> {
    if domain.perplexity.as_ref().is_some_and(|run| !run.is_over()) {
        notify(domain, "another text is being scored", true);
        return Vec::new();
    }
    if let Some(refused) = job::running(domain) {
        notify(domain, refused.reason, true);
        return vec![Effect::RemoveTempDir];
    }
    if let Some(shortfall) = memory_shortfall(domain, &order) {
        notify(domain, shortfall, true);
        return vec![Effect::RemoveTempDir];
    }
    begin(domain, order)
}

/// Start both models.
fn begin(domain: &mut Domain, order: PerplexityOrder) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut open = |domain: &mut Domain, entry: &Entry| {
        let id = session::create(domain, entry.model.clone(), entry.settings);
        effects.extend(session::spawn(domain, id));
        session::measures(domain, id);
        JobSession { id: Some(id), is_own: true, request: None }
    };
    let model = open(domain, &order.model);
    let reference = order.reference.as_ref().map(|entry| open(domain, entry));
    domain.perplexity = Some(Box::new(PerplexityRun::new(order, (model, reference), Stage::Loading)));
    effects
}

/// Look where the sessions are, and begin once both are loaded.
pub(super) fn advance(domain: &mut Domain) -> Vec<Effect> {
    let Some(run) = domain.perplexity.as_ref().filter(|run| !run.is_over()) else { return Vec::new() };
    let mut are_ready = true;
    let mut failure = None;
    // One that was restarted has lost its question.
    let measures = |id| domain.session(id).is_some_and(|session| session.measures == Some(run.request));
    if run.asked.is_some_and(|id| !measures(id)) {
        failure = Some((job::RESTARTED.to_owned(), None));
    }
    for session in run.sessions() {
        match job::readiness(domain, session) {
            Readiness::Ready => {}
            Readiness::Lost(reason, hint) => failure = Some((reason, hint)),
            Readiness::Loading => are_ready = false,
        }
    }
    if let Some((reason, hint)) = failure {
        return fail(domain, reason, hint);
    }
    if are_ready && run.stage == Stage::Loading {
        let next = if run.sessions.1.is_some() { Stage::Reference } else { Stage::Model };
        return ask(domain, next);
    }
    Vec::new()
}

/// Have the next one read the chunk.
fn ask(domain: &mut Domain, next: Stage) -> Vec<Effect> {
    let request = next_id(domain);
    let Some(run) = &mut domain.perplexity else { return Vec::new() };
    run.request = request;
    let file = run.order.file.clone();
    let (session, distributions) = match (&next, &run.sessions) {
        (Stage::Reference, (_, Some(reference))) => (reference, Distributions::Write(file)),
        (_, (model, Some(_))) => (model, Distributions::Compare(file)),
        (_, (model, None)) => (model, Distributions::Drop),
    };
    run.asked = session.id;
    let text = (run.chunk == 0).then(|| run.order.text.clone());
    let PerplexityOrder { n_chunk, every, .. } = run.order;
    let score = Score { id: request, text, n_chunk, chunk: run.chunk, every, distributions };
    run.stage = next;
    let asked = run.asked;
    asked.map_or_else(Vec::new, |id| job::measure(domain, id, request, Request::Score(score)))
}

/// A chunk was weighed.
pub(super) fn scored(domain: &mut Domain, scored: Scored) -> Vec<Effect> {
    let Some(run) = domain.perplexity.as_mut().filter(|run| run.request == scored.id) else {
        return Vec::new();
    };
    run.asked = None;
    match run.stage {
        Stage::Reference => {
            run.vocabulary = Some(scored.vocabulary);
            run.reference.push(scored);
            ask(domain, Stage::Model)
        }
        Stage::Model => {
            if run.vocabulary.is_some_and(|vocabulary| vocabulary != scored.vocabulary) {
                let reason = "the two models have different vocabularies, so their distributions can't be compared";
                let hint = "take a reference of the same family, or leave it out for the perplexity alone";
                return fail(domain, reason.to_owned(), Some(hint.to_owned()));
            }
            let most = run.order.max_chunks.unwrap_or(u32::MAX).min(scored.n_chunks);
            run.n_chunks = Some(most);
            run.model.push(scored);
            run.chunk += 1;
            if run.chunk >= most {
                run.stage = Stage::Done;
                return end(domain);
            }
            let next = if run.sessions.1.is_some() { Stage::Reference } else { Stage::Model };
            ask(domain, next)
        }
        _ => Vec::new(),
    }
}

/// A worker could not do what it was asked, which may have been to weigh a chunk.
pub(super) fn failed(domain: &mut Domain, id: u64, message: &str, hint: Option<&str>) -> Vec<Effect> {
    if domain.perplexity.as_ref().is_some_and(|run| run.request == id && !run.is_over()) {
        // A reference that has another vocabulary leaves a file of another length.
        return fail(domain, message.to_owned(), hint.map(str::to_owned));
    }
    Vec::new()
}

fn fail(domain: &mut Domain, reason: String, hint: Option<String>) -> Vec<Effect> {
    if let Some(run) = &mut domain.perplexity {
        run.stage = Stage::Failed { reason, hint };
    }
    end(domain)
}
