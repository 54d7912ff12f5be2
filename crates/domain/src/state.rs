//! Everything the program knows.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::bench::Bench;
use crate::editor::Editor;
use crate::energy::Attribution;
use crate::event::{Moment, StoreStatus};
use crate::figure::{Figure, Graded};
use crate::foreign::{Choice, Foreign};
use crate::history::Entry;
use crate::house::{Keeping, Plan, Request};
use crate::hub::Hub;
use crate::machine::Sample;
use crate::model::Model;
use crate::openness::Openness;
use crate::plan::Refusal;
use crate::race::Races;
use crate::readings::Readings;
use crate::ring::Ring;
use crate::roofline::Bandwidth;
use crate::session::{Session, SessionId, WorkerId};
use crate::settings::{SessionSettings, Settings};
use crate::units::{Ratio, Watts};

/// All state of the program.
#[derive(Debug, Clone)]
pub struct State {
    /// The time of the event handled last.
    pub now: Moment,
    /// The settings in force.
    pub settings: Settings,
    /// The screen that shows.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Option<Overlay>,
    /// The library.
    pub library: Library,
    /// The hub and the downloads.
    pub hub: Hub,
    /// Housekeeping.
    pub house: Keeping,
    /// The sessions.
    pub fleet: Fleet,
    /// The race.
    pub race: Races,
    /// A text that is being weighed.
    pub quality: Option<Box<crate::quality::Quality>>,
    /// The bench that runs, or the last one.
    pub bench: Bench,
    /// The list of what was run before.
    pub history: HistoryList,
    /// Answers that wait for the last of their energy before they are kept.
    pub held: Vec<crate::history::Held>,
    /// The machine.
    pub machine: Machine,
    /// Where its energy goes.
    pub attribution: Attribution,
    /// The name of the theme in force.
    pub theme: String,
    /// Names of all themes, sorted.
    pub themes: Vec<String>,
    /// What the user should read, newest last; each goes after its time.
    pub notices: VecDeque<Notice>,
    /// The program is about to end.
    pub leaving: bool,
    pub(super) next_id: u64,
}

/// The screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its module under `ui/screens`")]
pub enum Screen {
    Fleet,
    Library,
    Race,
    Bench,
    Machine,
    Top,
}

impl Screen {
    /// All screens, with the digit that leads there (the design's numbering).
    pub const ALL: [(char, Self, &str); 5] = [
        ('1', Self::Fleet, "Fleet"),
        ('2', Self::Library, "Library"),
        ('3', Self::Race, "Race"),
        ('4', Self::Bench, "Bench"),
        ('5', Self::Machine, "Machine"),
    ];
}

/// What lies over the screen. At most one at a time.
#[derive(Debug, Clone)]
pub enum Overlay {
    /// The explanation of the screen.
    Help {
        /// Lines scrolled down.
        scroll: usize,
    },
    /// The command palette.
    Palette {
        /// What is typed.
        input: Editor,
        /// The chosen row of [`crate::action::palette`]'s answer.
        chosen: usize,
    },
    /// A question that must be answered.
    Confirm {
        /// The question.
        question: String,
        /// What is done on yes.
        then: Box<crate::Action>,
    },
    /// A record of the history.
    Record {
        /// Its kind and number.
        title: String,
        /// All of it as plain text.
        text: String,
        /// Lines scrolled down.
        scroll: usize,
    },
    /// What would be done to the stores, and whether it shall be.
    Plan {
        /// What was wished for.
        request: Box<Request>,
        /// The plan.
        plan: Box<Plan>,
        /// Lines scrolled down.
        scroll: usize,
    },
    /// A model that would not fit.
    Refused {
        /// Which model, by its id.
        model: String,
        /// How it was to run.
        settings: Box<SessionSettings>,
        /// The figures.
        refusal: Refusal,
    },
    /// A model that the check refuses, or that is no language model: whether to try it all the same.
    TryAnyway {
        /// Which model, by its id.
        model: String,
        /// How it was to run.
        settings: Box<SessionSettings>,
    },
    /// The vote on the race: the chosen row, the one behind the columns is a tie.
    Vote {
        /// The row.
        chosen: usize,
    },
    /// The settings to start a model with, or of a session.
    Form(Form),
}

