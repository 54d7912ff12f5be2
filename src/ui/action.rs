//! What a person can ask for. Keys, the palette and the command line all speak in these.

use crate::ui::editor::Edit;
use crate::ui::{Face, Screen};
use domain::command::What;

/// One wish of the user.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Leave the program.
    Quit,
    /// Attach to a server again.
    Reattach,
    /// Go to a screen.
    Show(Screen),
    /// Go to a face of the Library screen.
    Face(Face),
    /// Explain the screen, or stop explaining.
    Help,
    /// Open the command palette.
    Palette,
    /// Filter the list.
    Filter,
    /// Move the choice by so many rows; negative is up.
    Move(i32),
    /// Move the choice by so many pages.
    Page(i32),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// What Enter does here: start the model, write to the session, run the palette's row.
    Choose,
    /// What Esc does here: cancel the answer, close the overlay, leave the field.
    Back,
    /// Answer the question that stands open.
    Confirm(bool),
    /// Go to the next part of the screen.
    Focus,
    /// Show the next face of the chosen session: conversation, figures, memory, log.
    NextTab,
    /// Show the face before.
    PreviousTab,
    /// Scroll the session's face by so many lines; negative is back.
    Scroll(i32),
    /// Change the text in the field.
    Edit(Edit),
    /// Send the prompt.
    Send,
    /// Start the chosen model once more, or go to the library to choose one.
    New,
    /// Open the chosen model's settings, to start it with.
    Configure,
    /// Start it although it would not fit.
    Force,
    /// Cancel the chosen session's answer.
    Cancel,
    /// Stop the chosen session.
    Stop,
    /// Start a failed or running session's worker again, keeping its conversation.
    Restart,
    /// Forget the chosen session's conversation.
    Clear,
    /// Fold or unfold reasoning.
    Fold,
    /// Copy the last answer to the clipboard.
    Copy,
    /// Sort the list by the next column.
    Sort,
    /// Sort the other way round.
    Reverse,
    /// Let the graphs stand while sampling goes on.
    Freeze,
    /// Let graphs span more time (positive) or less.
    Zoom(i32),
    /// Measure what the machine draws without work, or end that.
    Calibrate,
    /// Move the instant that all graphs read out; negative is back in time.
    Cursor(i32),
    /// Give each session a graph of its own, or stack them.
    Split,
    /// Write the graphs into a file.
    Export,
    /// Sort the sessions by this column.
    SortBy(crate::ui::FleetSort),
    /// Take the next theme.
    Theme,
    /// Take the theme of this name.
    SetTheme(String),
    /// Look through all stores again.
    Rescan,
    /// Let the chosen download stand still, or go on.
    Pause,
    /// End the chosen download and throw away what came.
    CancelDownload,
    /// Delete the chosen model, or what the chosen row of the disk use could free.
    Delete,
    /// Tell the names of the chosen blind race of the history; asks first.
    Reveal,
    /// Take back what was deleted or joined last.
    TakeBack,
    /// List the disk use by something else.
    Group,
    /// Mark the chosen model or session for the next race, or take the mark away.
    Mark,
    /// Go to the Race screen with what is marked.
    RaceMarked,
    /// Run the next race in turn, or at once.
    Order,
    /// Hide the names of the next race until the vote.
    Blind,
    /// Vote on the race.
    Vote,
    /// Compare two columns word by word.
    Diff,
    /// Show how the models stand after all votes.
    Ratings,
    /// Write the race to files.
    ExportRace,
    /// Show where the columns part; a race that did not tell its tokens is run again.
    Lockstep,
    /// Let columns that were decoded together and have parted go on.
    GoOn,
    /// Show how far the chosen column is from the other, token by token over the prompt.
    Heat,
    /// Measure the chosen model's speed with the usual cells.
    BenchChosen,
    /// Show what was run before, or the bench again.
    History,
    /// Show the suites, or the bench again.
    Suites,
    /// Pick another suite to run.
    PickSuite,
    /// Ask all prompts of the last suite again.
    SuiteAgain,
    /// Plot a suite's pass rate against something else: energy, time, memory.
    Cost,
    /// Move the selection by so many prompts of a suite; negative is back.
    Prompt(i32),
    /// Give all sessions together one thread more or less.
    Threads(i32),
    /// Measure what the main memory gives.
    MeasureBandwidth,
    /// Change a setting of the chosen session, from its next answer or start on.
    Set {
        /// A name of [`domain::settings::SESSION_FIELDS`].
        name: String,
        /// The value as text.
        value: String,
    },
    /// A command that was asked about, once that is answered.
    Command(Box<What>),
}

impl From<What> for Action {
    fn from(what: What) -> Self {
        Self::Command(Box::new(what))
    }
}

/// An action that keys and the palette can name.
#[derive(Debug)]
pub struct Named {
    /// Its name, as config.toml's `[keys]` and the palette write it.
    pub name: &'static str,
    /// What it does, in one clause.
    pub help: &'static str,
    /// The action.
    pub action: Action,
}

