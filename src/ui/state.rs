//! What one client's screen shows.
//!
//! Owned here: the screen, what lies over it, selections, filters, fields that are being written. Absent: what the program
//! knows (`domain`), and how any of it is drawn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use domain::command::{CommandId, What};
use domain::history::Entry as Recorded;
use domain::house::{Grouping, Plan, Request};
use domain::hub::{Repository, Search, Sort};
use domain::library_view::LibrarySort;
use domain::model::Model;
use domain::moment::Moment;
use domain::plan::Refusal;
use domain::race::diff::Diff;
use domain::race::rating::Rating;
use domain::race::{Entry, Order, lockstep};
use domain::session::{SessionId, Turn};
use domain::settings::{OnQuit, SessionSettings, Settings};
use domain::units::Ratio;

use super::SuiteView;
use super::editor::Editor;

/// What the screen shows.
#[derive(Debug, Clone)]
pub struct Ui {
    /// The screen that shows.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Option<Overlay>,
    /// The Library screen.
    pub library: LibraryView,
    /// The hub's tab of the Library screen.
    pub hub: HubView,
    /// The disk use's tab of the Library screen.
    pub usage: UsageView,
    /// The Fleet screen.
    pub fleet: FleetView,
    /// The Race screen.
    pub race: RaceView,
    /// The tab of the Bench screen that shows.
    pub bench_tab: BenchTab,
    /// The selected row of the bench.
    pub bench_row: usize,
    /// The suites' tab of the Bench screen.
    pub suites: SuiteView,
    /// The list of what was run before.
    pub history: HistoryList,
    /// The Machine screen.
    pub machine: MachineView,
    /// The name of the theme in force.
    pub theme: String,
    /// Names of all themes, sorted.
    pub themes: Vec<String>,
    /// What the user should read, newest last; each goes after its time.
    pub notices: VecDeque<Notice>,
    /// The program is about to end.
    pub leaving: bool,
    /// What becomes of the server's sessions when the screen is left.
    pub on_quit: OnQuit,
    /// The server that this screen is attached to; `None` where the domain is this process's own.
    pub server: Option<Server>,
    /// Commands that were given so far; the next one's id is one more.
    pub(super) n_commands: u64,
    /// Commands that the server has not answered yet.
    pub(super) unanswered: BTreeMap<CommandId, What>,
}

impl Ui {
    /// The id of the next command to the server; `None` where it is lost.
    pub fn next_command(&mut self) -> Option<CommandId> {
        let server = self.server.as_ref().filter(|server| !server.is_lost)?;
        self.n_commands += 1;
        Some(CommandId(server.first_command + self.n_commands))
    }
}

/// The server that a screen is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its machine, where that is another one.
    pub host: Option<String>,
    /// Its process.
    pub pid: u32,
    /// What the ids of this screen's commands begin after.
    pub first_command: u64,
    /// Whether it was lost: its sessions show as they were last.
    pub is_lost: bool,
}

impl Ui {
    /// The screen at the start; graphs span at most so many ticks.
    pub fn new(settings: &Settings, themes: Vec<String>, most: usize) -> Self {
        Self {
            screen: Screen::Library,
            overlay: None,
            library: LibraryView::default(),
            hub: HubView::default(),
            usage: UsageView::default(),
            fleet: FleetView::default(),
            race: RaceView::default(),
            bench_tab: BenchTab::default(),
            bench_row: 0,
            suites: SuiteView::default(),
            history: HistoryList::default(),
            machine: MachineView { span: 120.min(most.max(1)), ..MachineView::default() },
            theme: settings.ui.theme.clone(),
            themes,
            notices: VecDeque::new(),
            leaving: false,
            on_quit: settings.ui.on_quit,
            server: None,
            n_commands: 0,
            unanswered: BTreeMap::new(),
        }
    }
}

/// What shows of the machine.
#[derive(Debug, Clone, Default)]
pub struct MachineView {
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
}

