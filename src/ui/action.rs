//! What a user can ask for with a key or in the palette.

use std::str::FromStr as _;

use strum::{EnumMessage as _, VariantArray as _};

/// Something to ask for. Its name is what `[keys]` of config.toml and the palette call it, and its documentation is what
/// the screen says of it. A name of an earlier version is still understood.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Action {
    /// Quit taffrail; loaded sessions are kept or stopped.
    Quit,
    /// Attach to the server again where it was lost, or start it.
    Reattach,
    /// Show the sessions.
    Fleet,
    /// Show the requests of all clients, or the sessions again.
    Requests,
    /// Show the conversations, or the sessions again.
    Chats,
    /// Show the models.
    Library,
    /// Find and download models on the Hugging Face Hub.
    Hub,
    /// Show what the models take of the disks.
    #[strum(to_string = "disk-usage", serialize = "usage")]
    DiskUsage,
    /// Show the race.
    Race,
    /// Show the benches.
    Bench,
    /// Show what was run before, or the benches again.
    History,
    /// Show the suites, to run one over the marked models or the selected one.
    Suites,
    /// Show the machine and its sensors.
    Machine,
    /// Explain this screen.
    Help,
    /// Find any command.
    Palette,
    /// Filter the list, or search the Hub.
    Filter,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Start the model or go to its session, write to the session, open the row.
    Choose,
    /// Cancel the answer, close what is open, leave the field.
    Back,
    /// Answer yes.
    Yes,
    /// Answer no.
    No,
    /// Go to the next part of the screen.
    Focus,
    /// Show the session's next tab.
    NextTab,
    /// Show the session's previous tab.
    PreviousTab,
    /// Scroll the session's tab or the model's card up.
    ScrollUp,
    /// Scroll the session's tab or the model's card down.
    ScrollDown,
    /// Start one more session, duplicate the column, or pick another suite.
    New,
    /// Change the settings of the session, or those to start with.
    Configure,
    /// Start even if it does not fit or the check refuses it.
    #[strum(to_string = "start-anyway", serialize = "force")]
    StartAnyway,
    /// Cancel the answer.
    Cancel,
    /// Stop the session, or remove the column.
    Stop,
    /// Restart the session and keep its conversation.
    Restart,
    /// Begin a new chat; the conversation so far stays among the chats.
    #[strum(to_string = "new-chat", serialize = "clear")]
    Clear,
    /// Edit a prompt that was sent; what came after it is dropped.
    EditPrompt,
    /// Generate the last answer again.
    Regenerate,
    /// Delete the last prompt and its answer.
    DeleteTurn,
    /// Let the chat fill the screen, or give the table its room again.
    Zoom,
    /// Read the conversation or the record.
    Open,
    /// Name the conversation.
    #[strum(to_string = "name-chat")]
    Rename,
    /// Write the conversation to a Markdown and a JSON file.
    ExportChat,
    /// Fold or unfold the reasoning.
    Fold,
    /// Copy the last answer.
    Copy,
    /// Copy the last code block of the answer; again, the one before.
    CopyCode,
    /// Sort by the next column.
    Sort,
    /// Reverse the sort order.
    Reverse,
    /// Mark or unmark the selected row; a race, bench, suite, export or deletion then takes all that are marked.
    Mark,
    /// Unmark everything that is marked.
    UnmarkAll,
    /// Race what is marked: compare the answers to one prompt.
    RaceMarked,
    /// Run the next race in turn or at once.
    Order,
    /// Hide the names of the next race until the vote.
    Blind,
    /// Vote for the best answer, or a tie.
    Vote,
    /// Compare two columns word by word.
    Diff,
    /// Decode the columns together until they diverge, and show what each found likely there.
    Lockstep,
    /// Continue diverged columns.
    #[strum(to_string = "continue", serialize = "go-on")]
    Continue,
    /// Score the prompt: how far the selected column is from the other, token by token.
    #[strum(to_string = "kl-heatmap", serialize = "heat")]
    KlHeatmap,
    /// Show the leaderboard of all votes.
    #[strum(to_string = "leaderboard", serialize = "ratings")]
    Leaderboard,
    /// Write the race to a Markdown and an HTML file.
    ExportRace,
    /// Measure the speed of the marked models, or of the selected one.
    BenchModel,
    /// Count disturbed repetitions of the bench as well.
    KeepDisturbed,
    /// Pick another suite to run.
    PickSuite,
    /// Run the suite again, all its prompts.
    #[strum(to_string = "rerun-suite", serialize = "suite-again")]
    RerunSuite,
    /// Plot a suite's pass rate against energy, time or memory.
    #[strum(to_string = "plot-axis", serialize = "cost")]
    PlotAxis,
    /// To the previous prompt of the suite.
    PreviousPrompt,
    /// To the next prompt of the suite.
    NextPrompt,
    /// Reveal the names of a blind race without a vote.
    Reveal,
    /// Delete the marked models or the selected one, the selected record, or clean up the selected row.
    #[strum(to_string = "delete-selected", serialize = "delete-model")]
    DeleteSelected,
    /// Undo the last deletion or deduplication.
    #[strum(to_string = "undo-cleanup", serialize = "take-back")]
    UndoCleanup,
    /// Show the disk usage by model, family or store.
    Group,
    /// Rescan all stores.
    Rescan,
    /// Pause or resume the download.
    #[strum(to_string = "pause-download", serialize = "pause")]
    PauseDownload,
    /// Cancel the download and discard the partial file.
    CancelDownload,
    /// Pause or resume the graphs; sampling continues.
    #[strum(to_string = "pause-graphs", serialize = "freeze")]
    PauseGraphs,
    /// Zoom in: graphs span less time.
    ZoomIn,
    /// Zoom out: graphs span more time.
    ZoomOut,
    /// Move the graphs' cursor back in time.
    Earlier,
    /// Move the graphs' cursor forward in time.
    Later,
    /// Show a graph for each session, or stack them.
    Split,
    /// Write the graphs to a CSV file in this folder.
    #[strum(to_string = "export-graphs", serialize = "export")]
    ExportGraphs,
    /// Measure the idle baseline, or stop measuring it.
    Calibrate,
    /// Measure the memory bandwidth.
    MeasureBandwidth,
    /// Give all sessions together one more thread.
    MoreThreads,
    /// Give all sessions together one thread fewer.
    FewerThreads,
    /// Switch to the next theme.
    Theme,
    /// Show the last messages in full.
    Messages,
    /// Dismiss the notices.
    DismissNotices,
    /// Suspend taffrail; the shell's fg resumes it.
    Suspend,
    /// Send the prompt.
    Send,
    /// Write in the editor that `VISUAL` or `EDITOR` names.
    #[strum(to_string = "open-editor")]
    ExternalEditor,
    /// Insert a line break.
    Newline,
    /// Delete the character before the cursor.
    Backspace,
    /// Delete the character after the cursor.
    Delete,
    /// Delete back to the start of the word.
    DeleteWord,
    /// Delete to the end of the line.
    DeleteToEnd,
    /// Delete to the start of the line.
    DeleteToStart,
    /// One character left.
    CursorLeft,
    /// One character right.
    CursorRight,
    /// One line up in the text.
    CursorUp,
    /// One line down in the text.
    CursorDown,
    /// To the start of the word.
    WordLeft,
    /// To the end of the word.
    WordRight,
    /// To the start of the line.
    LineStart,
    /// To the end of the line.
    LineEnd,
    /// Undo the last edit.
    Undo,
    /// Redo it.
    Redo,
}

