//! The supervisor: one task owns each worker process from its start to its end.
//!
//! Owned here: the process, its pipes, its deadlines, and the reason of its end. Absent: models, conversations and what
//! should happen next; those are the core's. Callers say what they want and read nothing back but events.

mod command;
mod lost;
mod process;
mod program;
pub mod remote;
pub mod rpc;
pub mod slurm;
mod start_error;
mod supervise;
#[cfg(test)]
mod testing;

use std::collections::HashMap;
use std::path::PathBuf;

use tokio::sync::mpsc::{self, error::TrySendError};

pub use command::News;
pub use process::become_worker;
pub use program::Program;
pub use start_error::StartError;

use command::Command;
use domain::event::WorkerEvent;
use domain::session::{JobRequest, WorkerId};
use domain::settings;

/// How many commands may wait for a worker. A caller that gets further ahead is told so: [`Stuck`].
const MAX_COMMANDS: usize = 64;

/// A command was dropped, because a worker takes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker takes no commands: {MAX_COMMANDS} wait already, and one more was dropped")]
pub struct Stuck;

/// All workers.
#[derive(Debug)]
pub struct Engine {
    program: Program,
    settings: settings::Engine,
    news: News,
    workers: HashMap<WorkerId, Worker>,
    cluster: Option<Box<slurm::Cluster>>,
    /// What the cluster's queue says, once a job was submitted.
    queue: Option<slurm::Queue>,
}

/// A worker as the engine knows it.
#[derive(Debug)]
struct Worker {
    commands: mpsc::Sender<Command>,
    /// It is a job of a cluster, which can live on without us.
    is_job: bool,
}

impl Engine {
    /// No workers yet.
    pub fn new(program: Program, settings: settings::Engine, news: News) -> Self {
        Self { program, settings, news, workers: HashMap::new(), cluster: None, queue: None }
    }

    /// How jobs are submitted from now on.
    pub fn use_cluster(&mut self, cluster: slurm::Cluster) {
        self.cluster = Some(Box::new(cluster));
    }

    /// What the jobs ran that nobody looks after any more.
    pub fn left_jobs(&self) -> Vec<JobRequest> {
        self.cluster.as_ref().map(|cluster| cluster.left()).unwrap_or_default()
    }

    /// Start a worker and have it load the file that `prepare` gives, which may block. Its news end with
    /// [`WorkerEvent::Exited`], whatever happens.
    pub fn spawn(
        &mut self,
        worker: WorkerId,
        load: wire::Load,
        scheduling: settings::SchedulingPolicy,
        job: Option<JobRequest>,
        prepare: impl FnOnce() -> Result<PathBuf, StartError> + Send + 'static,
    ) {
        self.spawn_by(self.program.clone(), worker, load, scheduling, job, prepare);
    }

    /// The same by another program than the engine's own.
    pub fn spawn_by(
        &mut self,
        program: Program,
        worker: WorkerId,
        mut load: wire::Load,
        scheduling: settings::SchedulingPolicy,
        job: Option<JobRequest>,
        prepare: impl FnOnce() -> Result<PathBuf, StartError> + Send + 'static,
    ) {
        let (commands, inbox) = mpsc::channel(MAX_COMMANDS);
        self.workers.retain(|_, worker| !worker.commands.is_closed());
        self.workers.insert(worker, Worker { commands, is_job: job.is_some() });
        let cluster = job.and_then(|job| {
            let queue = self.queue.get_or_insert_with(slurm::Queue::start).clone();
            Some((self.cluster.clone()?, queue, job))
        });
        let news = self.news.clone();
        let settings = self.settings.clone();
        let told = news.clone();
        let life = async move {
            let path = tokio::task::spawn_blocking(prepare).await.unwrap_or_else(|_| Err(StartError::panicked()));
            tracing::info!(worker = worker.0, "starts");
            match path {
                Ok(path) => {
                    load.path = path;
                    match cluster {
                        None => {
                            supervise::supervise(worker, &program, (&settings, scheduling), load, inbox, &news).await
                        }
                        Some((cluster, queue, job)) => {
                            slurm::supervise(worker, (&cluster, &queue), &settings, load, job, inbox, &news).await
                        }
                    }
                }
                Err(StartError { reason, hint }) => WorkerEvent::Exited { reason, expected: false, hint },
            }
        };
        tell_end(worker, life, told);
    }

    /// Have an engine of another program serve a session as a worker would. Its news end likewise.
    pub fn spawn_remote(&mut self, worker: WorkerId, load: wire::Load, access: remote::Access, model: String) {
        let (commands, inbox) = mpsc::channel(MAX_COMMANDS);
        self.workers.retain(|_, worker| !worker.commands.is_closed());
        self.workers.insert(worker, Worker { commands, is_job: false });
        let news = self.news.clone();
        let told = news.clone();
        tell_end(worker, async move { remote::serve(worker, access, model, load, inbox, &news).await }, told);
    }

    /// Kill a worker that does nothing that it is asked to.
    ///
    /// # Errors
    ///
    /// The command was dropped, as with [`Engine::tell`].
    pub fn kill(&self, worker: WorkerId) -> Result<(), Stuck> {
        self.command(worker, Command::Kill)
    }

    /// Send a request to a worker. One that is gone has reported it, or is about to.
    ///
    /// # Errors
    ///
    /// The request was dropped, because too many commands wait already.
    pub fn tell(&self, worker: WorkerId, request: wire::Request) -> Result<(), Stuck> {
        self.command(worker, Command::Tell(Box::new(request)))
    }

    /// Ask a worker to exit; it is killed if it does not in time.
    ///
    /// # Errors
    ///
    /// The command was dropped, as with [`Engine::tell`].
    pub fn stop(&self, worker: WorkerId) -> Result<(), Stuck> {
        self.command(worker, Command::Stop)
    }

    fn command(&self, worker: WorkerId, command: Command) -> Result<(), Stuck> {
        let Some(worker_of) = self.workers.get(&worker) else { return Ok(()) };
        match worker_of.commands.try_send(command) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => {
                tracing::warn!(worker = worker.0, "a command for a worker was dropped");
                Err(Stuck)
            }
        }
    }

    /// Ask all workers to exit and wait until they have; those that don't in time are killed. Jobs of a cluster go on where
    /// they are to be kept.
    pub async fn shut_down(&mut self, keep_jobs: bool) {
        for worker in self.workers.values() {
            let leave = keep_jobs && worker.is_job;
            let _ = worker.commands.try_send(if leave { Command::Leave } else { Command::Stop });
        }
        for (_, worker) in self.workers.drain() {
            worker.commands.closed().await;
        }
    }
}

/// Live a worker's life, and tell its end.
fn tell_end(worker: WorkerId, life: impl Future<Output = WorkerEvent> + Send + 'static, news: News) {
    tokio::spawn(async move {
        let end = life.await;
        if let WorkerEvent::Exited { reason, expected, .. } = &end {
            if *expected {
                tracing::info!(worker = worker.0, reason, "ended");
            } else {
                tracing::warn!(worker = worker.0, reason, "ended against its will");
            }
        }
        let _ = news.send((worker, end)).await;
    });
}

#[cfg(test)]
mod tests;
