//! Everything that happens to the program.

use std::sync::Arc;
use std::time::Duration;

use crate::command::Command;
use crate::download::hub::HubEvent;
use crate::download::{DownloadEvent, DownloadId};
use crate::machine::{Bandwidth, Sample};
use crate::model::{Model, StoreStatus};
use crate::openness::{Cards, Table};
use crate::session::WorkerId;

/// Something that happened.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Event {
    /// A client asks for something; answered by [`crate::Effect::Reply`] at once.
    Command(Command),
    /// The folder that a text is scored in is there.
    TempDir(Box<crate::lab::perplexity::PerplexityOrder>),
    /// Nothing but that time has passed.
    Elapsed,
    /// The program ends: what is not kept yet is to be.
    Closing,
    /// The library found something.
    Library(LibraryEvent),
    /// The hub answered.
    Hub(HubEvent),
    /// A download has news.
    Download(DownloadId, DownloadEvent),
    /// A worker, or the task that owns it, has news.
    Worker(WorkerId, WorkerEvent),
    /// The history answered.
    History(HistoryEvent),
    /// A random number was drawn.
    Random(u64),
    /// The sensors were read.
    Sample(#[serde(with = "crate::machine::snapshot::sample")] Box<Sample>),
    /// Another machine has news.
    Remote(String, crate::machine::remote::RemoteEvent),
    /// An earlier run kept these baselines.
    Baselines(Vec<crate::energy::Baseline>),
    /// A process of another program was signalled, or that failed.
    Signalled {
        /// Its id.
        pid: u32,
        /// When it started, in clock ticks after boot.
        started: u64,
        /// Whether it was to be killed.
        kill: bool,
        /// An error message if it was not signalled.
        result: Result<(), String>,
    },
    /// An earlier run measured the memory's bandwidth.
    KnownBandwidth(Bandwidth),
    /// The memory's bandwidth was measured, or why not.
    Bandwidth(Result<Bandwidth, String>),
    /// What earlier runs of a suite have answered, in the order of its models; or why they can't be dropped.
    SuiteLoaded {
        /// For which run.
        run: u64,
        /// The answers.
        result: Result<Vec<crate::lab::suite::run::Recalled>, String>,
    },
    /// An answer of a suite was kept for later runs.
    SuiteSaved {
        /// Of which run.
        run: u64,
        /// Why it was not.
        error: Option<String>,
    },
    /// A tick of a recording.
    Frame(#[serde(with = "crate::portable::document")] Box<crate::record::trace::Frame>),
    /// An effect could not be carried out: one sentence for the user.
    Failed(String),
    /// An effect was carried out that the user waits for: one sentence.
    Notice(String),
}

/// Answers of the history.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum HistoryEvent {
    /// What was measured last of each model, by its id.
    Measured(#[serde(with = "crate::portable::document")] Vec<(String, crate::record::Latest)>),
    /// A record was kept.
    Saved {
        /// Which question it answers.
        ask: u64,
        /// Its number.
        id: i64,
        /// For each of its figures what was measured before, oldest first, with times in milliseconds since 1970.
        #[serde(with = "crate::portable::document")]
        earlier: Vec<Vec<(i64, crate::record::Measured)>>,
    },
    /// A record was not kept.
    NotSaved {
        /// Which question it answers.
        ask: u64,
        /// Why.
        reason: String,
    },
    /// All votes that were kept before, oldest first.
    Votes(#[serde(with = "crate::lab::race::vote_snapshot::votes")] Vec<crate::lab::race::rating::Vote>),
    /// The names of this blind race are hidden no more.
    Revealed(i64),
    /// A record was deleted.
    Deleted {
        /// Its number.
        id: i64,
        /// The vote that it was.
        #[serde(with = "crate::lab::race::vote_snapshot::votes::one")]
        vote: Option<crate::lab::race::rating::Vote>,
    },
    /// A page of the list.
    Listed {
        /// Which question it answers.
        generation: u64,
        /// Its rows, newest first.
        #[serde(with = "crate::portable::document")]
        entries: Vec<crate::record::Entry>,
        /// Whether there are more.
        more: bool,
    },
    /// The number of unsaved records of an interrupted run that are now in the history.
    Recovered(usize),
    /// A whole record; `None` where there is none of the number.
    Record(#[serde(with = "crate::portable::document")] Option<Box<crate::record::Record>>),
    /// A page of the list of conversations.
    Conversations {
        /// Which question it answers.
        generation: u64,
        /// Its rows, most recently written first.
        entries: Vec<crate::conversation::ConversationEntry>,
        /// Whether there are more than were asked for.
        more: bool,
    },
    /// A whole conversation; `None` where there is none of the key.
    Conversation(#[serde(with = "crate::portable::document")] Option<Box<crate::conversation::Conversation>>),
    /// A conversation was kept, named or deleted: lists are to be read again.
    ConversationsChanged,
    /// Something else could not be done: why.
    Failed(String),
}

/// News of the library.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum LibraryEvent {
    /// What others judged of models' openness, instead of the table that ships with the program.
    Openness(Arc<Table>),
    /// The cards of all models, asked for by [`crate::Effect::RateOpenness`].
    Rated {
        /// Which question is answered.
        generation: u64,
        /// The cards.
        #[serde(with = "crate::portable::document")]
        cards: Cards,
    },
    /// A scan has started.
    Started,
    /// Models found so far, to be added or to replace those of the same id.
    Found(Vec<Arc<Model>>),
    /// The scan is complete: what was not found in it is gone.
    Finished {
        /// All models.
        models: Vec<Arc<Model>>,
        /// What each store is and how it went.
        stores: Vec<StoreStatus>,
        /// How long it took.
        took: Duration,
    },
    /// What the engines of other programs have, instead of what was known of them.
    Remotes {
        /// Their models.
        models: Vec<Arc<Model>>,
        /// How each engine is: its place is its name and address.
        stores: Vec<StoreStatus>,
    },
    /// An engine of another program was asked how much it does.
    Engine(Box<crate::engine_metrics::EngineNews>),
    /// Housekeeping has news.
    Storage(Box<crate::storage::StorageEvent>),
}

/// News of a worker.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum WorkerEvent {
    /// Its process runs.
    Spawned {
        /// Process id.
        pid: u32,
    },
    /// The job that it runs in has changed.
    Job(crate::session::Job),
    /// It is gone, and another one takes its place: its job was put back into the queue, or was reached again.
    Requeued {
        /// Why, in one clause.
        reason: String,
    },
    /// It sent an event.
    Message(#[serde(with = "crate::portable::document")] wire::Event),
    /// It wrote a line to its log.
    Logged(String),
    /// It ended. Nothing follows.
    Exited {
        /// Why, in one clause: `stopped`, `killed by signal 9`, `stopped answering for 10 s`.
        reason: String,
        /// Whether it was asked to.
        expected: bool,
        /// What could be done.
        hint: Option<String>,
    },
}
