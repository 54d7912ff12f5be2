//! `taffrail history`: what was run before. List, filter, show, export, delete, report.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::Exit;
use super::failure::{Failure as Reported, print_error};
use super::table::{self, Column};
use super::value::whole;
use crate::app::export;
use crate::app::history::{self, ExportError, Format, History as Store, HistoryError};
use crate::atomic_file;
use domain::figure::Graded;
use domain::lab::race::rating::{self, Vote};
use domain::record::{Entry, Filter, Page, Record, report};
use domain::units::{counted, digits, or_dash};

/// Why a short answer has no speed.
const SHORT: &str = "An answer of fewer than 16 tokens has no speed in the list: it would say little.";

/// The most rows of a list.
const MAX_ROWS: usize = 100_000;

/// Browse what was run before.
#[derive(Debug, Args)]
#[command(after_help = SHORT)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct History {
    /// Words that must all occur in the prompt or the model; also `kind:race`, `model:qwen`, `tok/s>20`, `j/tok<3`, and
    /// behind `--` `-WORD` for what is not wanted
    filter: Vec<String>,
    /// List at most this many records
    #[arg(short = 'n', long, default_value = "50", value_parser = whole(1..=MAX_ROWS))]
    limit: usize,
    /// Show the record of this number
    #[arg(long, value_name = "NUMBER", value_parser = whole(1..=i64::MAX), group = "what")]
    show: Option<i64>,
    /// Print the command that runs a record again
    #[arg(long, value_name = "NUMBER", value_parser = whole(1..=i64::MAX), group = "what")]
    rerun: Option<i64>,
    /// Write a record as one HTML file with plots: to standard output, from a terminal into the folder for exports
    #[arg(long, value_name = "NUMBER", value_parser = whole(1..=i64::MAX), group = "what")]
    html: Option<i64>,
    /// Print the leaderboard of all votes
    #[arg(long, alias = "standings", group = "what")]
    leaderboard: bool,
    /// Reveal the names of a blind race without a vote
    #[arg(long, value_name = "NUMBER", value_parser = whole(1..=i64::MAX), group = "what")]
    reveal: Option<i64>,
    /// Delete these records, or with `all` those that match the filter; asks first
    #[arg(long, value_name = "NUMBER", num_args = 1.., value_delimiter = ',', group = "what")]
    delete: Vec<String>,
    /// Print one JSON document with everything in the records
    #[arg(long, group = "format")]
    json: bool,
    /// Print CSV, one row per measured speed
    #[arg(long, group = "format")]
    csv: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Delete without asking
    #[arg(short, long)]
    yes: bool,
}

/// How the command fails.
enum Failure {
    History(HistoryError),
    Out(io::Error),
}

impl From<HistoryError> for Failure {
    fn from(problem: HistoryError) -> Self {
        Self::History(problem)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::History(problem) => Self::History(problem),
            ExportError::Out(error) => Self::Out(error),
        }
    }
}

