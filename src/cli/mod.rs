//! The command line: the clap types, and one file per subcommand.
//!
//! Data goes to standard output, the rest to standard error. Absent: the dashboard, which `app` runs.

pub mod attach;
pub mod bench;
pub mod cache;
pub mod chat;
pub mod chats;
pub mod cleanup;
pub mod config;
pub mod dedupe;
pub mod doctor;
pub mod exit;
pub mod failure;
mod force;
pub mod history;
pub mod keys;
pub mod launch;
pub mod ls;
mod openness_view;
pub mod output;
pub mod perplexity;
pub mod prune;
pub mod pull;
pub mod race;
pub mod requests;
pub mod rm;
pub mod run;
pub mod serve;
mod session_options;
pub mod show;
pub mod suite;
mod table;
pub mod top;
mod trace;
pub mod undo;
pub mod usage;
pub mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueRange};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use domain::model::library_view::LibrarySort;
pub use exit::Exit;
pub use session_options::SessionOptions;
pub use trace::Trace;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "taffrail",
    version,
    about = "Finds the language models on this machine, runs them, and shows what each token costs",
    after_help = "Without a command, the dashboard opens. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, \
                  4 refused, 130 interrupted."
)]
pub struct Cli {
    /// What to do; the dashboard without.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Read this file instead of your own config.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Recordings.
    #[command(flatten)]
    pub trace: Trace,
    /// Log more, and show it on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Change a setting for this run, such as `ui.theme=light`
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the models on this machine
    Ls(Ls),
    /// Show all that is known of a model
    Show(Show),
    /// Answer one prompt; the answer goes to standard output, its figures to standard error
    Run(Box<run::Run>),
    /// Talk with a model, line by line, with commands as Ollama has them
    Chat(Box<chat::Chat>),
    /// Show the conversations that were kept: list, search, show, name, export, delete
    Chats(chats::Chats),
    /// Ask models the prompts of a suite, and show which pass
    Suite(Box<suite::Ask>),
    /// Pick the model with the lowest cost that passes enough of a suite
    Pick(Box<suite::Pick>),
    /// Measure prompt and generation speed, and compare with earlier measurements
    Bench(Box<bench::Bench>),
    /// Show what was run before: list, filter, export, delete, report
    History(history::History),
    /// Have two to eight models answer one prompt, and compare answers and figures
    Race(Box<race::Race>),
    /// Serve other programs, by the APIs that they know, until Ctrl-C
    Serve(serve::Serve),
    /// Show how much disk the prompts take that are kept over unload and restart, or remove them
    Cache(cache::Cache),
    /// Show the requests of the server that runs: who asks, how long it waits, what it costs
    Requests(requests::Requests),
    /// Start a coding agent on a model of this machine: codex, claude, opencode, aider, or `env` for any other
    Launch(launch::Launch),
    /// Make, list and remove the keys by which programs on other machines use the server
    Keys(keys::Keys),
    /// Score a text: perplexity, and divergence from a reference model
    #[command(name = "perplexity", alias = "quality")]
    Perplexity(Box<perplexity::Perplexity>),
    /// Show what the models take of the disks, and what could be cleaned up
    Usage(usage::Usage),
    /// Delete models: they go to the trash; `undo` restores them
    Rm(rm::Rm),
    /// Delete what nothing uses: orphans, broken downloads, old revisions, links to nothing
    Prune(prune::Prune),
    /// Let files of the same content share its space
    Dedupe(dedupe::Dedupe),
    /// Check files against the hashes that their stores record
    Verify(verify::Verify),
    /// Undo what the last `rm`, `prune` or `dedupe` did
    Undo(undo::Undo),
    /// Fetch a model from the hub into the Hugging Face cache
    Pull(pull::Pull),
    /// Show the settings in force and where each comes from
    Config(config::Config),
    /// Open the dashboard on a server that runs, on this machine or on another one over ssh
    Attach(attach::Attach),
    /// Show the machine's figures: load, memory, power and heat, until Ctrl-C
    Top(top::Top),
    /// Show what was found, what can't be read, and how to fix it
    Doctor(doctor::Doctor),
    /// Be a worker: what the supervisor starts
    #[command(hide = true)]
    Worker,
}

/// Read the command line. What an option takes may begin with a dash: `-p "- one"`, `--seed -1`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = with_dashes(Cli::command());
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn with_dashes(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let takes_one = arg.get_num_args().is_none_or(|count| count == ValueRange::SINGLE);
        let is_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        // A list of values would take the options behind it as well.
        if is_value && takes_one && !arg.is_positional() { arg.allow_hyphen_values(true) } else { arg }
    });
    command.mut_subcommands(with_dashes)
}

/// Say what is wrong with the command line, or what was asked of it: help and version go to standard output.
pub fn usage_error(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        let _ = error.print();
        return Exit::Usage;
    }
    output::ended(error.print().and_then(|()| std::io::Write::flush(&mut std::io::stdout())), Exit::Done)
}

/// What `ls` is asked.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Words that must all be found; also `store:hf`, `arch:llama`, `quant:q4`, `size<5gb`, `params>1b`, `>7b`,
    /// `is:damaged`, `license:osi`, `open:data`, and behind `--` `-WORD` for what is not wanted
    pub filter: Vec<String>,
    /// The column that sorts
    #[arg(long, value_parser = sort_column(), default_value = LibrarySort::ALL[0].0)]
    pub sort: LibrarySort,
    /// Sort the other way round
    #[arg(long)]
    pub reverse: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Reads the name of a column.
fn sort_column() -> impl TypedValueParser<Value = LibrarySort> {
    PossibleValuesParser::new(LibrarySort::ALL.map(|(name, _)| name)).map(|wanted| {
        let column = LibrarySort::ALL.into_iter().find(|(name, _)| *name == wanted);
        column.map_or_else(LibrarySort::default, |(_, sort)| sort)
    })
}

/// What `show` is asked.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// A name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    pub model: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
