//! `taffrail undo`: takes back what the last `rm`, `prune` or `dedupe` did.

use std::io::{self, Write};

use serde::Serialize;

use super::Exit;
use super::failure::print_error;
use super::ls::ago;
use crate::library::Env;
use crate::library::cleanup::{CleanupContext, CleanupError, Phase, Record};
use domain::settings;

/// What `undo` is asked.
#[derive(Debug, clap::Args)]
pub struct Undo {
    /// Undo this change instead of the last; `--list` shows them
    pub id: Option<String>,
    /// List the changes that can be undone
    #[arg(long)]
    pub list: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    /// What was taken back.
    undone: Option<RecordView>,
    /// What can be, oldest first.
    records: Vec<RecordView>,
    error: Option<String>,
}

#[derive(Serialize)]
struct RecordView {
    id: String,
    title: String,
    /// Seconds since 1970.
    began: i64,
    trash_bytes: u64,
    n_steps: usize,
}

impl RecordView {
    fn new(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            title: record.title.clone(),
            began: record.began,
            trash_bytes: record.in_trash().0,
            n_steps: record.operations.len(),
        }
    }
}

/// Take back, or list what can be.
pub fn run(arguments: &Undo, out: &mut impl Write) -> io::Result<Exit> {
    let env = Env::read();
    let cleanup = CleanupContext::new(&env, &settings::Library::default());
    let mut document = Document { schema: "taffrail/undo/1", undone: None, records: Vec::new(), error: None };
    let mut exit = Exit::Done;
    if !arguments.list {
        match cleanup.undo(arguments.id.as_deref(), &mut |_, _, _| ()) {
            Ok(record) => {
                if !arguments.json {
                    writeln!(out, "Undone: {}. Everything is back where it was.", gguf::clean(&record.title, 200))?;
                }
                document.undone = Some(RecordView::new(&record));
            }
            Err(error) => {
                let hint = matches!(error, CleanupError::NothingToUndo)
                    .then_some("`taffrail undo --list` shows what can be undone");
                print_error(&error, hint);
                exit = match error {
                    CleanupError::NothingToUndo => Exit::NotFound,
                    CleanupError::InTheWay(_) | CleanupError::Busy => Exit::Refused,
                    _ => Exit::Failed,
                };
                document.error = Some(error.to_string());
            }
        }
    }
    let (records, problems) = cleanup.records();
    for problem in &problems {
        print_error(problem, None);
    }
    let can: Vec<_> = records.iter().filter(|record| record.phase == Phase::Done && record.can_undo()).collect();
    if arguments.json {
        document.records = can.iter().map(|record| RecordView::new(record)).collect();
        crate::json::write(out, &document)?;
    } else if arguments.list {
        if can.is_empty() {
            writeln!(out, "There is nothing to undo.")?;
        }
        for record in can.iter().rev() {
            let title = gguf::clean(&record.title, 60);
            writeln!(out, "{}  {:>10}  {:>8}  {title}", record.id, ago(record.began, env.now), record.in_trash())?;
        }
    }
    Ok(exit)
}
