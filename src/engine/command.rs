//! What a worker's task is told, and where its news go.

use tokio::sync::mpsc;

use domain::event::WorkerEvent;
use domain::session::WorkerId;

/// Where the news of all workers go.
pub type News = mpsc::Sender<(WorkerId, WorkerEvent)>;

/// What a worker's task is told.
#[derive(Debug)]
pub(super) enum Command {
    Tell(Box<wire::Request>),
    Stop,
    Kill,
    /// Let go of it, and let it live on: the job of a cluster, for the next start.
    Leave,
}
