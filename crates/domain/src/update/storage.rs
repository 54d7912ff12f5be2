//! What follows from the commands to delete, clean up or undo.
//!
//! The plan is made first, by the driver; what it says is asked; then it is done, in the background.

use super::notify;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::house::{Chore, News, Plan, Request, Work};
use crate::model::Model;
use crate::session::Session;
use crate::state::Domain;

/// Look at the disks, unless something looks already or the models are not known yet.
pub(super) fn survey(domain: &mut Domain) -> Vec<Effect> {
    if domain.house.surveying || domain.library.scanning {
        return Vec::new();
    }
    domain.house.surveying = true;
    vec![Effect::House(Chore::Survey)]
}

/// Make a plan, which comes as [`News::Planned`].
pub(super) fn plan(domain: &Domain, request: Request) -> Result<Vec<Effect>, Refused> {
    if let Some(work) = &domain.house.work {
        return Err(Refused::new(Cause::BUSY, format!("{} is still running", work.title)));
    }
    if let Request::Remove { models } | Request::Prune { unused: models, .. } = &request
        && let Some(model) = models.iter().find(|model| is_loaded(domain, model))
    {
        let reason = format!("{} is loaded by a session; stop that first", model.name);
        return Err(Refused::new(Cause::BUSY, reason));
    }
    Ok(vec![Effect::House(Chore::Plan(request))])
}

fn is_loaded(domain: &Domain, model: &Model) -> bool {
    domain.sessions.iter().any(|session| session.model.id == model.id && Session::is_live(session))
}

/// Carry out a plan.
pub(super) fn apply(domain: &mut Domain, request: Request, plan: Plan) -> Vec<Effect> {
    domain.house.work = Some(Work { title: request.title(), done: 0, count: plan.steps().count() });
    vec![Effect::House(Chore::Perform { request, plan })]
}

/// Undo what was done last.
pub(super) fn undo(domain: &mut Domain) -> Vec<Effect> {
    if domain.house.work.is_some() {
        return Vec::new();
    }
    domain.house.work = Some(Work { title: "undo".to_owned(), done: 0, count: 0 });
    vec![Effect::House(Chore::Undo)]
}

/// Take what the driver reports.
pub(super) fn on_event(domain: &mut Domain, news: News) -> Vec<Effect> {
    match news {
        News::Surveyed(survey) => {
            domain.house.surveying = false;
            domain.house.survey = Some(survey);
        }
        News::Planned { plan, .. } if plan.items.is_empty() => {
            let text = match plan.refusals.first() {
                None => "there is nothing to do".to_owned(),
                Some(refusal) => match &refusal.hint {
                    None => format!("{}: {}", refusal.what, refusal.reason),
                    Some(hint) => format!("{}: {}; {hint}", refusal.what, refusal.reason),
                },
            };
            notify(domain, text, true);
        }
        // For the client that asked.
        News::Planned { .. } => {}
        News::Progress(done, count) => {
            if let Some(work) = &mut domain.house.work {
                (work.done, work.count) = (done, count);
            }
        }
        News::Ended { text, is_error } => {
            domain.house.work = None;
            notify(domain, text, is_error);
            if !domain.library.scanning {
                return vec![Effect::Scan];
            }
        }
    }
    Vec::new()
}