/// A form over a session's settings.
#[derive(Debug, Clone)]
pub struct Form {
    /// For which model, by its id.
    pub model: String,
    /// The settings so far.
    pub settings: SessionSettings,
    /// The column of the next race that they are for; `None` starts a session.
    pub column: Option<usize>,
    /// The chosen row of [`crate::settings::SESSION_FIELDS`].
    pub chosen: usize,
    /// The text of the chosen row.
    pub input: Editor,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// A message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// When it came.
    pub at: Moment,
}

/// The faces of the Library screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Face {
    /// The models on this machine.
    #[default]
    Models,
    /// The models on the hub, and what is being fetched from there.
    Hub,
    /// What the models take of the disks, and what could be tidied up.
    Usage,
}

/// The library and the choice in it.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The face that shows.
    pub face: Face,
    /// All models, in no particular order.
    pub models: Vec<Arc<Model>>,
    /// How each store's scan went.
    pub stores: Vec<StoreStatus>,
    /// A scan runs.
    pub scanning: bool,
    /// How long the last one took.
    pub took: Option<Duration>,
    /// The rows that show, as indices into `models`: filtered and sorted.
    pub rows: Vec<usize>,
    /// The chosen row.
    pub chosen: usize,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// The column that sorts.
    pub sort: LibrarySort,
    /// Largest, newest, last first.
    pub reverse: bool,
    /// Generation speed measured here, by model id, tokens per second.
    pub measured: HashMap<String, f64>,
    /// Energy measured here, by model id, joules per generated token.
    pub measured_joules: HashMap<String, Graded>,
    /// How open the models are.
    pub openness: Openness,
    /// How much of the chosen model's files is in memory.
    pub residency: Option<Residency>,
    /// The model whose card is scrolled, and by how many rows; the card of any other begins at its top.
    pub scrolled: Option<(String, usize)>,
}

impl Library {
    /// Rows by which this model's card is scrolled.
    pub fn scroll(&self, model: &Model) -> usize {
        self.scrolled.as_ref().filter(|(id, _)| *id == model.id).map_or(0, |(_, rows)| *rows)
    }
}

/// How much of a model's files the system holds in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Residency {
    /// Which model, by its id.
    pub model: String,
    /// When it was asked for, or answered.
    pub at: Moment,
    /// The share, or why it is not told; `None` while it is asked for.
    pub share: Option<Result<Ratio, String>>,
    /// What was known before it was asked for again.
    pub before: Option<Result<Ratio, String>>,
}

impl Residency {
    /// What is known of this model.
    pub fn known(&self, model: &str) -> Option<&Result<Ratio, String>> {
        self.share.as_ref().or(self.before.as_ref()).filter(|_| self.model == model)
    }
}

/// A window on the history, for the Bench screen's second face.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the list")]
pub struct HistoryList {
    /// Whether this face shows.
    pub open: bool,
    /// Rows that came so far, newest first.
    pub entries: Vec<Entry>,
    /// Whether there are older ones.
    pub more: bool,
    /// Whether an answer is waited for.
    pub asked: bool,
    /// The last row's number when older ones were asked for; `None` for the first page.
    pub before: Option<i64>,
    /// Which question the answer must belong to.
    pub generation: u64,
    /// The chosen row.
    pub chosen: usize,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
}

impl Library {
    /// Take what the history knows; what was measured since the program started is newer.
    pub fn take_measured(&mut self, latest: impl IntoIterator<Item = (String, crate::history::Latest)>) {
        for (model, latest) in latest {
            if let Some(rate) = latest.rate {
                self.measured.entry(model.clone()).or_insert(rate);
            }
            if let Some(joules) = latest.joules {
                self.measured_joules.entry(model).or_insert(joules);
            }
        }
    }
}

