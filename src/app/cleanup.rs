//! Has cleanups done on a thread of its own, one after the other.

use tokio::sync::mpsc;

use crate::library::Env;
use crate::library::cleanup::{CleanupContext, CleanupError};
use domain::Domain;
use domain::event::LibraryEvent;
use domain::storage::{CleanupJob, Request, StorageEvent};

/// Start a chore; its news go to `events`. What is not ended when the program leaves is mended by the next start.
pub(super) fn start(chore: CleanupJob, domain: &Domain, events: mpsc::Sender<LibraryEvent>) {
    let cleanup = CleanupContext::new(&Env::read(), &domain.settings.library);
    let models = domain.library.models.clone();
    let at_once = domain.settings.library.trash_days == 0;
    std::thread::spawn(move || {
        let tell = |news| drop(events.blocking_send(LibraryEvent::Storage(Box::new(news))));
        let mut progress = |done: usize, count: usize, _: &str| tell(StorageEvent::Progress(done, count));
        let news = match chore {
            CleanupJob::DiskUsageReport => StorageEvent::Surveyed(cleanup.disk_usage(&models)),
            CleanupJob::Plan(request) => StorageEvent::Planned { plan: cleanup.plan(&request), request },
            CleanupJob::Perform { request, plan } => {
                ended(cleanup.perform(&request, &plan, at_once, &mut progress).map(|done| {
                    let frees = plan.frees();
                    let is_moved = plan.fills_trash() && !at_once && !matches!(request, Request::Empty { .. });
                    let what = if is_moved { "moved to the trash" } else { "freed" };
                    let undo = if done.can_undo { "; it can be undone" } else { "" };
                    format!("{}: {frees} {what}{undo}", request.title())
                }))
            }
            CleanupJob::Undo => {
                ended(cleanup.undo(None, &mut progress).map(|record| format!("undone: {}", record.title)))
            }
        };
        tell(news);
    });
}

fn ended(result: Result<String, CleanupError>) -> StorageEvent {
    match result {
        Ok(text) => StorageEvent::Ended { text, is_error: false },
        Err(error) => StorageEvent::Ended { text: error.to_string(), is_error: true },
    }
}