/// All actions that have a name, in the order of the palette.
pub static NAMED: &[Named] = &[
    named("quit", "leave taffrail; loaded sessions are kept or stopped", Action::Quit),
    named("reattach", "attach to the server again, or start it, where it was lost", Action::Reattach),
    named("fleet", "show the sessions", Action::Show(Screen::Fleet)),
    named("library", "show the models", Action::Show(Screen::Library)),
    named("hub", "find and fetch models on the hub", Action::Face(Face::Hub)),
    named("usage", "show the models' disk usage", Action::Face(Face::Usage)),
    named("race", "show the race", Action::Show(Screen::Race)),
    named("machine", "show the machine and its sensors", Action::Show(Screen::Machine)),
    named("help", "explain this screen", Action::Help),
    named("palette", "find any command", Action::Palette),
    named("filter", "filter the list, or search the hub", Action::Filter),
    named("up", "one row up", Action::Move(-1)),
    named("down", "one row down", Action::Move(1)),
    named("page-up", "one page up", Action::Page(-1)),
    named("page-down", "one page down", Action::Page(1)),
    named("first", "to the first row", Action::First),
    named("last", "to the last row", Action::Last),
    named("choose", "start the model, write to the session, take the row", Action::Choose),
    named("back", "cancel the answer, close what is open, leave the field", Action::Back),
    named("yes", "answer yes", Action::Confirm(true)),
    named("no", "answer no", Action::Confirm(false)),
    named("focus", "go to the next part of the screen", Action::Focus),
    named("next-tab", "show the session's next tab", Action::NextTab),
    named("previous-tab", "show the session's previous tab", Action::PreviousTab),
    named("scroll-up", "scroll the session's tab or the model's card up", Action::Scroll(-5)),
    named("scroll-down", "scroll the session's tab or the model's card down", Action::Scroll(5)),
    named("new", "start one more session", Action::New),
    named("configure", "start with other settings", Action::Configure),
    named("force", "start even if it does not fit or the check refuses it", Action::Force),
    named("cancel", "cancel the answer", Action::Cancel),
    named("stop", "stop the session", Action::Stop),
    named("restart", "restart the session and keep its conversation", Action::Restart),
    named("clear", "clear the conversation", Action::Clear),
    named("fold", "fold or unfold the reasoning", Action::Fold),
    named("copy", "copy the last answer", Action::Copy),
    named("sort", "sort by the next column", Action::Sort),
    named("reverse", "reverse the sort order", Action::Reverse),
    named("freeze", "pause the graphs; sampling continues", Action::Freeze),
    named("zoom-in", "zoom in: graphs span less time", Action::Zoom(-1)),
    named("zoom-out", "zoom out: graphs span more time", Action::Zoom(1)),
    named("calibrate", "measure the idle baseline, or stop measuring it", Action::Calibrate),
    named("earlier", "move the graphs' cursor back in time", Action::Cursor(-1)),
    named("later", "move the graphs' cursor forward in time", Action::Cursor(1)),
    named("split", "show a graph for each session, or stack them", Action::Split),
    named("export", "write the graphs into a CSV file in this folder", Action::Export),
    named("theme", "switch to the next theme", Action::Theme),
    named("rescan", "rescan all stores", Action::Rescan),
    named("pause", "pause or resume the download", Action::Pause),
    named("cancel-download", "cancel the download and discard the partial file", Action::CancelDownload),
    named("delete-model", "delete the selected model or record, or clean up the selected row", Action::Delete),
    named("take-back", "undo the last deletion or deduplication", Action::TakeBack),
    named("group", "show the disk use by model, family or store", Action::Group),
    named("measure-bandwidth", "measure the memory bandwidth", Action::MeasureBandwidth),
    named("mark", "mark or unmark the selected one for a race", Action::Mark),
    named("race-marked", "race what is marked", Action::RaceMarked),
    named("order", "run the next race in turn or at once", Action::Order),
    named("blind", "hide the names of the next race until the vote", Action::Blind),
    named("vote", "vote for the best answer, or a tie", Action::Vote),
    named("diff", "compare two columns word by word", Action::Diff),
    named(
        "lockstep",
        "decode the columns together until they diverge, and show what each found likely there",
        Action::Lockstep,
    ),
    named("go-on", "continue diverged columns", Action::GoOn),
    named("heat", "score the prompt: how far the selected column is from the other, token by token", Action::Heat),
    named("ratings", "show the leaderboard of all votes", Action::Ratings),
    named("export-race", "write the race to a Markdown and an HTML file", Action::ExportRace),
    named("bench", "show the benches", Action::Show(Screen::Bench)),
    named("bench-model", "measure the speed of the marked models, or of the selected one", Action::BenchChosen),
    named("reveal", "reveal the names of a blind race without a vote", Action::Reveal),
    named("history", "show what was run before, or the bench again", Action::History),
    named("suites", "show the suites, to run one over the marked models or the selected one", Action::Suites),
    named("pick-suite", "pick another suite to run", Action::PickSuite),
    named("suite-again", "ask all prompts of the suite again", Action::SuiteAgain),
    named("cost", "plot a suite's pass rate against energy, time or memory", Action::Cost),
    named("previous-prompt", "to the previous prompt of the suite", Action::Prompt(-1)),
    named("next-prompt", "to the next prompt of the suite", Action::Prompt(1)),
    named("more-threads", "give all sessions together one more thread", Action::Threads(1)),
    named("fewer-threads", "give all sessions together one thread fewer", Action::Threads(-1)),
    named("send", "send the prompt", Action::Send),
    named("newline", "insert a line break", Action::Edit(Edit::Newline)),
    named("backspace", "delete the character before the cursor", Action::Edit(Edit::Backspace)),
    named("delete", "delete the character after the cursor", Action::Edit(Edit::Delete)),
    named("delete-word", "delete back to the start of the word", Action::Edit(Edit::DeleteWord)),
    named("delete-to-end", "delete to the end of the line", Action::Edit(Edit::DeleteToEnd)),
    named("delete-to-start", "delete to the start of the line", Action::Edit(Edit::DeleteToStart)),
    named("cursor-left", "one character left", Action::Edit(Edit::Left)),
    named("cursor-right", "one character right", Action::Edit(Edit::Right)),
    named("cursor-up", "one line up in the text", Action::Edit(Edit::Up)),
    named("cursor-down", "one line down in the text", Action::Edit(Edit::Down)),
    named("word-left", "to the start of the word", Action::Edit(Edit::WordLeft)),
    named("word-right", "to the end of the word", Action::Edit(Edit::WordRight)),
    named("line-start", "to the start of the line", Action::Edit(Edit::Home)),
    named("line-end", "to the end of the line", Action::Edit(Edit::End)),
    named("undo", "undo the last edit", Action::Edit(Edit::Undo)),
    named("redo", "redo it", Action::Edit(Edit::Redo)),
];

