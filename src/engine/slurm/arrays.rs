//! Job arrays: submitted once, when the first of their workers starts, and handed out task by task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::session::JobArray;
use tokio::sync::Mutex as Turn;
use tokio::time::sleep;

use super::folder::Held;
use super::tool::cancel;
use crate::engine::start_error::StartError;

/// How long a task waits for its worker's session. They start together; one that never does was stopped before.
const UNCLAIMED: Duration = Duration::from_mins(1);

/// Arrays that are being handed out, by their names within the program's life.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrays(Arc<Mutex<BTreeMap<u64, Shared>>>);

/// An array: nothing before its first worker has submitted it.
type Shared = Arc<Turn<Option<Submitted>>>;

#[derive(Debug)]
struct Submitted {
    /// Tasks that no one has taken yet.
    left: VecDeque<Held>,
    /// Why there are fewer than workers.
    error: Option<StartError>,
    /// Workers that have not come yet.
    n_to_come: u32,
}

impl Arrays {
    /// The next task of an array. Who comes first submits it, and the others wait for that.
    pub(super) async fn take<F>(&self, array: JobArray, submit: impl FnOnce() -> F) -> Result<Held, StartError>
    where
        F: Future<Output = (Vec<Held>, Option<StartError>)>,
    {
        let shared = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(array.id).or_default());
        let mut turn = shared.lock().await;
        if turn.is_none() {
            let (held, error) = submit().await;
            *turn = Some(Submitted { left: held.into(), error, n_to_come: array.size });
            let (arrays, id) = (self.clone(), array.id);
            tokio::spawn(async move {
                sleep(UNCLAIMED).await;
                arrays.give_up(id).await;
            });
        }
        let nothing = || StartError { reason: "its task of the array was given up".to_owned(), hint: None };
        let Some(submitted) = turn.as_mut() else { return Err(nothing()) };
        submitted.n_to_come = submitted.n_to_come.saturating_sub(1);
        if submitted.n_to_come == 0 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&array.id);
        }
        submitted.left.pop_front().ok_or_else(|| submitted.error.clone().unwrap_or_else(nothing))
    }

    /// Cancel the tasks that no one has come for.
    async fn give_up(&self, id: u64) {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let Some(shared) = shared else { return };
        let left = shared.lock().await.as_mut().map(|submitted| std::mem::take(&mut submitted.left));
        for (folder, record) in left.into_iter().flatten() {
            if let Some(id) = record.id() {
                cancel(id).await;
            }
            folder.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::session::JobRequest;
    use domain::settings::SessionSettings;
    use domain::units::Bytes;

    use super::*;
    use crate::engine::slurm::folder::{Folder, Record};

    #[tokio::test]
    async fn an_array_is_submitted_once_and_each_worker_has_a_task_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let settings = SessionSettings { on: "slurm".parse().unwrap(), ..SessionSettings::default() };
        let request =
            JobRequest { model: "m".to_owned(), name: "m".to_owned(), settings, memory: Bytes(1), array: None };
        let record = Record::new(request, crate::engine::testing::load(), 1, 600);
        let arrays = Arrays::default();
        let n_submitted = std::sync::atomic::AtomicU32::new(0);
        let refused = StartError { reason: "no".to_owned(), hint: None };
        // One of three can't be had, and that one is told why.
        let submit = || async {
            n_submitted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (_, folders) = Folder::create_all(root.path(), &record, 2).unwrap();
            let task = |(folder, task)| {
                let mut record = record.clone();
                (record.job, record.task) = (Some(9), Some(task));
                (folder, record)
            };
            (folders.into_iter().zip(0..).map(task).collect(), Some(refused.clone()))
        };
        let take = |place| arrays.take(JobArray { id: 5, place, size: 3 }, submit);
        let (one, two, three) = tokio::join!(take(0), take(1), take(2));
        let mut tasks: Vec<_> = [one, two].into_iter().map(|task| task.unwrap().1.task).collect();
        tasks.sort_unstable();
        assert_eq!(tasks, [Some(0), Some(1)]);
        assert_eq!(three.unwrap_err(), refused);
        assert_eq!(n_submitted.into_inner(), 1);
        assert!(arrays.0.lock().unwrap().is_empty());
    }
}
