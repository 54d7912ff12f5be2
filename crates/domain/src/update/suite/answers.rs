//! How a prompt of a suite is asked, and what came of it.

use std::sync::Arc;

use wire::{Finish, Message, Prompt as Asked, Role};

use crate::admission;
use crate::effect::Effect;
use crate::lab::job::JobSession;
use crate::lab::race::Entry;
use crate::lab::suite::Prompt;
use crate::lab::suite::answer::Answer;
use crate::lab::suite::run::{Failure, ModelRun, Stage, SuiteOrder, SuiteRun};
use crate::model::Model;
use crate::request::{Client, Request};
use crate::session::{End, Phase};
use crate::settings::SessionSettings;
use crate::state::Domain;
use crate::update::job::{self, Question};
use crate::update::request::RequestOptions;

/// How a model of a suite runs.
pub(super) fn entry(model: &Arc<Model>, settings: SessionSettings) -> Entry {
    Entry { model: Arc::clone(model), settings: admission::settings_for(model, settings) }
}

/// How a prompt is asked.
pub(super) fn asking(order: &SuiteOrder, prompt: &Prompt) -> Question {
    let settings = order.settings;
    let max_tokens = settings.max_tokens.map_or(prompt.max_tokens, |most| most.min(prompt.max_tokens));
    Question {
        client: Client::Suite,
        prompt: chat(prompt),
        ask: RequestOptions {
            max_tokens: Some(max_tokens),
            sampling: settings.sampling,
            n_top_logprobs: 0,
            logit_bias: Vec::new(),
            credits: None,
        },
        form: prompt.form.clone(),
        stop: order.stop.clone(),
    }
}

fn chat(prompt: &Prompt) -> Asked {
    let system = prompt.system.iter().map(|text| Message::new(Role::System, text));
    system.chain([Message::new(Role::User, &prompt.text)]).collect()
}

/// What came of a prompt.
pub(super) enum Taken {
    Answer(Box<Request>),
    /// The node that it was asked on is gone: another one can be asked.
    Lost(Failure),
    Failed(Failure),
    Cancelled,
}

/// What a session was asked, once it has ended.
pub(super) fn taken(domain: &Domain, run: &SuiteRun, session: &JobSession) -> Option<Taken> {
    let answered = job::take_answer(domain, session)?;
    let is_gone = !run.order.settings.on.is_here()
        && session.id.and_then(|id| domain.session(id)).is_none_or(|session| session.phase != Phase::Ready);
    let failed = |reason: &str, hint: Option<String>| {
        let failure = Failure { reason: reason.to_owned(), hint, cause: None };
        if is_gone && !run.is_cancelled { Taken::Lost(failure) } else { Taken::Failed(failure) }
    };
    Some(match answered.request {
        None if answered.is_lost => failed("its session was stopped", None),
        None => failed("its answer was cleared", None),
        Some(request) => match &request.answer.end {
            Some(End::Failed { reason, hint }) => failed(reason, hint.clone()),
            Some(End::Finished(Finish::Cancelled)) if run.is_cancelled => Taken::Cancelled,
            Some(End::Finished(Finish::Cancelled)) => failed("its answer was cancelled", None),
            _ => Taken::Answer(Box::new(request)),
        },
    })
}

/// Check an answer, and keep it.
pub(super) fn answered(
    domain: &Domain,
    run: &mut SuiteRun,
    place: usize,
    prompt: usize,
    (session, request): (&JobSession, &Request),
) -> Vec<Effect> {
    let SuiteRun { models, order, .. } = run;
    let (one, suite) = (&mut models[place], &order.suite.suite);
    let Some(session) = session.id.and_then(|id| domain.session(id)) else { return Vec::new() };
    let Some(prompt) = suite.prompts.get(prompt) else { return Vec::new() };
    let answer = Answer::of(session, request, prompt, &domain.settings.energy);
    if prompt.wants_judge() {
        one.to_judge.push(answer);
        return Vec::new();
    }
    vec![keep(run, place, answer)]
}

/// Keep an answer that was checked, now and for a later run.
pub(super) fn keep(run: &mut SuiteRun, place: usize, answer: Answer) -> Effect {
    let one = &mut run.models[place];
    one.answers.push(answer.clone());
    run.n_writing += 1;
    Effect::SaveAnswer { run: run.id, name: one.kept_as.clone(), answer: Box::new(answer) }
}

impl ModelRun {
    /// Nothing comes of it.
    pub(in crate::update) fn fail(&mut self, failure: Failure) {
        self.stage = Stage::Failed(failure);
    }
}