const fn named(name: &'static str, help: &'static str, action: Action) -> Named {
    Named { name, help, action }
}

/// The rows of the palette for what is typed: named actions, themes as `theme NAME`, settings as `set NAME VALUE`.
/// Best match first; everything for an empty text.
pub fn palette(typed: &str, themes: &[String]) -> Vec<PaletteRow> {
    let mut rows: Vec<(i32, PaletteRow)> = Vec::new();
    let mut offer = |label: String, help: String, action: Action| {
        if let Some(score) = fuzzy(typed, &label) {
            rows.push((score, PaletteRow { label, help, action }));
        }
    };
    for Named { name, help, action } in NAMED {
        // Moving about and editing have no use from inside the palette's own field.
        if !matches!(action, Action::Edit(_) | Action::Palette | Action::Confirm(_) | Action::Choose | Action::Back) {
            offer((*name).to_owned(), (*help).to_owned(), action.clone());
        }
    }
    for (name, sort) in crate::ui::FleetSort::ALL {
        offer(format!("sort sessions by {name}"), "sort by this column".to_owned(), Action::SortBy(sort));
    }
    for theme in themes {
        offer(format!("theme {theme}"), "take this theme".to_owned(), Action::SetTheme(theme.clone()));
    }
    let mut words = typed.splitn(3, ' ');
    let (set, name, value) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if set == Some("set") {
        for field in domain::settings::SESSION_FIELDS.iter().filter(|field| field.name.starts_with(name)) {
            let action = Action::Set { name: field.name.to_owned(), value: value.to_owned() };
            rows.push((
                i32::MAX,
                PaletteRow { label: format!("set {} {value}", field.name), help: field.help.to_owned(), action },
            ));
        }
    }
    rows.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A row of the palette.
#[derive(Debug, Clone, PartialEq)]
pub struct PaletteRow {
    /// What it is called.
    pub label: String,
    /// What it does.
    pub help: String,
    /// The action.
    pub action: Action,
}

/// How well `typed` is found in `text`, letter by letter in order; `None` where it is not. Higher is better:
/// letters that follow each other or begin a word count more, letters passed over count less.
pub fn fuzzy(typed: &str, text: &str) -> Option<i32> {
    let mut score = 0;
    let mut before = ' ';
    let mut adjacent = false;
    let mut rest = text.chars().flat_map(char::to_lowercase);
    for wanted in typed.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase) {
        loop {
            let found = rest.next()?;
            let begins = !before.is_alphanumeric();
            before = found;
            if found == wanted {
                score += 1 + 4 * i32::from(adjacent) + 3 * i32::from(begins);
                adjacent = true;
                break;
            }
            adjacent = false;
            score -= 1;
        }
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = NAMED.iter().map(|named| named.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMED.len());
    }

    #[test]
    fn the_palette_finds_by_letters() {
        let themes = ["dark".to_owned(), "light".to_owned()];
        for (typed, first) in [
            ("quit", "quit"),
            ("resc", "rescan"),
            ("thli", "theme light"),
            ("freeze", "freeze"),
            ("set temp 0.6", "set temperature 0.6"),
        ] {
            assert_eq!(palette(typed, &themes).first().map(|row| row.label.as_str()), Some(first), "{typed}");
        }
        assert!(palette("zzz", &themes).is_empty());
        assert!(palette("", &themes).len() > 30);
    }
}