/// What the library is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the columns' names")]
pub enum LibrarySort {
    #[default]
    Name,
    Parameters,
    Size,
    Context,
    Used,
    Store,
}

impl LibrarySort {
    /// All columns with their names, in the order in which `sort` goes through them.
    pub const ALL: [(&str, Self); 6] = [
        ("name", Self::Name),
        ("parameters", Self::Parameters),
        ("size", Self::Size),
        ("context", Self::Context),
        ("used", Self::Used),
        ("store", Self::Store),
    ];
}

/// The sessions and the choice among them.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// All sessions, in the order they were started.
    pub sessions: Vec<Session>,
    /// The rows that show, filtered and sorted.
    pub rows: Vec<SessionId>,
    /// The chosen session.
    pub chosen: Option<SessionId>,
    /// What has the keys.
    pub focus: Focus,
    /// Which face of the chosen session shows.
    pub tab: Tab,
    /// Lines scrolled back from the conversation's end, 0 follows it; on the figures, down from their begin.
    pub scroll: usize,
    /// The prompt being written, one for each session.
    pub prompts: HashMap<SessionId, Editor>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// The column that sorts.
    pub sort: FleetSort,
    /// Largest first.
    pub reverse: bool,
    /// What is chosen of other programs' processes.
    pub foreign: Choice,
}

/// What has the keys on the Fleet screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The table of sessions.
    Table,
    /// The prompt of the chosen session.
    Prompt,
}

/// The faces of the chosen session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the tabs' names")]
pub enum Tab {
    Conversation,
    Figures,
    Memory,
    Log,
}

impl Tab {
    /// All faces with their names, in order.
    pub const ALL: [(Self, &str); 4] =
        [(Self::Conversation, "chat"), (Self::Figures, "figures"), (Self::Memory, "memory"), (Self::Log, "log")];
}

/// What the fleet is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the columns' names")]
pub enum FleetSort {
    #[default]
    Started,
    Name,
    State,
    Context,
    Throughput,
    Ttft,
    Memory,
    Power,
    Energy,
    PerAnswer,
    Threads,
    Processor,
    GpuMemory,
}

impl FleetSort {
    /// All columns with their names, in the order in which `sort` goes through them.
    pub const ALL: [(&str, Self); 13] = [
        ("started", Self::Started),
        ("name", Self::Name),
        ("state", Self::State),
        ("context", Self::Context),
        ("tok/s", Self::Throughput),
        ("ttft", Self::Ttft),
        ("memory", Self::Memory),
        ("power", Self::Power),
        ("j/tok", Self::Energy),
        ("j/answer", Self::PerAnswer),
        ("threads", Self::Threads),
        ("cpu", Self::Processor),
        ("gpu", Self::GpuMemory),
    ];
}

/// The machine's readings.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The last sample.
    pub sample: Option<Box<Sample>>,
    /// Busy share of all cores by tick, percent.
    pub cpu: Ring,
    /// Used memory by tick, bytes.
    pub memory: Ring,
    /// Metered power by tick, watts.
    pub power: Ring,
    /// Generated tokens per second of all sessions by tick.
    pub throughput: Ring,
    /// The hottest sensor by tick, degrees Celsius.
    pub temperature: Ring,
    /// What all sessions hold together by tick, bytes.
    pub held: Ring,
    /// Temperature sensors by label, the first [`Machine::MAX_SENSORS`]: degrees Celsius by tick.
    pub sensors: Vec<(String, Ring)>,
    /// Its readings, for the records of what runs.
    pub readings: Readings,
    /// What taffrail itself draws.
    pub own_watts: Figure<Watts>,
    /// Ticks since the graphs were frozen; `None` while they move.
    pub frozen: Option<usize>,
    /// Ticks that a graph spans.
    pub span: usize,
    /// The instant that all graphs read out, in ticks before now; `None` reads out now.
    pub cursor: Option<usize>,
    /// Whether each session has a graph of its own rather than a part of the stack.
    pub split: bool,
    /// The first row of the source table that shows.
    pub scroll: usize,
    /// What the main memory gives, where it was measured.
    pub bandwidth: Option<Bandwidth>,
    /// It is being measured now.
    pub measuring: bool,
}