/// What shows of the disk use.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageView {
    /// What is drawn and listed.
    pub grouping: Grouping,
    /// The selected row: what could be cleaned up first, then the shares.
    pub chosen: usize,
    /// Whether this screen asked for a plan that has not come yet.
    pub awaits_plan: bool,
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
        /// The chosen row of [`crate::ui::action::palette`]'s answer.
        chosen: usize,
    },
    /// A question that must be answered.
    Confirm {
        /// The question.
        question: String,
        /// What is done on yes.
        then: Box<crate::ui::Action>,
    },
    /// Whether sessions keep running on the server when this screen is left.
    Leave {
        /// The question.
        question: String,
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
    /// The chosen row of [`domain::settings::SESSION_FIELDS`].
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

/// What shows of the library.
#[derive(Debug, Clone, Default)]
pub struct LibraryView {
    /// The tab that shows.
    pub face: Face,
    /// The rows that show, as indices into the library's models: filtered and sorted.
    pub rows: Vec<usize>,
    /// The selected row.
    pub chosen: usize,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// The column that sorts.
    pub sort: LibrarySort,
    /// Largest, newest, last first.
    pub reverse: bool,
    /// How much of the selected model's files is in memory.
    pub residency: Option<Residency>,
    /// The model whose card is scrolled, and by how many rows; the card of any other begins at its top.
    pub scrolled: Option<(String, usize)>,
}

impl FleetView {
    /// Whether the reasoning of a turn is drawn as one line.
    pub fn folds(&self, session: SessionId, turn: &Turn, settings: &Settings) -> bool {
        let folds = settings.ui.fold_reasoning && !turn.text.is_empty();
        self.folds.get(&session).copied().unwrap_or(folds)
    }
}

impl LibraryView {
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

/// What shows of the hub.
#[derive(Debug, Clone, Default)]
pub struct HubView {
    /// What is searched for.
    pub field: Editor,
    /// Whether it is being typed.
    pub typing: bool,
    /// What results are sorted by.
    pub sort: Sort,
    /// How the search goes.
    pub search: Search,
    /// Which search is the newest; what an older one brings is dropped.
    pub generation: u64,
    /// The repositories found.
    pub results: Vec<Repository>,
    /// The chosen one.
    pub chosen: usize,
    /// The chosen quantisation of the open repository; `None` while the results show.
    pub open: Option<usize>,
    /// Whether the downloads have the keys.
    pub in_downloads: bool,
    /// The chosen one.
    pub chosen_download: usize,
}

impl HubView {
    /// The chosen repository.
    pub fn repository(&self) -> Option<&Repository> {
        self.results.get(self.chosen)
    }
}

/// What shows of the sessions.
#[derive(Debug, Clone, Default)]
pub struct FleetView {
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
    pub foreign: ForeignChoice,
    /// Sessions whose reasoning the user has folded or unfolded; that of others folds when the answer begins.
    pub folds: HashMap<SessionId, bool>,
    /// The sessions that there are, as the rows were made of them.
    pub(super) known: Vec<SessionId>,
}

/// What is selected of other programs' processes.
#[derive(Debug, Clone, Default)]
pub struct ForeignChoice {
    /// The rows that show, filtered and sorted, by [`domain::foreign::Foreign::id`].
    pub rows: Vec<(u32, u64)>,
    /// The chosen one, by [`domain::foreign::Foreign::id`]. It counts while no session is chosen.
    pub chosen: Option<(u32, u64)>,
}

/// What has the keys on the Fleet screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The table of sessions.
    #[default]
    Table,
    /// The prompt of the chosen session.
    Prompt,
}

/// The faces of the chosen session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the tabs' names")]
pub enum Tab {
    #[default]
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

/// What shows of a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RaceTab {
    /// The answers side by side.
    #[default]
    Answers,
    /// Two answers word by word.
    Diff,
    /// Where the columns part, and what each found likely there.
    Lockstep,
    /// How far one model is from another over the prompt, token by token.
    Heat,
    /// How the models stand after all votes.
    Ratings,
}

/// What shows of races, and the next one.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
pub struct RaceView {
    /// The columns of the next race.
    pub entries: Vec<Entry>,
    /// When its columns answer.
    pub order: Order,
    /// Whether the next race tells where its columns part.
    pub lockstep: bool,
    /// Whether its names are hidden until the vote.
    pub blind: bool,
    /// What it asks.
    pub prompt: Editor,
    /// What stands before it.
    pub system: Option<String>,
    /// Texts that end an answer, in place of those of the models' stores.
    pub stop: Vec<String>,
    /// Whether the prompt is being written.
    pub typing: bool,
    /// How the models stand after them, while that shows; best first.
    pub standings: Vec<Rating>,
    /// What shows of it.
    pub face: RaceTab,
    /// The chosen column.
    pub chosen: usize,
    /// The column that it is compared with.
    pub other: usize,
    /// The first line that shows of every column; `None` follows the ends.
    pub scroll: Option<usize>,
    /// The furthest that the last frame could be scrolled.
    pub limit: usize,
    /// Whether reasoning is shown whole.
    pub unfolded: bool,
    /// The chosen column against the other, while that shows.
    pub diff: Option<Diff>,
    /// Whether the chosen column's answer is weighed behind the prompt.
    pub with_answer: bool,
    /// Where the columns part, while that shows.
    pub parting: Option<lockstep::Parting>,
}

/// The tabs of the Bench screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BenchTab {
    /// How fast models are.
    #[default]
    Benches,
    /// What was run before.
    History,
    /// Which models pass which prompts.
    Suites,
}

/// A window on the history, for the Bench screen's second tab.
#[derive(Debug, Clone, Default)]
pub struct HistoryList {
    /// Rows that came so far, newest first.
    pub entries: Vec<Recorded>,
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
