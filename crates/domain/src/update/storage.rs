//! What follows from the commands to delete, clean up or undo.
//!
//! The plan is made first, by the driver; what it says is asked; then it is done, in the background.

use super::common::{Outcome, next_id, notify};
use crate::command::{Cause, Refused, Value};
use crate::effect::Effect;
use crate::ids::StorageJobId;
use crate::model::Model;
use crate::session::Session;
use crate::state::Domain;
use crate::storage::{CleanupJob, CleanupPlan, CleanupProgress, Request, StorageEvent};

/// Look at the disks, unless something looks already or the models are not known yet.
pub(super) fn disk_usage(domain: &mut Domain) -> Vec<Effect> {
    if domain.cleanup.surveying || domain.library.scanning {
        return Vec::new();
    }
    domain.cleanup.surveying = true;
    vec![Effect::Storage(CleanupJob::DiskUsageReport)]
}

/// Make a plan, which comes as [`StorageEvent::Planned`].
pub(super) fn plan(domain: &mut Domain, request: Request) -> Outcome {
    check_idle(domain)?;
    if let Request::Remove { models } | Request::Prune { unused: models, .. } = &request
        && let Some(model) = models.iter().find(|model| is_loaded(domain, model))
    {
        let reason = format!("{} is loaded by a session; stop that first", model.name);
        return Err(Refused::new(Cause::BUSY, reason));
    }
    let job = StorageJobId(next_id(domain));
    Ok(started(job, CleanupJob::Plan { job, request }))
}

fn started(id: StorageJobId, job: CleanupJob) -> (Value, Vec<Effect>) {
    (Value::StorageJob(id), vec![Effect::Storage(job)])
}

fn check_idle(domain: &Domain) -> Result<(), Refused> {
    match &domain.cleanup.work {
        Some(work) => Err(Refused::new(Cause::BUSY, format!("{} is still running", work.title))),
        None => Ok(()),
    }
}

fn is_loaded(domain: &Domain, model: &Model) -> bool {
    domain.sessions.iter().any(|session| session.model.id == model.id && Session::is_live(session))
}

/// Carry out a plan.
pub(super) fn apply(domain: &mut Domain, request: Request, plan: CleanupPlan) -> Outcome {
    check_idle(domain)?;
    domain.cleanup.work = Some(CleanupProgress { title: request.title(), done: 0, count: plan.steps().count() });
    let job = StorageJobId(next_id(domain));
    Ok(started(job, CleanupJob::Perform { job, request, plan }))
}

/// Undo what was done last.
pub(super) fn undo(domain: &mut Domain) -> Outcome {
    check_idle(domain)?;
    domain.cleanup.work = Some(CleanupProgress { title: "undo".to_owned(), done: 0, count: 0 });
    let job = StorageJobId(next_id(domain));
    Ok(started(job, CleanupJob::Undo { job }))
}

/// Take what the driver reports.
pub(super) fn on_event(domain: &mut Domain, news: StorageEvent) -> Vec<Effect> {
    match news {
        StorageEvent::Surveyed(disk_usage) => {
            domain.cleanup.surveying = false;
            domain.cleanup.disk_usage = Some(disk_usage);
        }
        StorageEvent::Planned { plan, .. } if plan.items.is_empty() => {
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
        StorageEvent::Planned { .. } => {}
        StorageEvent::Progress(done, count) => {
            if let Some(work) = &mut domain.cleanup.work {
                (work.done, work.count) = (done, count);
            }
        }
        StorageEvent::Ended { text, is_error, .. } => {
            domain.cleanup.work = None;
            notify(domain, text, is_error);
            if !domain.library.scanning {
                return vec![Effect::Scan];
            }
        }
    }
    Vec::new()
}
