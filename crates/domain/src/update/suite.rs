//! The course of a suite: model by model, prompt by prompt, then the judge. `advance` is called after whatever happened.

use std::sync::Arc;

use wire::{Finish, Message, Prompt as Asked, Role};

mod answers;
mod helpers;

use super::common::{generate, next_id, now_ms};
use super::history;
use super::job::{self, Question, Readiness};
use super::request::RequestOptions;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::lab::job::JobSession;
use crate::lab::suite::Prompt;
use crate::lab::suite::check::Check;
use crate::lab::suite::run::{Failure, Judge, JudgeStage, Phase, Recalled, Stage, SuiteOrder, SuiteRun};
use crate::request::Client;
use crate::request::form::Form;
use crate::session::End;
use crate::state::Domain;
use answers::{Taken, answered, asking, entry, keep, taken};

/// What a judge may say.
const YES_NO: &str = r#"root ::= "yes" | "no""#;
/// Tokens of a judge's word.
const MAX_JUDGED: &str = "8";

/// Begin a run: with what earlier ones have answered.
pub(super) fn start(domain: &mut Domain, order: SuiteOrder) -> Result<Vec<Effect>, Refused> {
    if let Some(refused) = job::running(domain) {
        return Err(refused);
    }
    if order.models.is_empty() {
        return Err(Refused::new(Cause::Invalid, "choose a model to ask first"));
    }
    generate(order.models.iter().chain(&order.judge).map(Arc::as_ref))?;
    if let Some(name) = order.suite.suite.judge.as_ref().filter(|_| order.judge.is_none()) {
        return Err(Refused::new(Cause::NotFound, format!("the suite's judge, `{name}`, was not found")));
    }
    if let Some(old) = domain.suite.take() {
        job::forget(domain, old.models.iter().map(|one| &one.session).chain([&old.judge.session]));
    }
    let run = SuiteRun::new(next_id(domain), domain.now, order);
    let effect = Effect::LoadAnswers { run: run.id, order: Box::new(run.order.clone()) };
    domain.suite = Some(Box::new(run));
    Ok(vec![effect])
}

/// End the run; what was answered stays, and is kept for the next one.
pub(super) fn cancel(domain: &mut Domain) -> Vec<Effect> {
    let Some(run) = domain.suite.as_mut().filter(|run| !run.is_over()) else { return Vec::new() };
    run.is_cancelled = true;
    let judge = matches!(run.judge.stage, JudgeStage::Judging { .. }).then_some(&run.judge.session);
    let answering = run.models.iter().filter(|one| matches!(one.stage, Stage::Answering(_))).map(|one| &one.session);
    let helpers = run.models.iter().flat_map(|one| &one.helpers).filter(|helper| helper.prompt.is_some());
    let helpers = helpers.map(|helper| &helper.session);
    let busy: Vec<JobSession> = answering.chain(judge).chain(helpers).cloned().collect();
    busy.iter().flat_map(|session| job::cancel(domain, session)).collect()
}

/// What earlier runs have answered is there, in the order of the models; or why it can't be had.
pub(super) fn recalled(domain: &mut Domain, id: u64, result: Result<Vec<Recalled>, String>) {
    let Some(run) = domain.suite.as_mut().filter(|run| run.id == id && run.phase == Phase::Recalling) else { return };
    match result {
        Ok(known) => {
            for (one, Recalled { name, answers }) in run.models.iter_mut().zip(known) {
                (one.kept_as, one.answers) = (name, answers);
                let is_open = |prompt: &&Prompt| one.answer(&prompt.id).is_none();
                one.n_open = run.order.suite.suite.prompts.iter().filter(is_open).count();
            }
            run.phase = Phase::Asking;
        }
        Err(reason) => run.phase = Phase::Failed(Failure { reason, hint: None, cause: None }),
    }
}