impl Machine {
    /// Sensors with a graph of their own. Servers have dozens, and the hottest of all is shown anyway.
    pub const MAX_SENSORS: usize = 8;
}

impl State {
    /// The state at the program's start.
    pub fn new(settings: Settings, themes: Vec<String>) -> Self {
        let bound = (settings.telemetry.history.as_millis() / settings.telemetry.interval.as_millis().max(1)) as usize;
        let ring = Ring::new(bound);
        Self {
            now: Moment::default(),
            screen: Screen::Library,
            overlay: None,
            library: Library::default(),
            hub: Hub::default(),
            house: Keeping::default(),
            fleet: Fleet {
                sessions: Vec::new(),
                rows: Vec::new(),
                chosen: None,
                focus: Focus::Table,
                tab: Tab::Conversation,
                scroll: 0,
                prompts: HashMap::new(),
                filter: Editor::default(),
                filtering: false,
                sort: FleetSort::default(),
                reverse: false,
                foreign: Choice::default(),
            },
            race: Races::default(),
            quality: None,
            machine: Machine {
                sample: None,
                cpu: ring.clone(),
                memory: ring.clone(),
                power: ring.clone(),
                throughput: ring.clone(),
                temperature: ring.clone(),
                held: ring,
                sensors: Vec::new(),
                readings: Readings::default(),
                own_watts: Figure::unknown("not sampled yet"),
                frozen: None,
                span: 120.min(bound.max(1)),
                cursor: None,
                split: false,
                scroll: 0,
                bandwidth: None,
                measuring: false,
            },
            attribution: Attribution::default(),
            bench: Bench::default(),
            history: HistoryList::default(),
            held: Vec::new(),
            theme: settings.ui.theme.clone(),
            themes,
            notices: VecDeque::new(),
            leaving: false,
            next_id: 1,
            settings,
        }
    }

    /// How many ticks of history are kept.
    pub fn history(&self) -> usize {
        let telemetry = &self.settings.telemetry;
        (telemetry.history.as_millis() / telemetry.interval.as_millis().max(1)).max(1) as usize
    }

    /// The session of this name.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.fleet.sessions.iter().find(|session| session.id == id)
    }

    /// The chosen session.
    pub fn chosen_session(&self) -> Option<&Session> {
        self.session(self.fleet.chosen?)
    }

    /// The chosen process of another program; `None` while a session is chosen.
    pub fn chosen_foreign(&self) -> Option<&Foreign> {
        let chosen = self.fleet.foreign.chosen.filter(|_| self.fleet.chosen.is_none())?;
        self.machine.sample.as_ref()?.foreign.iter().find(|foreign| foreign.id() == chosen)
    }

    /// The session that a worker belongs to; `None` for an old worker.
    pub fn session_of(&self, worker: WorkerId) -> Option<&Session> {
        self.fleet.sessions.iter().find(|session| session.worker == worker)
    }

    /// The chosen model.
    pub fn chosen_model(&self) -> Option<&Arc<Model>> {
        self.library.rows.get(self.library.chosen).and_then(|row| self.library.models.get(*row))
    }

    /// The model of this id.
    pub fn model(&self, id: &str) -> Option<&Arc<Model>> {
        self.library.models.iter().find(|model| model.id == id)
    }

    /// Threads that all sessions together may use.
    pub fn thread_limit(&self) -> u32 {
        let usable = self.machine.sample.as_ref().map_or(1, |sample| sample.threads());
        self.settings.budget.threads.unwrap_or(usable)
    }
}