/// Run the command. `now` is seconds since 1970.
pub fn run(arguments: &History, now: i64, width: Option<usize>, out: &mut impl Write) -> io::Result<Exit> {
    match answer(arguments, now, width, out) {
        Ok(exit) => Ok(exit),
        Err(Failure::Out(error)) => Err(error),
        Err(Failure::History(problem)) => {
            print_error(&problem, problem.hint().as_deref());
            Ok(Exit::Failed)
        }
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each command, and none is long")]
fn answer(arguments: &History, now: i64, width: Option<usize>, out: &mut impl Write) -> Result<Exit, Failure> {
    let Some(mut store) = history::open_existing()? else {
        if arguments.leaderboard {
            return standings(&[], arguments.json, width, out);
        }
        if arguments.json {
            writeln!(out, "{{\"schema\":\"taffrail/history/1\",\"records\":[]}}")?;
        } else {
            writeln!(out, "nothing was run yet")?;
        }
        return Ok(Exit::Done);
    };
    let words = arguments.filter.join(" ");
    // What is not understood must not widen what is deleted.
    if let Some(problem) = Filter::problem(&words) {
        return Ok(Reported::new(Exit::Usage, problem).print());
    }
    let filter = Filter::parse(&words);
    if let Some(id) = arguments.show {
        let Some(record) = found(&mut store, id)? else { return Ok(Exit::NotFound) };
        if arguments.json {
            crate::json::write(out, &record)?;
        } else {
            show(&record, width, out)?;
        }
        return Ok(Exit::Done);
    }
    if let Some(id) = arguments.rerun {
        let Some(record) = found(&mut store, id)? else { return Ok(Exit::NotFound) };
        let Some(command) = report::command(&record) else {
            if record.seal.is_some() {
                let failure = Reported::new(Exit::Refused, "its names are hidden until it is voted on");
                return Ok(failure.with_hint(format!("`taffrail history --reveal {id}` shows them")).print());
            }
            let text = format!("a {} can't be run again by one command", record.kind().name());
            return Ok(Reported::new(Exit::Failed, text).print());
        };
        writeln!(out, "{command}")?;
        return Ok(Exit::Done);
    }
    if let Some(id) = arguments.html {
        let Some(record) = found(&mut store, id)? else { return Ok(Exit::NotFound) };
        let page = report::html(&record);
        // A page is for a browser: what is not sent on goes where exports go.
        if arguments.output.is_none() && io::stdout().is_terminal() {
            let path = export::keep(&format!("record-{id}.html"), &page)?;
            writeln!(out, "{}", path.display())?;
            return Ok(Exit::Done);
        }
        write_to(arguments.output.as_ref(), page.as_bytes(), out)?;
        return Ok(Exit::Done);
    }
    if !arguments.delete.is_empty() {
        return delete(arguments, &filter, &mut store);
    }
    if let Some(id) = arguments.reveal {
        let Some(_) = found(&mut store, id)? else { return Ok(Exit::NotFound) };
        let said = if store.reveal(id)? { "its names are revealed" } else { "nothing was hidden" };
        writeln!(io::stderr(), "record {id}: {said}")?;
        return Ok(Exit::Done);
    }
    if arguments.leaderboard {
        return standings(&store.votes()?, arguments.json, width, out);
    }
    if arguments.json || arguments.csv {
        let format = if arguments.json { Format::Json } else { Format::Csv };
        match &arguments.output {
            Some(path) => {
                let mut bytes = Vec::new();
                store.export(&filter, format, &mut bytes)?;
                write_to(Some(path), &bytes, out)?;
            }
            None => store.export(&filter, format, out)?,
        }
        tell_damaged(&mut store);
        return Ok(Exit::Done);
    }
    let rows = store.list(&filter, Page { before: None, rows: arguments.limit })?;
    list(&rows, now, width, out)?;
    let n_rows = rows.len() + store.n_damaged();
    tell_damaged(&mut store);
    if n_rows == arguments.limit {
        writeln!(io::stderr(), "older ones are not shown; -n shows more")?;
    }
    Ok(Exit::Done)
}

/// Say which records were skipped.
fn tell_damaged(store: &mut Store) {
    if let Some(text) = store.take_damaged() {
        print_error(&text, Some("`taffrail history --delete NUMBER` removes one"));
    }
}

const STANDINGS: [Column; 6] = [
    Column { title: "Model", right: false, least: Some(16), goes: 0 },
    Column { title: "Rating", right: true, least: None, goes: 0 },
    Column { title: "± 95 %", right: true, least: None, goes: 0 },
    Column { title: "Votes", right: true, least: None, goes: 1 },
    Column { title: "Wins", right: true, least: None, goes: 2 },
    Column { title: "Ties", right: true, least: None, goes: 3 },
];

fn standings(votes: &[Vote], json: bool, width: Option<usize>, out: &mut impl Write) -> Result<Exit, Failure> {
    let ratings = rating::ratings(votes);
    if json {
        let document = serde_json::json!({ "schema": "taffrail/standings/1", "votes": votes.len(), "models": ratings });
        crate::json::write(out, &document)?;
    } else if ratings.is_empty() {
        writeln!(out, "there are no votes yet: press `v` on the Race screen")?;
    } else {
        let rows: Vec<_> = ratings
            .iter()
            .map(|rating| {
                vec![
                    gguf::clean(&rating.model, 200),
                    format!("{:.0}", rating.rating),
                    format!("{:.0}", rating.interval),
                    rating.n_votes.to_string(),
                    rating.n_wins.to_string(),
                    rating.n_ties.to_string(),
                ]
            })
            .collect();
        table::write(out, &STANDINGS, &rows, width)?;
        let count = counted(votes.len(), "vote");
        writeln!(out, "after {count}; 400 points are odds of ten to one, 1500 is the mean")?;
    }
    Ok(Exit::Done)
}

fn found(store: &mut Store, id: i64) -> Result<Option<Record>, Failure> {
    let record = store.get(id)?;
    if record.is_none() {
        print_error(&format!("the history has no record {id}"), Some("`taffrail history` lists them"));
    }
    Ok(record)
}

/// Write a file, or to standard output.
fn write_to(path: Option<&PathBuf>, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    let Some(path) = path else { return out.write_all(bytes) };
    atomic_file::export(path, bytes)?;
    writeln!(io::stderr(), "wrote {}", path.display())
}

const COLUMNS: [Column; 7] = [
    Column { title: "#", right: true, least: None, goes: 0 },
    Column { title: "When", right: false, least: None, goes: 2 },
    Column { title: "Kind", right: false, least: None, goes: 0 },
    Column { title: "Models", right: false, least: Some(16), goes: 0 },
    Column { title: "tok/s", right: true, least: None, goes: 3 },
    Column { title: "J/tok", right: true, least: None, goes: 4 },
    Column { title: "What", right: false, least: Some(24), goes: 0 },
];

fn list(rows: &[Entry], now: i64, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "no record matches the filter");
    }
    let cells: Vec<_> = rows
        .iter()
        .map(|entry| {
            vec![
                entry.id.to_string(),
                super::ls::ago(entry.at / 1000, now),
                entry.kind.name().to_owned(),
                gguf::clean(&entry.models.iter().map(|id| called(id)).collect::<Vec<_>>().join(", "), 200),
                or_dash(entry.rate.map(digits)),
                or_dash(entry.joules.map(Graded::brief)),
                gguf::clean(&entry.title, 200),
            ]
        })
        .collect();
    table::write(out, &COLUMNS, &cells, width)
}

