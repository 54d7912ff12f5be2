//! What the core wants done. The executor in `app/` does it and answers with events.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::download::{DownloadId, Order};
use crate::model::Model;
use crate::session::WorkerId;
use crate::settings::{Alias, SchedulingPolicy};
use crate::units::Bytes;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::large_enum_variant, reason = "an effect is executed at once, and few wait at a time")]
pub enum Effect {
    /// Answer a client's command.
    Reply(super::command::Reply),
    /// Send to all clients.
    Notify(crate::notification::Notification),
    /// A query has ended: reply to its client.
    EndQuery {
        /// Which, as the reply to its command named it.
        id: crate::request::RequestId,
        /// What came of it.
        result: Result<Box<wire::QueryResult>, crate::query::QueryError>,
    },
    /// Make a private folder for a text's distributions: comes back as [`crate::Event::TempDir`] with the file's path.
    TempDir(Box<crate::lab::perplexity::PerplexityOrder>),
    /// That folder is needed no more.
    RemoveTempDir,
    /// Read what earlier runs of a suite have answered; answered by [`crate::Event::SuiteLoaded`].
    LoadAnswers {
        /// For which run.
        run: u64,
        /// What was ordered. An order to ask everything again has those answers deleted.
        order: Box<crate::lab::suite::run::SuiteOrder>,
    },
    /// Keep an answer for later runs of its suite; answered by [`crate::Event::SuiteSaved`].
    SaveAnswer {
        /// Of which run.
        run: u64,
        /// Under which name, as [`crate::lab::suite::run::Recalled`] has it.
        name: String,
        /// The answer.
        answer: Box<crate::lab::suite::answer::Answer>,
    },
    /// Start a worker process and have it load; its news come as [`crate::Event::Worker`].
    Spawn {
        /// Under which name.
        worker: WorkerId,
        /// Which model: its file is written out first where it ships with the program, and checked by the header
        /// reader once more before the worker sees it.
        model: Arc<Model>,
        /// How. The path is filled in by the executor.
        load: Box<wire::Load>,
        /// How it behaves towards other programs.
        scheduling: SchedulingPolicy,
        /// The job to run it in; `None` runs it on this machine.
        job: Option<Box<crate::session::JobRequest>>,
        /// Speak to the session that the server of the model's machine has, instead of a new worker.
        joins: bool,
    },
    /// Say something to a worker. Dropped, and reported by its exit, when it is gone.
    Send {
        /// Which worker.
        worker: WorkerId,
        /// What.
        #[serde(with = "crate::portable::document")]
        request: wire::Request,
    },
    /// Ask a worker to exit, and kill it if it does not.
    Stop {
        /// Which worker.
        worker: WorkerId,
    },
    /// Watch these processes in the samples from now on.
    Watch {
        /// Process ids of all live workers.
        pids: Vec<u32>,
    },
    /// The same for the processes on another machine.
    WatchOn {
        /// The machine.
        machine: String,
        /// Process ids of the workers there.
        pids: Vec<u32>,
    },
    /// Remember what became of a model's files, which something spoke against.
    SaveTry {
        /// The model.
        model: Arc<Model>,
        /// What became of it.
        tried: crate::model::Tried,
    },
    /// Look through the stores.
    Scan,
    /// Make the cards of many models; answered by [`crate::event::LibraryEvent::Rated`].
    RateOpenness {
        /// Which question it is.
        generation: u64,
        /// The models.
        models: Vec<Arc<Model>>,
        /// What others judged.
        table: Arc<crate::openness::Table>,
    },
    /// Fetch an order, or go on with it; its news come as [`crate::Event::Download`].
    Download {
        /// Under which name.
        id: DownloadId,
        /// What.
        order: Order,
    },
    /// Let a download stand still.
    Pause(DownloadId),
    /// End a download that runs, and throw away what came.
    CancelDownload(DownloadId),
    /// Delete the partial files of an order that is not being downloaded.
    Discard(Order),
    /// Save which downloads were ordered but have not started, so that the next start offers them.
    PersistQueue(Vec<Order>),
    /// Keep the names for models that commands made, by name, instead of those kept before.
    SaveAliases(BTreeMap<String, Alias>),
    /// Clean up stores; its news come as [`crate::event::LibraryEvent::Storage`].
    Storage(crate::storage::CleanupJob),
    /// Keep calibrated baselines for later runs, instead of those kept before.
    SaveBaselines(Vec<crate::energy::Baseline>),
    /// Send SIGTERM to a process of another program; answered by [`crate::Event::Signalled`].
    Signal {
        /// Its id.
        pid: u32,
        /// When it started, in clock ticks after boot: another process with the same id gets no signal.
        started: u64,
        /// Kill it.
        kill: bool,
    },
    /// Measure the memory's bandwidth and keep it; answered by [`crate::Event::Bandwidth`].
    MeasureBandwidth {
        /// Threads that read.
        threads: u32,
        /// Memory that is available.
        available: Bytes,
    },
    /// Keep a record in the history; answered by [`crate::event::HistoryEvent::Saved`] or `NotSaved`.
    SaveRecord {
        /// Which question it is.
        ask: u64,
        /// What is kept.
        #[serde(with = "crate::portable::document")]
        record: Box<crate::record::Record>,
        /// The draft that it was.
        draft: Option<u64>,
    },
    /// Save the record so far, replacing what was saved before.
    SaveDraft {
        /// Which draft.
        draft: u64,
        /// The record, as if the program ended now.
        #[serde(with = "crate::portable::document")]
        record: Box<crate::record::Record>,
    },
    /// Nothing will come of this draft.
    DiscardDraft(u64),
    /// Reveal the names in a blind race of the history that has no vote; answered by [`crate::event::HistoryEvent::Revealed`].
    Reveal(i64),
    /// Delete a record.
    DeleteRecord(i64),
    /// Save a conversation in the history in its current state, replacing what was saved before; answered by
    /// [`crate::event::HistoryEvent::ConversationsChanged`].
    SaveConversation(#[serde(with = "crate::portable::document")] Box<crate::conversation::Conversation>),
    /// Give a conversation of the history a name, or take it; answered likewise.
    NameConversation {
        /// Which.
        key: crate::ids::ConversationKey,
        /// `None` takes its name.
        name: Option<String>,
    },
    /// Delete a conversation of the history; answered likewise.
    DeleteConversation(crate::ids::ConversationKey),
    /// Draw a random number; answered by [`crate::Event::Random`].
    Random,
}
