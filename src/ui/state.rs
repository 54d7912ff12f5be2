//! What one client's screen shows.
//!
//! This module contains the current screen, its overlay, selections, filters and text fields. It does not contain the
//! state of the program (`domain`) or any drawing code.

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

/// The state of one client's screen.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
pub struct Ui {
    /// The current screen.
    pub screen: Screen,
    /// The overlay on top of the screen, if any.
    pub overlay: Option<Overlay>,
    /// The Library screen.
    pub library: LibraryView,
    /// The Hub tab of the Library screen.
    pub hub: HubView,
    /// The disk usage tab of the Library screen.
    pub usage: UsageView,
    /// The Fleet screen.
    pub fleet: FleetView,
    /// The requests tab of the Fleet screen.
    pub requests: RequestsView,
    /// The conversations tab of the Fleet screen.
    pub chats: ChatsView,
    /// The Race screen.
    pub race: RaceView,
    /// The current tab of the Bench screen.
    pub bench_tab: BenchTab,
    /// The selected row of the bench.
    pub bench_row: usize,
    /// The suites tab of the Bench screen.
    pub suites: SuiteView,
    /// The list of previous runs.
    pub history: HistoryList,
    /// The Machine screen.
    pub machine: MachineView,
    /// The name of the current theme.
    pub theme: String,
    /// Names of all themes, sorted.
    pub themes: Vec<String>,
    /// Notices for the user, newest last. Each disappears after a while.
    pub notices: VecDeque<Notice>,
    /// Recent messages with their time in seconds since 1970, newest last.
    pub messages: VecDeque<(i64, String)>,
    /// Whether the welcome is pending, shown or done.
    pub welcome: Welcome,
    /// The program is about to exit.
    pub leaving: bool,
    /// The program is about to be suspended until its shell resumes it.
    pub suspending: bool,
    /// The characters that graphs are drawn with.
    pub graphs: GraphStyle,
    /// Whether the output is limited to ASCII.
    pub ascii: bool,
    /// Whether mouse events are handled.
    pub mouse: bool,
    /// Whether the layout is for a screen reader: without boxes, spinners and graphs.
    pub screen_reader: bool,
    /// The state last announced for each session: its number, name and state.
    pub(super) spoken: Vec<(u64, String, &'static str)>,
    /// The screen that was announced last.
    pub(super) spoken_screen: Option<Screen>,
    /// What happens to the server's sessions when the dashboard quits.
    pub on_quit: OnQuit,
    /// The server that this screen is attached to; `None` if the domain belongs to this process.
    pub server: Option<Server>,
    /// The number of commands issued so far. The next command's id is this plus one.
    pub(super) n_commands: u64,
    /// Commands that the server has not answered yet.
    pub(super) unanswered: BTreeMap<CommandId, What>,
}

impl Ui {
    /// The screen at startup. `most` limits the number of ticks that a graph spans.
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

/// Whether the welcome is shown on the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Welcome {
    /// It was shown before, or is not needed.
    #[default]
    Done,
    /// It is shown once the models are known, if they are only the starter models.
    Pending,
    /// It is on the screen.
    Shown,
}

/// The state of the Machine screen.
#[derive(Debug, Clone, Default)]
pub struct MachineView {
    /// The number of ticks since the graphs were paused; `None` while they are live.
    pub frozen: Option<usize>,
    /// The number of ticks that a graph spans.
    pub span: usize,
    /// The instant that the cursor of all graphs is at, in ticks before now; `None` shows the current values.
    pub cursor: Option<usize>,
    /// Whether each session has its own graph instead of a layer of a stacked graph.
    pub split: bool,
    /// The first visible row of the sensor table.
    pub scroll: usize,
    /// Whether missing sensors are listed individually.
    pub shows_missing: bool,
}

/// The state of the disk usage tab.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageView {
    /// What the usage is grouped by.
    pub grouping: Grouping,
    /// The selected row. Cleanup candidates come first, then the shares.
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
    /// All screens of the dashboard with their actions and names, in order.
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
    /// The models on the Hub, and the downloads from it.
    Hub,
    /// The disk space used by models, and what could be cleaned up.
    DiskUsage,
}

/// The state of the Library screen.
#[derive(Debug, Clone, Default)]
pub struct LibraryView {
    /// The current tab.
    pub tab: LibraryTab,
    /// The visible rows as indices into the library's models, filtered and sorted.
    pub rows: Vec<usize>,
    /// The selected row.
    pub chosen: usize,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// What is wrong with the filter, as a sentence.
    pub problem: Option<String>,
    /// The sort column.
    pub sort: LibrarySort,
    /// Whether the order is descending.
    pub reverse: bool,
    /// How much of the selected model's files is resident in memory.
    pub residency: Option<Residency>,
    /// The model whose card is scrolled, and the number of rows. The card of any other model is at its top.
    pub scrolled: Option<(String, usize)>,
}

impl FleetView {
    /// Whether the reasoning of a turn is folded to one line.
    pub fn folds(&self, session: SessionId, turn: &Turn, settings: &Settings) -> bool {
        let folds = settings.ui.fold_reasoning && !turn.text.is_empty();
        self.folds.get(&session).copied().unwrap_or(folds)
    }
}

impl LibraryView {
    /// The number of rows by which this model's card is scrolled.
    pub fn scroll(&self, model: &Model) -> usize {
        self.scrolled.as_ref().filter(|(id, _)| *id == model.id).map_or(0, |(_, rows)| *rows)
    }
}

