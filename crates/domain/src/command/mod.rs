//! What a client asks for, and what it is answered.
//!
//! Owned here: the commands, each of which names its target, and the replies. Absent: what follows from them
//! (`update::command`), and which keys give them (the screen's business).

mod refusal;

pub use refusal::{Cause, Force, Refused};

use wire::{Prompt, Sampling};

use crate::ask::Ask;
use crate::conversation::{Conversation, ConversationKey};
use crate::download::{DownloadId, Order};
use crate::ids::StorageJobId;
use crate::keep_alive::KeepAlive;
use crate::lab::bench::Plan;
use crate::lab::perplexity::PerplexityOrder;
use crate::lab::race::RaceOrder;
use crate::lab::suite::run::SuiteOrder;
use crate::query::Query;
use crate::request::RequestId;
use crate::request::form::Form;
use crate::session::SessionId;
use crate::settings::{Alias, SessionSettings};
use crate::storage::{CleanupPlan as StoragePlan, Request};

/// Which command a reply belongs to. Chosen by the client, and unique among its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct CommandId(pub u64);

/// A command with its id.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Command {
    /// Which.
    pub id: CommandId,
    /// What is asked for.
    pub what: What,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum What {
    /// Load a model; answered with [`Value::Session`].
    StartSession {
        /// The model's id.
        model: String,
        /// How it runs.
        settings: Box<SessionSettings>,
        /// What is started all the same.
        force: Force,
    },
    /// Be a client of the session that another machine's own server has of a model; answered with [`Value::Session`].
    JoinSession {
        /// The model's id.
        model: String,
    },
    /// Stop a session, or remove one that has ended from the list.
    StopSession(SessionId),
    /// Load a session's model again, and keep its conversation.
    RestartSession(SessionId),
    /// Drop a session's conversation.
    ClearSession(SessionId),
    /// Change a setting of a session; answered with [`Value::Effective`].
    SetSession {
        /// Which session.
        session: SessionId,
        /// A name of [`crate::settings::SESSION_FIELDS`].
        name: String,
        /// The value as text.
        value: String,
    },
    /// Add a prompt to a session's conversation and have it answered.
    SendPrompt {
        /// Which session.
        session: SessionId,
        /// The prompt.
        text: String,
    },
    /// Drop the last answer of a session's conversation, and have its prompt answered again.
    Regenerate(SessionId),
    /// Drop the last prompt of a session's conversation with its answer.
    DeleteExchange(SessionId),
    /// Put another text in the place of a prompt that was sent. What came after it is dropped, and it is answered.
    EditPrompt {
        /// Which session.
        session: SessionId,
        /// The turn of its conversation that the prompt is.
        turn: usize,
        /// The new prompt.
        text: String,
    },
    /// Continue a saved conversation in a session of its model: the one that shows it, one whose own conversation is
    /// saved too, or a new one. Answered with [`Value::Session`].
    ContinueConversation {
        /// The conversation.
        #[serde(with = "crate::portable::document")]
        conversation: Box<Conversation>,
        /// What a start goes ahead in spite of.
        force: Force,
    },
    /// Keep a conversation that no session has.
    SaveConversation(#[serde(with = "crate::portable::document")] Box<Conversation>),
    /// Give a conversation a name; an empty one takes it.
    NameConversation {
        /// Which.
        key: ConversationKey,
        /// The name.
        name: String,
    },
    /// Delete a conversation of the history.
    DeleteConversation(ConversationKey),
    /// Answer a prompt from outside the session's conversation; replied to with [`Value::Request`].
    Generate {
        /// Which session.
        session: SessionId,
        /// What to answer.
        prompt: Prompt,
        /// What the answer must look like.
        form: Option<Form>,
        /// Texts that end it; none leaves that to the model's store.
        stop: Vec<String>,
        /// How it is generated; `None` takes the session's settings.
        options: Option<Box<AnswerOptions>>,
        /// Whether the answer is saved as a separate record.
        record: bool,
    },
    /// Answer a request for a model, which is loaded where no session has it; replied to with [`Value::Request`].
    Ask(Box<Ask>),
    /// Run a short job alongside answers, such as tokenizing a text; replied to with [`Value::Request`], and ended by
    /// [`crate::Effect::EndQuery`].
    Query(Box<Query>),
    /// Have a model loaded as a request for it would; replied to with [`Value::Session`].
    LoadModel {
        /// The model's id.
        model: String,
        /// How it is loaded where it is not; `None` takes the user's settings.
        settings: Option<Box<SessionSettings>>,
        /// How long it stays loaded; `None` leaves that as it is.
        keep_alive: Option<KeepAlive>,
    },
    /// Unload a model, by its id, that was loaded for requests: as soon as nothing is asked of it.
    UnloadModel(String),
    /// Define an alias for a model, or change one that was made by a command.
    SetAlias {
        /// The name.
        name: String,
        /// Its meaning.
        alias: Box<Alias>,
    },
    /// Remove such a name.
    RemoveAlias(String),
    /// Cancel the answer of a session's conversation, and those that commands asked it for.
    CancelAnswer(SessionId),
    /// Cancel one request.
    CancelRequest(RequestId),
    /// Run a race.
    StartRace(Box<RaceOrder>),
    /// End the race that runs; what was answered stays.
    CancelRace,
    /// Let columns continue that were decoded together and have diverged.
    ContinueRace,
    /// Drop the race that has ended.
    DismissRace,
    /// Vote on the race that has ended: for a column, or for none of them.
    Vote(Option<usize>),
    /// Measure speeds.
    StartBench(Box<Plan>),
    /// End the bench that runs.
    CancelBench,
    /// Count disturbed repetitions of the bench as well.
    KeepDisturbed,
    /// Ask models the prompts of a suite.
    StartSuite(Box<SuiteOrder>),
    /// End the suite that runs; what was answered is kept for the next run.
    CancelSuite,
    /// Score a text. An order without a file for the distributions gets one.
    StartPerplexity(Box<PerplexityOrder>),
    /// End the scoring that runs.
    CancelPerplexity,
    /// Download files; answered with [`Value::Download`].
    Download(Order),
    /// Pause a download, or resume it.
    PauseDownload(DownloadId),
    /// End a download and discard what came.
    CancelDownload(DownloadId),
    /// Delete a record of the history.
    DeleteRecord(i64),
    /// Show the names of a blind race of the history.
    RevealRace(i64),
    /// Scan all stores.
    Rescan,
    /// Find out what the models take of the disks, and what could be cleaned up.
    MeasureDiskUsage,
    /// Plan a change of the stores; answered with [`Value::StorageJob`]. The plan comes as
    /// [`crate::storage::StorageEvent::Planned`] with the same id.
    PlanStorage(Box<Request>),
    /// Carry out a plan.
    ApplyStorage {
        /// What it was made for.
        request: Box<Request>,
        /// The plan.
        plan: Box<StoragePlan>,
    },
    /// Undo the last change of the stores.
    UndoStorage,
    /// Threads that all sessions together may use.
    SetThreadBudget(u32),
    /// Measure the memory's bandwidth.
    MeasureBandwidth,
    /// Measure the idle baseline.
    Calibrate,
    /// End that measurement.
    CancelCalibration,
    /// Ask a process of another program to end.
    Signal {
        /// Its id.
        pid: u32,
        /// When it started, in clock ticks after boot.
        started: u64,
        /// Kill it.
        kill: bool,
    },
}

/// How an answer is generated where its session's settings don't hold.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AnswerOptions {
    /// The most tokens; `None` goes on until the context is full.
    pub max_tokens: Option<u32>,
    /// The samplers.
    pub sampling: Sampling,
    /// Tokens of the context that must be left for the answer; a prompt that leaves fewer is too long.
    pub min_room: u32,
    /// Whether the older part of the context is dropped where the answer fills it.
    pub context_shift: bool,
}

