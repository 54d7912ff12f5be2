//! What one client's screen shows.
//!
//! Owned here: the screen, what lies over it, selections, filters, fields that are being written. Absent: what the program
//! knows (`domain`), and how any of it is drawn.

use std::collections::{HashMap, VecDeque};

use domain::admission::AdmissionError;
use domain::download::hub::{Repository, Search, Sort};
use domain::lab::race::diff::Diff;
use domain::lab::race::rating::Rating;
use domain::lab::race::{Entry, Order, lockstep};
use domain::model::Model;
use domain::model::library_view::LibrarySort;
use domain::moment::Moment;
use domain::record::Entry as Recorded;
use domain::session::{SessionId, Turn};
use domain::settings::{SessionSettings, Settings};
use domain::storage::{CleanupPlan, Grouping, Request};
use domain::units::Ratio;

use super::editor::Editor;
use super::fleet_view::FleetSort;
use super::{Face, Screen, SuiteView};

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
    /// Commands that were given so far; the next one's id is one more.
    pub(super) n_commands: u64,
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
            n_commands: 0,
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
        plan: Box<CleanupPlan>,
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
        refusal: AdmissionError,
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
    pub parting: Option<lockstep::Divergence>,
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