/// How much of a model's files is resident in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Residency {
    /// The id of the model.
    pub model: String,
    /// When the share was requested or received.
    pub at: Moment,
    /// The share, or why it is not available; `None` while the request is pending.
    pub share: Option<Result<Ratio, String>>,
    /// The previous result, from before the last request.
    pub before: Option<Result<Ratio, String>>,
}

impl Residency {
    /// The latest result for this model.
    pub fn known(&self, model: &str) -> Option<&Result<Ratio, String>> {
        self.share.as_ref().or(self.before.as_ref()).filter(|_| self.model == model)
    }
}

/// The state of the Hub tab.
#[derive(Debug, Clone, Default)]
pub struct HubView {
    /// The search text.
    pub field: Editor,
    /// Whether the search text is being typed.
    pub typing: bool,
    /// The sort order of the results.
    pub sort: Sort,
    /// The state of the search.
    pub search: Search,
    /// The number of the newest search. Results of older searches are dropped.
    pub generation: u64,
    /// The repositories found.
    pub results: Vec<Repository>,
    /// The selected repository.
    pub chosen: usize,
    /// The selected quantization of the open repository; `None` while the results are shown.
    pub open: Option<usize>,
    /// Whether the downloads have the keyboard focus.
    pub in_downloads: bool,
    /// The selected download.
    pub chosen_download: usize,
}

impl HubView {
    /// The selected repository.
    pub fn repository(&self) -> Option<&Repository> {
        self.results.get(self.chosen)
    }
}

/// The state of the Fleet screen.
#[derive(Debug, Clone, Default)]
pub struct FleetView {
    /// The visible rows, filtered and sorted.
    pub rows: Vec<SessionId>,
    /// The selected session.
    pub chosen: Option<SessionId>,
    /// What has the keyboard focus.
    pub focus: Focus,
    /// The current tab of the selected session.
    pub tab: SessionTab,
    /// The scroll position: on the chat tab, lines back from the end of the conversation, where 0 follows the end; on
    /// the figures tab, lines down from the top.
    pub scroll: usize,
    /// The unsent prompt of each session.
    pub prompts: HashMap<SessionId, Editor>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// What is wrong with the filter, as a sentence.
    pub problem: Option<String>,
    /// The sort column.
    pub sort: FleetSort,
    /// Whether the order is descending.
    pub reverse: bool,
    /// The selection among other programs' processes.
    pub foreign: ForeignChoice,
    /// Whether the selected session fills the screen.
    pub is_zoomed: bool,
    /// The sent prompt that is being edited.
    pub editing: Option<Editing>,
    /// Prompts that were sent from this screen, oldest first.
    pub(super) sent: VecDeque<String>,
    /// The index in `sent` of the earlier prompt that is in the editor.
    pub(super) recalled: Option<usize>,
    /// The code block that was copied last: its session, turn and index.
    pub(super) copied: Option<(SessionId, usize, usize)>,
    /// The chat settings for the next session of the model with this id.
    pub(super) next_chat: Option<(String, ChatSettings)>,
    /// Sessions whose reasoning the user has folded or unfolded. In all others it folds when the answer begins.
    pub folds: HashMap<SessionId, bool>,
    /// The sessions that existed when the rows were built.
    pub(super) known: Vec<SessionId>,
}

/// A sent prompt that is being edited.
#[derive(Debug, Clone)]
pub struct Editing {
    /// Its session.
    pub session: SessionId,
    /// The index of its turn in the conversation.
    pub turn: usize,
    /// The previous content of the editor.
    pub before: Editor,
}

/// The selection among other programs' processes.
#[derive(Debug, Clone, Default)]
pub struct ForeignChoice {
    /// The visible rows, filtered and sorted, by [`domain::machine::other_processes::OtherProcess::id`].
    pub rows: Vec<(u32, u64)>,
    /// The selected process, by [`domain::machine::other_processes::OtherProcess::id`]. It is used only while no
    /// session is selected.
    pub chosen: Option<(u32, u64)>,
}

/// What has the keyboard focus on the Fleet screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The table of sessions.
    #[default]
    Table,
    /// The prompt of the selected session.
    Prompt,
}

/// The tabs of the selected session.
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

/// The sort columns of the fleet.
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
    /// All columns with their names, in the order in which `sort` cycles through them.
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
    /// Speed of models.
    #[default]
    Benches,
    /// Previous runs.
    History,
    /// Which models pass which prompts.
    Suites,
}

/// The loaded part of the history, for the second tab of the Bench screen.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own of the list")]
pub struct HistoryList {
    /// The rows loaded so far, newest first.
    pub entries: Vec<Recorded>,
    /// Whether there are older rows.
    pub more: bool,
    /// Whether a request is pending.
    pub asked: bool,
    /// The number of the last row when older rows were requested; `None` for the first page.
    pub before: Option<i64>,
    /// The number of the request that an answer must match.
    pub generation: u64,
    /// The selected row.
    pub chosen: usize,
    /// The marked records, by their numbers.
    pub marks: Marks<i64>,
    /// The filter's text.
    pub filter: Editor,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// Whether the requested record is opened for reading instead of being continued.
    pub(super) reads: bool,
    /// What is wrong with the filter, as a sentence.
    pub problem: Option<String>,
}

impl Ui {
    /// The id of the next command to the server; `None` if the connection is lost.
    pub fn next_command(&mut self) -> Option<CommandId> {
        let server = self.server.as_ref().filter(|server| !server.is_lost)?;
        self.n_commands += 1;
        Some(CommandId(server.first_command + self.n_commands))
    }

    /// Whether a server continues its work after this screen is closed.
    pub(super) fn is_attached(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.is_lost)
    }
}