impl Action {
    /// All actions, in the order of the palette.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it does, in one clause.
    pub fn help(self) -> &'static str {
        self.get_documentation().unwrap_or_default().trim_end_matches('.')
    }

    /// The action of this name, which may be one of an earlier version.
    pub fn named(name: &str) -> Option<Self> {
        Self::from_str(name).ok()
    }

    /// Its name, and those of earlier versions.
    pub fn names(self) -> &'static [&'static str] {
        self.get_serializations()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_are_read_as_they_are_written() {
        let names: Vec<_> =
            Action::all().flat_map(|action| action.names().iter().map(move |name| (*name, action))).collect();
        for (name, action) in &names {
            assert_eq!(Action::named(name), Some(*action), "{name}");
            assert_eq!(names.iter().filter(|(other, _)| other == name).count(), 1, "{name}");
        }
        for action in Action::all() {
            assert_eq!(Action::named(action.name()), Some(action));
            assert!(!action.help().is_empty(), "{action:?}");
        }
    }

    /// `[keys]` of earlier versions.
    #[test]
    fn names_of_earlier_versions_are_understood() {
        for (name, action) in [
            ("usage", Action::DiskUsage),
            ("force", Action::StartAnyway),
            ("go-on", Action::Continue),
            ("heat", Action::KlHeatmap),
            ("ratings", Action::Leaderboard),
            ("suite-again", Action::RerunSuite),
            ("cost", Action::PlotAxis),
            ("delete-model", Action::DeleteSelected),
            ("take-back", Action::UndoCleanup),
            ("pause", Action::PauseDownload),
            ("freeze", Action::PauseGraphs),
            ("export", Action::ExportGraphs),
            ("clear", Action::Clear),
        ] {
            assert_eq!(Action::named(name), Some(action), "{name}");
            assert_ne!(action.name(), name);
        }
    }
}
