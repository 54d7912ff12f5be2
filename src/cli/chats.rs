//! `taffrail chats`: the conversations that were kept. List, search, show, name, export, delete.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::Exit;
use super::failure::{Failure, print_error};
use super::table::{self, Column};
use crate::app::history::{self, History, HistoryError};
use crate::atomic_file;
use domain::conversation::{Conversation, ConversationEntry, filter, markdown};
use domain::units::{ago, counted};

/// What `chats` is asked.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Chats {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

/// How conversations are listed.
#[derive(Debug, clap::Args)]
struct List {
    /// Words that must all occur in its name, its model or what was said; also `model:qwen`, `prompts>3`, and behind `--`
    /// `-WORD` for what is not wanted
    words: Vec<String>,
    /// The most rows
    #[arg(short = 'n', long, default_value = "50")]
    limit: usize,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the conversations, the one that was written to last first
    #[command(alias = "list")]
    Ls(List),
    /// Print a conversation
    Show {
        /// Its number or its name
        conversation: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write a conversation as Markdown or JSON
    Export {
        /// Its number or its name
        conversation: String,
        /// The format; that of the file's ending without
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Where to write instead of to standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Give a conversation a name
    Name {
        /// Its number or its name
        conversation: String,
        /// The new name; an empty one takes it
        name: String,
    },
    /// Delete conversations for good; asks first
    #[command(alias = "delete")]
    Rm {
        /// Their numbers or names
        #[arg(required = true)]
        conversations: Vec<String>,
        /// Answer the question with yes
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Markdown,
    Json,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    conversations: &'a [ConversationEntry],
}

const SCHEMA: &str = "taffrail/chats/1";

/// The most rows of a list.
const MAX_ROWS: usize = 100_000;

/// How the command fails.
enum Problem {
    History(HistoryError),
    Out(io::Error),
    Other(Failure),
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

/// Run the command. `now` is seconds since 1970.
pub fn run(arguments: &Chats, now: i64, width: Option<usize>, out: &mut impl Write) -> io::Result<Exit> {
    match answer(arguments, now, width, out) {
        Ok(exit) => Ok(exit),
        Err(Problem::Out(error)) => Err(error),
        Err(Problem::Other(failure)) => Ok(failure.print()),
        Err(Problem::History(problem)) => {
            print_error(&problem, problem.hint().as_deref());
            Ok(Exit::Failed)
        }
    }
}

fn answer(arguments: &Chats, now: i64, width: Option<usize>, out: &mut impl Write) -> Result<Exit, Problem> {
    let mut opened = history::open_existing()?;
    match &arguments.command {
        None => list(&arguments.list, opened.as_mut(), now, width, out),
        Some(Command::Ls(arguments)) => list(arguments, opened.as_mut(), now, width, out),
        Some(Command::Show { conversation, json }) => {
            let conversation = wanted(opened.as_mut(), conversation)?;
            if *json {
                crate::json::write(out, &conversation)?;
            } else {
                write!(out, "{}", markdown(&conversation))?;
            }
            Ok(Exit::Done)
        }
        Some(Command::Export { conversation, format, output }) => {
            let conversation = wanted(opened.as_mut(), conversation)?;
            let by_name = output.as_ref().and_then(|path| path.extension()).is_some_and(|ending| ending == "json");
            let format = format.unwrap_or(if by_name { Format::Json } else { Format::Markdown });
            let mut bytes = Vec::new();
            match format {
                Format::Markdown => bytes.extend(markdown(&conversation).into_bytes()),
                Format::Json => crate::json::write(&mut bytes, &conversation)?,
            }
            match output {
                Some(path) => {
                    atomic_file::export(path, &bytes)?;
                    writeln!(io::stderr(), "written to {}", path.display())?;
                }
                None => out.write_all(&bytes)?,
            }
            Ok(Exit::Done)
        }
        Some(Command::Name { conversation, name }) => {
            let conversation = wanted(opened.as_mut(), conversation)?;
            let name = gguf::clean(name.trim(), Conversation::MAX_NAME);
            if let Some(history) = opened.as_mut() {
                history.name_conversation(conversation.key, Some(name.as_str()).filter(|name| !name.is_empty()))?;
            }
            writeln!(io::stderr(), "{}", if name.is_empty() { "it has no name any more" } else { "named" })?;
            Ok(Exit::Done)
        }
        Some(Command::Rm { conversations, yes }) => {
            let all = conversations.iter().map(|name| wanted(opened.as_mut(), name)).collect::<Result<Vec<_>, _>>()?;
            delete(opened.as_mut(), &all, *yes)
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column { title: "#", right: true, least: None, goes: 0 },
    Column { title: "Conversation", right: false, least: Some(16), goes: 0 },
    Column { title: "Model", right: false, least: Some(12), goes: 3 },
    Column { title: "Prompts", right: true, least: None, goes: 2 },
    Column { title: "Last", right: false, least: None, goes: 1 },
];

fn list(
    arguments: &List,
    history: Option<&mut History>,
    now: i64,
    width: Option<usize>,
    out: &mut impl Write,
) -> Result<Exit, Problem> {
    let words: Vec<String> = arguments.words.iter().map(|word| word.to_lowercase()).collect();
    if let Some(problem) = filter::parse(&words.join(" ")).problem() {
        return Err(Problem::Other(Failure::new(Exit::Usage, problem)));
    }
    let limit = arguments.limit.min(MAX_ROWS);
    let entries = history.map_or_else(|| Ok(Vec::new()), |history| history.conversations(&words, limit))?;
    if arguments.json {
        crate::json::write(out, &Document { schema: SCHEMA, conversations: &entries })?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        let text = if words.is_empty() { "no conversation is kept yet" } else { "no conversation matches the filter" };
        writeln!(out, "{text}")?;
        return Ok(Exit::Done);
    }
    let cells: Vec<_> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.number.to_string(),
                gguf::clean(entry.label(), 200),
                gguf::clean(&entry.model_name, 80),
                entry.n_prompts.to_string(),
                ago(entry.updated_ms / 1000, now),
            ]
        })
        .collect();
    table::write(out, &COLUMNS, &cells, width)?;
    if entries.len() == limit {
        writeln!(io::stderr(), "older ones are not shown; -n shows more")?;
    }
    Ok(Exit::Done)
}

/// A conversation by its number, its name, or a part of it that no other one has.
pub(super) fn find(history: &mut History, name: &str) -> Result<Option<Conversation>, HistoryError> {
    if let Ok(number) = name.trim().parse()
        && let Some(found) = history.conversation_number(number)?
    {
        return Ok(Some(found));
    }
    let wanted = name.trim().to_lowercase();
    let entries = history.conversations(&[], MAX_ROWS)?;
    let label = |entry: &&ConversationEntry| entry.label().to_lowercase();
    let exact = entries.iter().find(|entry| label(entry) == wanted);
    let mut parts = entries.iter().filter(|entry| !wanted.is_empty() && label(entry).contains(&wanted));
    let only = parts.next().filter(|_| parts.next().is_none());
    match exact.or(only) {
        Some(entry) => history.conversation(entry.key),
        None => Ok(None),
    }
}

fn wanted(history: Option<&mut History>, name: &str) -> Result<Conversation, Problem> {
    let found = history.map_or(Ok(None), |history| find(history, name))?;
    found.ok_or_else(|| {
        let text = format!("there is no conversation `{}`, or several have it in their names", gguf::clean(name, 80));
        Problem::Other(Failure::new(Exit::NotFound, text).with_hint("`taffrail chats` lists them"))
    })
}

fn delete(history: Option<&mut History>, all: &[Conversation], yes: bool) -> Result<Exit, Problem> {
    let Some(history) = history else { return Ok(Exit::NotFound) };
    let mut err = io::stderr();
    if !yes {
        if !io::stdin().is_terminal() {
            let failure = Failure::new(Exit::Refused, "deleting asks for confirmation, which needs a terminal");
            return Err(Problem::Other(failure.with_hint("add --yes to confirm")));
        }
        for conversation in all {
            writeln!(err, "  {}", gguf::clean(&conversation.label(), 80))?;
        }
        write!(err, "Delete {} for good? [y/N] ", counted(all.len(), "conversation"))?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        if !matches!(line.trim(), "y" | "yes") {
            return Ok(Exit::Refused);
        }
    }
    let mut n_deleted = 0;
    for conversation in all {
        n_deleted += usize::from(history.delete_conversation(conversation.key)?);
    }
    writeln!(err, "{} deleted", counted(n_deleted, "conversation"))?;
    Ok(Exit::Done)
}