/// An answer was written down, or why not.
pub(super) fn kept(domain: &mut Domain, id: u64, error: Option<String>) {
    if let Some(run) = domain.suite.as_mut().filter(|run| run.id == id) {
        run.n_writing = run.n_writing.saturating_sub(1);
        if error.is_some() {
            run.warning = error;
        }
    }
}

/// Take the next steps.
pub(super) fn advance(domain: &mut Domain) -> Vec<Effect> {
    let Some(mut run) = domain.suite.take() else { return Vec::new() };
    let mut effects = Vec::new();
    if run.phase == Phase::Asking {
        for place in 0..run.models.len() {
            effects.extend(step(domain, &mut run, place));
            effects.extend(helpers::advance(domain, &mut run, place));
        }
        if run.models.iter().all(|one| one.is_over() && helpers::have_left(domain, one)) && run.n_writing == 0 {
            let is_judged = run.is_cancelled || run.asked().all(|one| one.to_judge.is_empty());
            run.phase = if is_judged { Phase::Done } else { Phase::Judging };
            if is_judged {
                effects.extend(end(domain, &mut run));
            }
        }
    }
    if run.phase == Phase::Judging {
        effects.extend(judge(domain, &mut run));
    }
    if run.phase == Phase::Recalling && run.is_cancelled {
        run.phase = Phase::Cancelled;
    }
    domain.suite = Some(run);
    effects
}

/// All is answered: keep it, unless it was known before.
fn end(domain: &mut Domain, run: &mut SuiteRun) -> Vec<Effect> {
    if run.is_cancelled {
        run.phase = Phase::Cancelled;
        return Vec::new();
    }
    run.phase = Phase::Done;
    if run.asked().any(|one| one.n_asked > 0) {
        let record = run.results().record(now_ms(domain));
        return history::remember(domain, record, run.at.uptime, None);
    }
    Vec::new()
}

/// The next step of a model.
fn step(domain: &mut Domain, run: &mut SuiteRun, place: usize) -> Vec<Effect> {
    match run.models[place].stage {
        Stage::Waiting => {
            let mut effects = enter(domain, run, place);
            // A session that is loaded already can be asked at once.
            if run.models[place].stage == Stage::Loading {
                effects.extend(ask(domain, run, place));
            }
            effects
        }
        Stage::Loading | Stage::Ready => ask(domain, run, place),
        Stage::Answering(prompt) => {
            let mut effects = take(domain, run, place, prompt);
            // Where nothing is written down, the next prompt follows at once.
            if run.models[place].stage == Stage::Ready {
                effects.extend(ask(domain, run, place));
            }
            effects
        }
        Stage::Unloading => {
            if helpers::have_left(domain, &run.models[place]) {
                run.models[place].stage = Stage::Done;
            }
            Vec::new()
        }
        Stage::Done | Stage::Cancelled | Stage::Failed(_) => Vec::new(),
    }
}

/// Where it is its turn, a model gets its session.
fn enter(domain: &mut Domain, run: &mut SuiteRun, place: usize) -> Vec<Effect> {
    let (before, rest) = run.models.split_at_mut(place);
    let one = &mut rest[0];
    if one.next(&run.order.suite.suite).is_none() {
        one.stage = Stage::Done;
        return Vec::new();
    }
    if run.is_cancelled {
        one.stage = Stage::Cancelled;
        return Vec::new();
    }
    // On a cluster no model takes another one's machine.
    let is_here = run.order.settings.on.is_here();
    let is_its_turn = before.iter().all(|one| one.is_over() && helpers::have_left(domain, one));
    // Without a reading of the memory nothing is admitted.
    if is_here && (!is_its_turn || domain.machine.sample.is_none()) {
        return Vec::new();
    }
    match helpers::enter(domain, run, place) {
        Ok(effects) => {
            run.models[place].stage = Stage::Loading;
            effects
        }
        Err(Refused { reason, hint, cause }) => {
            run.models[place].fail(Failure { reason, hint, cause: Some(cause) });
            Vec::new()
        }
    }
}

