//! What one client's screen shows.
//!
//! Owned here: the screen, what lies over it, selections, filters, fields that are being written. Absent: what the program
//! knows (`domain`), and how any of it is drawn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use domain::command::{CommandId, What};
use domain::download::hub::{Repository, Search, Sort};
use domain::ids::StorageJobId;
use domain::model::Model;
use domain::model::library_view::LibrarySort;
use domain::moment::Moment;
use domain::record::Entry as Recorded;
use domain::session::{SessionId, Turn};
use domain::settings::{ChatSettings, GraphStyle, OnQuit, Settings};
use domain::storage::Grouping;
use domain::units::Ratio;

use crate::ui::editor::Editor;
use crate::ui::marks::Marks;
use crate::ui::{Action, ChatsView, Notice, Overlay, RaceView, RequestsView, Server, SuiteView};

/// What the screen shows.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
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
    /// The requests' tab of the Fleet screen.
    pub requests: RequestsView,
    /// The conversations' tab of the Fleet screen.
    pub chats: ChatsView,
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
    /// What was said lately, with its time in seconds since 1970, newest last.
    pub messages: VecDeque<(i64, String)>,
    /// Whether a first start may be welcomed, and whether that shows.
    pub welcome: Welcome,
    /// The program is about to end.
    pub leaving: bool,
    /// The program is about to stop until its shell continues it.
    pub suspending: bool,
    /// What graphs are drawn with.
    pub graphs: GraphStyle,
    /// Whether the terminal shows ASCII alone.
    pub ascii: bool,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// Whether the screen is read out: without boxes, spinners and graphs.
    pub screen_reader: bool,
    /// What was said of each session last: its number, name and state.
    pub(super) spoken: Vec<(u64, String, &'static str)>,
    /// The screen that was named last.
    pub(super) spoken_screen: Option<Screen>,
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
    /// The screen at the start; graphs span at most so many ticks.
    pub fn new(settings: &Settings, themes: Vec<String>, most: usize) -> Self {
        Self {
            screen: Screen::Library,
            overlay: None,
            library: LibraryView::default(),
            hub: HubView::default(),
            usage: UsageView::default(),
            fleet: FleetView::default(),
            requests: RequestsView::default(),
            chats: ChatsView::default(),
            race: RaceView::default(),
            bench_tab: BenchTab::default(),
            bench_row: 0,
            suites: SuiteView::default(),
            history: HistoryList::default(),
            machine: MachineView { span: 120.min(most.max(1)), ..MachineView::default() },
            theme: settings.ui.theme.clone(),
            themes,
            notices: VecDeque::new(),
            messages: VecDeque::new(),
            welcome: Welcome::default(),
            leaving: false,
            suspending: false,
            graphs: settings.ui.graphs,
            ascii: false,
            mouse: settings.ui.mouse,
            screen_reader: settings.ui.screen_reader,
            spoken: Vec::new(),
            spoken_screen: None,
            on_quit: settings.ui.on_quit,
            server: None,
            n_commands: 0,
            unanswered: BTreeMap::new(),
        }
    }
}

/// Whether a first start is welcomed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Welcome {
    /// It was before, or has no need to be.
    #[default]
    Done,
    /// It is once the models are known, where they are the starters alone.
    Pending,
    /// It shows.
    Shown,
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
    /// Whether absent sensors show one by one.
    pub shows_missing: bool,
}

/// What shows of the disk use.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageView {
    /// What is drawn and listed.
    pub grouping: Grouping,
    /// The selected row: what could be cleaned up first, then the shares.
    pub chosen: usize,
    /// The plan that this screen asked for last and that has not come yet.
    pub awaits_plan: Option<StorageJobId>,
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
    /// All screens of the dashboard with the actions that lead there and their names, in order.
    pub const ALL: [(Self, Action, &str); 5] = [
        (Self::Fleet, Action::Fleet, "Fleet"),
        (Self::Library, Action::Library, "Library"),
        (Self::Race, Action::Race, "Race"),
        (Self::Bench, Action::Bench, "Bench"),
        (Self::Machine, Action::Machine, "Machine"),
    ];
}

