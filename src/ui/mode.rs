//! What has the keys: decided here, and nowhere else.
//!
//! Keys, text fields, footer, help and palette all ask for the mode of a screen.

use domain::Domain;

use crate::ui::editor::Editor;
use crate::ui::{BenchTab, Focus, LibraryTab, Overlay, Screen, Ui};

/// What has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::VariantArray)]
pub enum Mode {
    /// The table of the Fleet screen.
    Fleet,
    /// The requests on the Fleet screen.
    Requests,
    /// The conversations on the Fleet screen.
    Chats,
    /// The models of the Library screen.
    Library,
    /// The repositories that a search of the hub found.
    Hub,
    /// The quantizations of one of them.
    HubQuants,
    /// The downloads.
    Downloads,
    /// The disk usage.
    DiskUsage,
    /// The columns of the Race screen.
    Race,
    /// The rows of the Bench screen.
    Bench,
    /// The records of its history.
    History,
    /// The suites that could be run.
    Suites,
    /// The suite that runs, or its result.
    SuiteRun,
    /// The Machine screen.
    Machine,
    /// The screen of `taffrail top`.
    Top,
    /// The prompt of the selected session.
    Prompt,
    /// The prompt of the next race.
    RacePrompt,
    /// The filter of the sessions.
    FleetFilter,
    /// The filter of the requests.
    RequestFilter,
    /// The search of the conversations.
    ChatFilter,
    /// The name of a conversation.
    ChatName,
    /// The filter of the models.
    LibraryFilter,
    /// What the hub is searched for.
    HubSearch,
    /// The filter of the history.
    HistoryFilter,
    /// The explanation of the screen.
    Help,
    /// A record of the history.
    Record,
    /// The command palette.
    Palette,
    /// A question.
    Confirm,
    /// What becomes of the server's sessions.
    Leave,
    /// A plan for the stores, and whether it is carried out.
    Plan,
    /// A model that does not fit, or that the check refuses.
    Refused,
    /// The vote on a race.
    Vote,
    /// The settings of a session.
    Form,
}

impl Mode {
    /// What has the keys.
    pub fn of(ui: &Ui, domain: &Domain) -> Self {
        match &ui.overlay {
            Some(Overlay::Help { .. }) => Self::Help,
            Some(Overlay::Record { .. }) => Self::Record,
            Some(Overlay::Palette { .. }) => Self::Palette,
            Some(Overlay::Confirm { .. }) => Self::Confirm,
            Some(Overlay::Leave { .. }) => Self::Leave,
            Some(Overlay::Plan { .. }) => Self::Plan,
            Some(Overlay::Refused { .. } | Overlay::TryAnyway { .. }) => Self::Refused,
            Some(Overlay::Vote { .. }) => Self::Vote,
            Some(Overlay::Form(_)) => Self::Form,
            None => Self::beneath(ui, domain),
        }
    }

    /// What has the keys once no dialog is open.
    pub fn beneath(ui: &Ui, domain: &Domain) -> Self {
        let list = Self::list(ui, domain);
        let chosen = ui.fleet.chosen.and_then(|id| domain.session(id));
        let can_write = chosen.is_some_and(|session| !session.embeds_only());
        match list {
            Self::Requests if ui.requests.filtering => Self::RequestFilter,
            Self::Chats | Self::Fleet if ui.chats.naming.is_some() => Self::ChatName,
            Self::Chats if ui.chats.filtering => Self::ChatFilter,
            Self::Fleet if ui.fleet.filtering => Self::FleetFilter,
            Self::Fleet if ui.fleet.focus == Focus::Prompt && can_write => Self::Prompt,
            Self::Library if ui.library.filtering => Self::LibraryFilter,
            Self::Hub | Self::HubQuants | Self::Downloads if ui.hub.typing => Self::HubSearch,
            Self::History if ui.history.filtering => Self::HistoryFilter,
            Self::Race if ui.race.typing => Self::RacePrompt,
            list => list,
        }
    }

    /// What has the keys once no text is typed either: the list that the screen is about.
    pub fn list(ui: &Ui, domain: &Domain) -> Self {
        match ui.screen {
            Screen::Fleet if ui.requests.shown => Self::Requests,
            Screen::Fleet if ui.chats.shown => Self::Chats,
            Screen::Fleet => Self::Fleet,
            Screen::Library => match ui.library.tab {
                LibraryTab::Models => Self::Library,
                LibraryTab::Hub if ui.hub.in_downloads => Self::Downloads,
                LibraryTab::Hub if ui.hub.open.is_some() => Self::HubQuants,
                LibraryTab::Hub => Self::Hub,
                LibraryTab::DiskUsage => Self::DiskUsage,
            },
            Screen::Race => Self::Race,
            Screen::Bench => match ui.bench_tab {
                BenchTab::Benches => Self::Bench,
                BenchTab::History => Self::History,
                BenchTab::Suites if ui.shows_suites(domain) => Self::Suites,
                BenchTab::Suites => Self::SuiteRun,
            },
            Screen::Machine => Self::Machine,
            Screen::Top => Self::Top,
        }
    }

    /// Whether plain characters are text here.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Prompt
                | Self::RacePrompt
                | Self::FleetFilter
                | Self::RequestFilter
                | Self::ChatFilter
                | Self::ChatName
                | Self::LibraryFilter
                | Self::HubSearch
                | Self::HistoryFilter
                | Self::Palette
                | Self::Form
        )
    }

    /// Whether a dialog has the keys.
    pub fn is_dialog(self) -> bool {
        matches!(
            self,
            Self::Help
                | Self::Record
                | Self::Palette
                | Self::Confirm
                | Self::Leave
                | Self::Plan
                | Self::Refused
                | Self::Vote
                | Self::Form
        )
    }
}

impl Ui {
    /// The text field that has the keys in a mode.
    pub(super) fn field(&mut self, mode: Mode) -> Option<&mut Editor> {
        match (mode, &mut self.overlay) {
            (Mode::Prompt, _) => Some(self.fleet.prompts.entry(self.fleet.chosen?).or_default()),
            (Mode::RacePrompt, _) => Some(&mut self.race.prompt),
            (Mode::FleetFilter, _) => Some(&mut self.fleet.filter),
            (Mode::RequestFilter, _) => Some(&mut self.requests.filter),
            (Mode::ChatFilter, _) => Some(&mut self.chats.filter),
            (Mode::ChatName, _) => self.chats.naming.as_mut().map(|(_, editor)| editor),
            (Mode::LibraryFilter, _) => Some(&mut self.library.filter),
            (Mode::HubSearch, _) => Some(&mut self.hub.field),
            (Mode::HistoryFilter, _) => Some(&mut self.history.filter),
            (Mode::Palette, Some(Overlay::Palette { input, .. })) => Some(input),
            (Mode::Form, Some(Overlay::Form(form))) => Some(&mut form.input),
            _ => None,
        }
    }
}