/// What a model is called whose id this is: a file by its name, without the store and the folders.
fn called(id: &str) -> &str {
    let name = id.rsplit('/').next().unwrap_or(id);
    let name = if name == id { id.split_once(':').map_or(id, |(_, name)| name) } else { name };
    name.strip_suffix(".gguf").unwrap_or(name)
}

fn show(record: &Record, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{}", table::wrapped(&report::plain_text(record), width))?;
    writeln!(out, "\n--json shows all of it, --html a report, --rerun the command")
}

fn delete(arguments: &History, filter: &Filter, store: &mut Store) -> Result<Exit, Failure> {
    let mut err = io::stderr();
    // Next to other words it would delete what they were meant to leave.
    let ids = if arguments.delete == ["all"] {
        store.ids(filter)?
    } else {
        let mut ids = Vec::new();
        for word in &arguments.delete {
            let Ok(id) = word.parse() else {
                let text = format!("--delete takes numbers of records, or all alone: {word}");
                let hint = "a filter goes before it: `taffrail history WORD --delete all`";
                return Ok(Reported::new(Exit::Usage, text).with_hint(hint).print());
            };
            ids.push(id);
        }
        ids
    };
    if !arguments.yes {
        if !io::stdin().is_terminal() {
            let failure = Reported::new(Exit::Refused, "deleting asks for confirmation, which needs a terminal");
            return Ok(failure.with_hint("add --yes to confirm").print());
        }
        write!(err, "Delete {} for good? [y/N] ", counted(ids.len(), "record"))?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        if !matches!(line.trim(), "y" | "yes") {
            return Ok(Exit::Refused);
        }
    }
    let n_deleted = store.delete(&ids)?;
    writeln!(err, "{} deleted", counted(n_deleted, "record"))?;
    Ok(if n_deleted == 0 { Exit::NotFound } else { Exit::Done })
}