/// Ask a model that is loaded its next prompt; without one it makes room.
fn ask(domain: &mut Domain, run: &mut SuiteRun, place: usize) -> Vec<Effect> {
    let one = &mut run.models[place];
    if run.is_cancelled {
        one.stage = Stage::Cancelled;
        return job::leave(domain, &one.session);
    }
    let suite = &run.order.suite.suite;
    let next = one.next(suite).and_then(|next| Some((next, suite.prompts.get(next)?)));
    if next.is_none() && one.helpers.iter().any(|helper| helper.prompt.is_some()) {
        return Vec::new();
    }
    match job::readiness(domain, &one.session) {
        // One that waits for its job is not waited for once the others have answered all.
        Readiness::Loading if next.is_none() => {}
        Readiness::Loading => return Vec::new(),
        Readiness::Lost(reason, hint) => {
            let mut effects = Vec::new();
            if !helpers::take_over(one) {
                one.fail(Failure { reason, hint, cause: None });
                effects.extend(helpers::leave(domain, one));
            }
            return effects;
        }
        Readiness::Ready => {}
    }
    one.stage = Stage::Ready;
    let Some((next, prompt)) = next else {
        one.stage = Stage::Unloading;
        return job::leave(domain, &one.session);
    };
    if run.n_writing > 0 {
        return Vec::new();
    }
    one.stage = Stage::Answering(next);
    let question = asking(&run.order, prompt);
    let mut effects = Vec::new();
    // What is left of an earlier conversation would flatter the figures of the first answer.
    if one.n_asked == 0 && !one.session.is_own {
        effects.extend(job::clear_cache(domain, &one.session));
    }
    one.n_asked += 1;
    effects.extend(job::ask(domain, &mut one.session, question));
    effects
}

/// Take a model's answer once it has ended, check it and keep it.
fn take(domain: &mut Domain, run: &mut SuiteRun, place: usize, prompt: usize) -> Vec<Effect> {
    let session = run.models[place].session.clone();
    let Some(taken) = taken(domain, run, &session) else { return Vec::new() };
    let one = &mut run.models[place];
    match taken {
        Taken::Cancelled => {
            one.stage = Stage::Cancelled;
            job::leave(domain, &one.session)
        }
        Taken::Lost(failure) => {
            // The prompt is open again: a session that is left or comes back answers it.
            one.stage = Stage::Loading;
            match job::readiness(domain, &one.session) {
                Readiness::Lost(..) if helpers::take_over(one) => Vec::new(),
                Readiness::Lost(..) => {
                    one.fail(failure);
                    let mut effects = job::leave(domain, &one.session);
                    effects.extend(helpers::leave(domain, one));
                    effects
                }
                _ => Vec::new(),
            }
        }
        Taken::Failed(failure) => {
            one.fail(failure);
            let mut effects = job::leave(domain, &one.session);
            effects.extend(helpers::leave(domain, one));
            effects
        }
        Taken::Answer(request) => {
            one.stage = Stage::Ready;
            answered(domain, run, place, prompt, (&session, &request))
        }
    }
}

