//! Deletes models for the server's clients: by the plan and the steps that the Library screen has, with nobody who is asked
//! between them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::App;
use domain::Event;
use domain::command::{Cause, Refused, Value, What};
use domain::event::LibraryEvent;
use domain::ids::StorageJobId;
use domain::model::Model;
use domain::storage::{CleanupPlan, Request, StorageEvent};

type Reply = oneshot::Sender<Result<String, Refused>>;

/// The deletion that a client waits for: one at a time.
#[derive(Default)]
pub(super) struct Deleting {
    running: Option<Running>,
}

struct Running {
    /// The plan that is awaited, then the change.
    job: StorageJobId,
    reply: Reply,
}

impl Deleting {
    /// What an event says of the storage, where it says anything.
    pub(super) fn news(event: &Event) -> Option<StorageEvent> {
        match event {
            Event::Library(LibraryEvent::Storage(news)) => match &**news {
                StorageEvent::Planned { .. } | StorageEvent::Ended { .. } => Some(StorageEvent::clone(news)),
                StorageEvent::Surveyed(_) | StorageEvent::Progress(..) => None,
            },
            _ => None,
        }
    }

    /// Have a plan made.
    pub(super) fn start(&mut self, app: &mut App, models: Vec<Arc<Model>>, reply: Reply) {
        // Whoever asked may have left: then nobody hears why.
        if self.running.as_ref().is_some_and(|running| !running.reply.is_closed()) {
            let refused = Refused::new(Cause::BUSY, "another model is being deleted");
            return drop(reply.send(Err(refused)));
        }
        let request = Request::Remove { models };
        match start(app, What::PlanStorage(Box::new(request))) {
            Ok(job) => self.running = Some(Running { job, reply }),
            Err(refused) => drop(reply.send(Err(refused))),
        }
    }

    /// Go on: a plan that was made is carried out, and the end of that is the answer.
    pub(super) fn happened(&mut self, app: &mut App, news: StorageEvent) {
        let Some(running) = &mut self.running else { return };
        let result = match news {
            StorageEvent::Planned { job, request, plan } if job == running.job => match apply(app, request, plan) {
                Ok(job) => {
                    running.job = job;
                    return;
                }
                Err(refused) => Err(refused),
            },
            StorageEvent::Ended { job, text, is_error } if job == running.job => {
                if is_error {
                    Err(Refused::new(Cause::NotRunnable, text))
                } else {
                    Ok(text)
                }
            }
            _ => return,
        };
        if let Some(running) = self.running.take() {
            let _ = running.reply.send(result);
        }
    }
}

fn start(app: &mut App, what: What) -> Result<StorageJobId, Refused> {
    match app.command(what)? {
        Value::StorageJob(id) => Ok(id),
        value => Err(Refused::new(Cause::Invalid, format!("unexpected reply: {value:?}"))),
    }
}

fn apply(app: &mut App, request: Request, plan: CleanupPlan) -> Result<StorageJobId, Refused> {
    if plan.items.is_empty() {
        let refusal = plan.refusals.into_iter().next();
        let sentence = refusal.map_or(("there is nothing to delete".to_owned(), None), |refusal| {
            (format!("{}: {}", refusal.what, refusal.reason), refusal.hint)
        });
        let refused = Refused::new(Cause::Invalid, sentence.0);
        return Err(match sentence.1 {
            Some(hint) => refused.with_hint(hint),
            None => refused,
        });
    }
    start(app, What::ApplyStorage { request: Box::new(request), plan: Box::new(plan) })
}