/// What became of a command. Each gets one reply.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reply {
    /// Which command.
    pub id: CommandId,
    /// Its value, or why it was refused.
    pub result: Result<Value, Refused>,
}

/// What a command gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Value {
    /// Done, or started.
    Accepted,
    /// A session was created.
    Session(SessionId),
    /// A request was made.
    Request(RequestId),
    /// A download was queued, or was there.
    Download(DownloadId),
    /// A change of the stores was started, or the plan of one.
    StorageJob(StorageJobId),
    /// From when on a setting is in effect.
    Effective(&'static str),
}

/// From when on settings are in effect.
pub(crate) const EFFECTIVE: [&str; 4] = ["now", "with the next prompt", "with the next answer", "at the next restart"];

/// A value as it is read.
#[derive(serde::Deserialize)]
#[serde(rename = "Value")]
enum ReadValue {
    Accepted,
    Session(SessionId),
    Request(RequestId),
    Download(DownloadId),
    StorageJob(StorageJobId),
    Effective(String),
}

// Written by hand: a text that lives for ever can't be borrowed from what is read.
impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        Ok(match ReadValue::deserialize(deserializer)? {
            ReadValue::Accepted => Self::Accepted,
            ReadValue::Session(id) => Self::Session(id),
            ReadValue::Request(id) => Self::Request(id),
            ReadValue::Download(id) => Self::Download(id),
            ReadValue::StorageJob(id) => Self::StorageJob(id),
            ReadValue::Effective(text) => {
                let known = EFFECTIVE.into_iter().find(|known| *known == text);
                let unknown = || D::Error::custom(format!("no setting takes effect `{text}`"));
                Self::Effective(known.ok_or_else(unknown)?)
            }
        })
    }
}