/// The next step of the judge.
fn judge(domain: &mut Domain, run: &mut SuiteRun) -> Vec<Effect> {
    match run.judge.stage {
        JudgeStage::Waiting => {
            let Some(model) = &run.order.judge else { return end(domain, run) };
            let mut settings = domain.settings.session;
            // Both are right for every session.
            let _ = settings.set("temperature", "0");
            let _ = settings.set("max_tokens", MAX_JUDGED);
            match job::enter(domain, &entry(model, settings), &[], run.order.force) {
                Ok((session, effects)) => {
                    run.judge = Judge { session, stage: JudgeStage::Loading };
                    effects
                }
                Err(Refused { reason, hint, cause }) => {
                    run.phase = Phase::Failed(Failure { reason, hint, cause: Some(cause) });
                    Vec::new()
                }
            }
        }
        JudgeStage::Loading | JudgeStage::Ready => ask_judge(domain, run),
        JudgeStage::Judging { model, check } => {
            let Some(answered) = job::take_answer(domain, &run.judge.session) else { return Vec::new() };
            let turn = answered.request.map(|request| request.answer);
            let end = turn.as_ref().and_then(|turn| turn.end.clone());
            let lost = Failure { reason: "its session was stopped".to_owned(), hint: None, cause: None };
            match (turn, end) {
                (None, _) => return judge_lost(domain, run, lost),
                (_, Some(End::Failed { reason, hint })) => {
                    return judge_lost(domain, run, Failure { reason, hint, cause: None });
                }
                (_, Some(End::Finished(Finish::Cancelled))) => {}
                (Some(turn), _) => {
                    let says_yes = turn.text.trim().eq_ignore_ascii_case("yes");
                    if let Some(answer) = run.models[model].to_judge.first_mut() {
                        answer.judge(check, says_yes);
                    }
                    run.judge.stage = JudgeStage::Judging { model, check: check + 1 };
                }
            }
            ask_judge(domain, run)
        }
        JudgeStage::Unloading if job::has_left(domain, &run.judge.session) && run.n_writing == 0 => end(domain, run),
        JudgeStage::Unloading => Vec::new(),
    }
}

/// The judge can't go on, and neither can the run.
fn judge_lost(domain: &mut Domain, run: &mut SuiteRun, failure: Failure) -> Vec<Effect> {
    let name = run.order.judge.as_ref().map_or("", |judge| judge.name.as_str());
    run.phase = Phase::Failed(Failure { reason: format!("{name}: {}", failure.reason), ..failure });
    job::leave(domain, &run.judge.session)
}

/// Have the judge look at the next check; after the last one it makes room.
fn ask_judge(domain: &mut Domain, run: &mut SuiteRun) -> Vec<Effect> {
    match job::readiness(domain, &run.judge.session) {
        Readiness::Loading => return Vec::new(),
        Readiness::Lost(reason, hint) => return judge_lost(domain, run, Failure { reason, hint, cause: None }),
        Readiness::Ready => {}
    }
    let mut effects = Vec::new();
    let mut from = match run.judge.stage {
        JudgeStage::Judging { check, .. } => check,
        _ => 0,
    };
    while !run.is_cancelled
        && let Some(place) = run.models.iter().position(|one| one.stage == Stage::Done && !one.to_judge.is_empty())
    {
        if let Some((check, prompt)) = question(run, place, from) {
            run.judge.stage = JudgeStage::Judging { model: place, check };
            let sampling = wire::Sampling { temperature: Some(0.0), ..domain.settings.session.sampling };
            let ask = RequestOptions {
                max_tokens: MAX_JUDGED.parse().ok(),
                sampling,
                n_top_logprobs: 0,
                logit_bias: Vec::new(),
                credits: None,
            };
            let form = Some(Form::Gbnf(YES_NO.to_owned()));
            let question = Question { client: Client::Suite, prompt, ask, form, stop: Vec::new() };
            effects.extend(job::ask(domain, &mut run.judge.session, question));
            return effects;
        }
        // All checks of this answer are done.
        let answer = run.models[place].to_judge.remove(0);
        effects.push(keep(run, place, answer));
        from = 0;
    }
    run.judge.stage = JudgeStage::Unloading;
    effects.extend(job::leave(domain, &run.judge.session));
    effects
}

/// What the judge is asked of a model's first answer that waits, from this check on.
fn question(run: &SuiteRun, place: usize, from: usize) -> Option<(usize, Asked)> {
    let answer = run.models[place].to_judge.first()?;
    let prompt = run.suite().prompts.iter().find(|prompt| prompt.id == answer.prompt)?;
    prompt.checks.iter().enumerate().skip(from).find_map(|(check, wanted)| {
        let Check::Judge { question } = wanted else { return None };
        let text = format!(
            "You judge an answer. The question to it was:\n{}\n\nThe answer was:\n{}\n\n{question}\nSay yes or no.",
            prompt.text, answer.text
        );
        Some((check, Asked::from(vec![Message::new(Role::User, text)])))
    })
}
