//! Several sessions for one model of a suite: jobs of a cluster, among which its prompts are spread.
//!
//! The model's own session comes first, and the others help. A prompt that was asked of one that is lost is open again, so
//! that each is answered once, whatever becomes of a node.

use super::answers::{Taken, answered, asking, entry, taken};
use crate::command::Refused;
use crate::effect::Effect;
use crate::lab::job::JobSession;
use crate::lab::suite::run::{Helper, ModelRun, Stage, SuiteRun};
use crate::session::{Phase, Session, SessionId};
use crate::state::Domain;
use crate::update::job::{self, Readiness};

/// The next steps of the sessions that help a model.
pub(super) fn advance(domain: &mut Domain, run: &mut SuiteRun, place: usize) -> Vec<Effect> {
    let one = &run.models[place];
    match one.stage {
        Stage::Loading | Stage::Ready | Stage::Answering(_) if !run.is_cancelled => {}
        // What they still answer is cancelled, or of no use.
        Stage::Unloading | Stage::Cancelled => {
            let mut effects = Vec::new();
            let one = &mut run.models[place];
            for helper in &mut one.helpers {
                if helper.prompt.take().is_some() {
                    effects.extend(job::cancel(domain, &helper.session));
                }
            }
            effects.extend(leave(domain, &run.models[place]));
            return effects;
        }
        _ => return Vec::new(),
    }
    let mut effects = Vec::new();
    for index in 0..run.models[place].helpers.len() {
        effects.extend(step(domain, run, place, index));
    }
    // One that is lost helps no more; it shows as failed in the list of sessions.
    let is_lost = |helper: &Helper| matches!(job::readiness(domain, &helper.session), Readiness::Lost(..));
    run.models[place].helpers.retain(|helper| !is_lost(helper));
    effects
}

/// Give a model its session, and on a cluster those that help it.
pub(super) fn enter(domain: &mut Domain, run: &mut SuiteRun, place: usize) -> Result<Vec<Effect>, Refused> {
    let taken = sessions(&run.models);
    let entry = entry(&run.models[place].model, run.order.settings);
    if run.order.settings.on.is_here() {
        let (session, effects) = job::enter(domain, &entry, &taken, run.order.force)?;
        run.models[place].session = session;
        return Ok(effects);
    }
    let n_jobs = domain.settings.slurm.suite_jobs.min(u32::try_from(run.models[place].n_open).unwrap_or(u32::MAX));
    let (sessions, effects) = job::enter_all(domain, &entry, n_jobs, &taken, run.order.force)?;
    let mut sessions = sessions.into_iter();
    let one = &mut run.models[place];
    one.session = sessions.next().unwrap_or_default();
    one.helpers = sessions.map(|session| Helper { session, prompt: None }).collect();
    Ok(effects)
}

/// The next step of one that helps.
fn step(domain: &mut Domain, run: &mut SuiteRun, place: usize, index: usize) -> Vec<Effect> {
    let helper = run.models[place].helpers[index].clone();
    if let Some(prompt) = helper.prompt {
        let Some(taken) = taken(domain, run, &helper.session) else { return Vec::new() };
        run.models[place].helpers[index].prompt = None;
        if let Taken::Answer(request) = taken {
            return answered(domain, run, place, prompt, (&helper.session, &request));
        }
        if let Taken::Failed(failure) = taken {
            let one = &mut run.models[place];
            one.fail(failure);
            let mut effects = job::leave(domain, &one.session);
            effects.extend(leave(domain, one));
            return effects;
        }
    }
    if run.n_writing > 0 || job::readiness(domain, &helper.session) != Readiness::Ready {
        return Vec::new();
    }
    let one = &mut run.models[place];
    let suite = &run.order.suite.suite;
    let Some((next, prompt)) = one.next(suite).and_then(|next| Some((next, suite.prompts.get(next)?))) else {
        return Vec::new();
    };
    let question = asking(&run.order, prompt);
    one.n_asked += 1;
    let helper = &mut one.helpers[index];
    helper.prompt = Some(next);
    job::ask(domain, &mut helper.session, question)
}

/// A model's own session is lost: one that helps takes its place, with what it answers.
pub(super) fn take_over(one: &mut ModelRun) -> bool {
    if one.helpers.is_empty() {
        return false;
    }
    let Helper { session, prompt } = one.helpers.remove(0);
    one.session = session;
    one.stage = prompt.map_or(Stage::Loading, Stage::Answering);
    true
}

/// Stop all that help.
pub(super) fn leave(domain: &mut Domain, one: &ModelRun) -> Vec<Effect> {
    let is_stopping = |session: &Session| session.phase == Phase::Stopping;
    let stays = |helper: &&Helper| {
        let session = helper.session.id.and_then(|id| domain.session(id));
        session.is_some_and(|session| !is_stopping(session))
    };
    let staying: Vec<JobSession> = one.helpers.iter().filter(stays).map(|helper| helper.session.clone()).collect();
    staying.iter().flat_map(|session| job::leave(domain, session)).collect()
}

/// Whether no session of a model works any more.
pub(super) fn have_left(domain: &Domain, one: &ModelRun) -> bool {
    let helpers = one.helpers.iter().map(|helper| &helper.session);
    helpers.chain([&one.session]).all(|session| job::has_left(domain, session))
}

/// The sessions of these models.
fn sessions(models: &[ModelRun]) -> Vec<SessionId> {
    let own = models.iter().map(|one| &one.session);
    let helpers = models.iter().flat_map(|one| &one.helpers).map(|helper| &helper.session);
    own.chain(helpers).filter_map(|session: &JobSession| session.id).collect()
}