/// The tabs of the Library screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LibraryTab {
    /// The models on this machine.
    #[default]
    Models,
    /// The models on the hub, and what is being fetched from there.
    Hub,
    /// What the models take of the disks, and what could be cleaned up.
    DiskUsage,
}

/// What shows of the library.
#[derive(Debug, Clone, Default)]
pub struct LibraryView {
    /// The tab that shows.
    pub tab: LibraryTab,
    /// The rows that show, as indices into the library's models: filtered and sorted.
    pub rows: Vec<usize>,
    /// The selected row.
    pub chosen: usize,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// What is wrong with the filter, in a sentence.
    pub problem: Option<String>,
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
    /// The tab of the chosen session that shows.
    pub tab: SessionTab,
    /// Lines scrolled back from the conversation's end, 0 follows it; on the figures, down from their begin.
    pub scroll: usize,
    /// The prompt being written, one for each session.
    pub prompts: HashMap<SessionId, Editor>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// What is wrong with the filter, in a sentence.
    pub problem: Option<String>,
    /// The column that sorts.
    pub sort: FleetSort,
    /// Largest first.
    pub reverse: bool,
    /// What is chosen of other programs' processes.
    pub foreign: ForeignChoice,
    /// Whether the selected session fills the screen.
    pub is_zoomed: bool,
    /// The prompt that is being changed.
    pub editing: Option<Editing>,
    /// Prompts that were sent from this screen, oldest first.
    pub(super) sent: VecDeque<String>,
    /// The earlier prompt that stands in the editor, by its place among them.
    pub(super) recalled: Option<usize>,
    /// The code block that was copied last: of which session, turn and place.
    pub(super) copied: Option<(SessionId, usize, usize)>,
    /// How the conversation of the next session of a model, by its id, is told to it.
    pub(super) next_chat: Option<(String, ChatSettings)>,
    /// Sessions whose reasoning the user has folded or unfolded; that of others folds when the answer begins.
    pub folds: HashMap<SessionId, bool>,
    /// The sessions that there are, as the rows were made of them.
    pub(super) known: Vec<SessionId>,
}

/// A prompt that was sent and is being changed.
#[derive(Debug, Clone)]
pub struct Editing {
    /// Of which session.
    pub session: SessionId,
    /// The turn of its conversation that the prompt is.
    pub turn: usize,
    /// What stood in the editor before.
    pub before: Editor,
}

/// What is selected of other programs' processes.
#[derive(Debug, Clone, Default)]
pub struct ForeignChoice {
    /// The rows that show, filtered and sorted, by [`domain::machine::other_processes::OtherProcess::id`].
    pub rows: Vec<(u32, u64)>,
    /// The chosen one, by [`domain::machine::other_processes::OtherProcess::id`]. It counts while no session is chosen.
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

/// The tabs of the chosen session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the tabs' names")]
pub enum SessionTab {
    #[default]
    Conversation,
    Figures,
    Memory,
    Log,
}

impl SessionTab {
    /// All tabs with their names, in order.
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
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own of the list")]
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
    /// The marked records, by their numbers.
    pub marks: Marks<i64>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// Whether the record that was asked for is to be read, rather than gone on with.
    pub(super) reads: bool,
    /// What is wrong with the filter, in a sentence.
    pub problem: Option<String>,
}

impl Ui {
    /// The id of the next command to the server; `None` where it is lost.
    pub fn next_command(&mut self) -> Option<CommandId> {
        let server = self.server.as_ref().filter(|server| !server.is_lost)?;
        self.n_commands += 1;
        Some(CommandId(server.first_command + self.n_commands))
    }

    /// Whether a server goes on with what runs when this screen is left.
    pub(super) fn is_attached(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.is_lost)
    }
}
