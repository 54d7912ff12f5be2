//! Has cleanups done on a thread of its own, one after the other.

use tokio::sync::mpsc;

use crate::library::Env;
use crate::library::cleanup::{CleanupContext, CleanupError};
use domain::Domain;
use domain::event::LibraryEvent;
use domain::ids::StorageJobId;
use domain::storage::{CleanupJob, Request, StorageEvent};

/// Start a chore; its news go to `events`. What is not ended when the program leaves is mended by the next start.
pub(super) fn start(chore: CleanupJob, domain: &Domain, events: mpsc::Sender<LibraryEvent>) {
    let cleanup = CleanupContext::new(&Env::read(), &domain.settings.library);
    // Other machines see to their own disks.
    let here = domain.library.models.iter().filter(|model| model.machine.is_none());
    let models: Vec<_> = here.cloned().collect();
    let at_once = domain.settings.library.trash_days == 0;
    std::thread::spawn(move || {
        let tell = |news| drop(events.blocking_send(LibraryEvent::Storage(Box::new(news))));
        let mut progress = |done: usize, count: usize, _: &str| tell(StorageEvent::Progress(done, count));
        let news = match chore {
            CleanupJob::DiskUsageReport => StorageEvent::Surveyed(cleanup.disk_usage(&models)),
            CleanupJob::Plan { job, request } => StorageEvent::Planned { job, plan: cleanup.plan(&request), request },
            CleanupJob::Perform { job, request, plan } => ended(
                job,
                cleanup.perform(&request, &plan, at_once, &mut progress).map(|done| {
                    let frees = plan.frees();
                    let is_moved = plan.fills_trash() && !at_once && !matches!(request, Request::Empty { .. });
                    let what = if is_moved { "moved to the trash" } else { "freed" };
                    let undo = if done.can_undo { "; it can be undone" } else { "" };
                    format!("{}: {frees} {what}{undo}", request.title())
                }),
            ),
            CleanupJob::Undo { job } => {
                ended(job, cleanup.undo(None, &mut progress).map(|record| format!("undone: {}", record.title)))
            }
        };
        tell(news);
    });
}

fn ended(job: StorageJobId, result: Result<String, CleanupError>) -> StorageEvent {
    match result {
        Ok(text) => StorageEvent::Ended { job, text, is_error: false },
        Err(error) => StorageEvent::Ended { job, text: error.to_string(), is_error: true },
    }
}
