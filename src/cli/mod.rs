//! The command line: the clap types, and one file per subcommand.
//!
//! Data goes to standard output, everything else to standard error. The dashboard is not here; `app` runs it.

pub mod attach;
pub mod bench;
pub mod cache;
pub mod chat;
pub mod chats;
pub mod cleanup;
pub mod completions;
pub mod config;
pub mod dedupe;
pub mod doctor;
pub mod elsewhere;
pub mod exit;
pub mod failure;
pub mod find;
mod force;
pub mod history;
mod input;
mod job_lines;
pub mod keys;
pub mod launch;
pub mod ls;
pub mod machine_agent;
mod mistake;
mod openness_view;
pub mod output;
pub mod perplexity;
pub mod progress;
pub mod prune;
pub mod ps;
pub mod pull;
pub mod race;
pub mod requests;
pub mod rm;
pub mod rpc_serve;
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
mod value;
pub mod verify;
pub mod version;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use domain::model::library_view::LibrarySort;
pub use exit::Exit;
pub use session_options::{Answers, Measures, SessionOptions, Talks};
pub use trace::Trace;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "taffrail",
    version,
    long_version = version::text(),
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
    /// Log more, and show the log on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Change a setting for this run, such as `ui.theme=light`
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the models on this machine, and on others that are set
    #[command(visible_alias = "list", aliases = ["models"])]
    Ls(Ls),
    /// List the sessions that run: the models that are loaded
    Ps(ps::Ps),
    /// Show everything about a model
    Show(Show),
    /// Answer one prompt: the answer on standard output, its figures on standard error
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
    /// Race two to eight models on one prompt, and compare answers and figures
    Race(Box<race::Race>),
    /// Serve models to other programs by OpenAI's, Anthropic's and Ollama's APIs, until Ctrl-C
    Serve(serve::Serve),
    /// Show or clear the prompts that are kept on disk over unload and restart
    Cache(cache::Cache),
    /// Show the server's requests: who asks, how long it waits, what it costs
    Requests(requests::Requests),
    /// Start a coding agent on a model of this machine: codex, claude, opencode, aider, or `env` for any other
    Launch(launch::Launch),
    /// Create, list and remove API keys, for programs on other machines
    Keys(keys::Keys),
    /// Score a text: perplexity, and divergence from a reference model
    #[command(name = "perplexity", alias = "quality")]
    Perplexity(Box<perplexity::Perplexity>),
    /// Show the disk space that models use, and what could be cleaned up
    Usage(usage::Usage),
    /// Delete models; they go to the trash, and `undo` restores them
    #[command(aliases = ["remove", "delete"])]
    Rm(rm::Rm),
    /// Delete what nothing uses: orphaned files, partial downloads, old revisions, broken links
    Prune(prune::Prune),
    /// Make identical files share their disk space
    Dedupe(dedupe::Dedupe),
    /// Check files against the hashes that their stores record
    Verify(verify::Verify),
    /// Undo what the last `rm`, `prune` or `dedupe` did
    Undo(undo::Undo),
    /// Fetch a model from the hub into the Hugging Face cache
    #[command(aliases = ["download", "get"])]
    Pull(pull::Pull),
    /// Show the settings in force and where each comes from
    Config(config::Config),
    /// Open the dashboard on a server that runs, on this machine or on another one over ssh
    Attach(attach::Attach),
    /// Show the machine's figures: load, memory, power and heat, until Ctrl-C
    Top(top::Top),
    /// Show what was found, what can't be read, and how to fix it
    Doctor(doctor::Doctor),
    /// Serve this machine's devices to a model that runs on another one, until Ctrl-C
    RpcServe(rpc_serve::RpcServe),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man(completions::Man),
    /// Be a worker: what the supervisor starts
    #[command(hide = true)]
    Worker {
        /// The file to load, whatever the request to load names
        #[arg(long)]
        model: Option<PathBuf>,
    },
    /// Be the process that serves one client's part of a model
    #[command(hide = true)]
    RpcWorker(rpc_serve::RpcWorker),
    /// Be the node of a job: what Slurm starts
    #[command(hide = true)]
    WorkerNode {
        /// The job's folder
        folder: PathBuf,
    },
    /// Tell another machine's taffrail of this one, or run a worker for it: what it starts by ssh
    #[command(hide = true)]
    MachineAgent(machine_agent::MachineAgent),
}

/// The command line as clap knows it: for help, man pages, completions and the reference.
pub fn command() -> clap::Command {
    words::with_dashes(Cli::command())
}

/// Parse the command line. The value of an option may start with a dash: `-p "- one"`, `--seed -1`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let words = words::read(&command, arguments);
    let matches = command.try_get_matches_from_mut(&words.words);
    let cli = matches
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command)));
    cli.and_then(|cli| cli.checked(&mut command)).map_err(|error| mistake::explained(error, &mut command, &words))
}

impl Cli {
    /// Reject recording options before the name of a subcommand: only the dashboard can be recorded.
    fn checked(self, command: &mut clap::Command) -> Result<Self, clap::Error> {
        match &self.command {
            Some(other) if self.trace.is_wanted() && !matches!(other, Command::Worker { .. }) => {
                let text = "--record and --replay before a command are for the dashboard: write them behind `top`, or without a command";
                Err(command.error(clap::error::ErrorKind::ArgumentConflict, text))
            }
            _ => Ok(self),
        }
    }
}

/// Print a usage error, or the requested help or version, which go to standard output.
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
    /// `is:damaged`, `license:osi`, `open:data`, `on:NAME` for another machine, `on:here` for this one, and behind `--`
    /// `-WORD` for what is not wanted
    pub filter: Vec<String>,
    /// The column to sort by
    #[arg(long, value_parser = sort_column(), default_value = LibrarySort::ALL[0].0)]
    pub sort: LibrarySort,
    /// Reverse the order
    #[arg(long)]
    pub reverse: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Parses the name of a column.
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
