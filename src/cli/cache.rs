//! `taffrail cache`: the prompts whose state is kept on disk, and their removal.

use std::io::{self, Write};

use serde::Serialize;

use super::Exit;
use super::failure::Failure;
use crate::app::prompts::{self, DiskUse};
use domain::units::Bytes;

/// What `cache` is asked.
#[derive(Debug, clap::Args)]
pub struct Cache {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Remove all of them; the next answers read their prompts again
    Clear,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    folder: String,
    files: usize,
    bytes: u64,
    /// What they may take; 0 keeps none.
    max_bytes: u64,
}

/// Run the command.
pub fn run(arguments: &Cache, max_bytes: Bytes, out: &mut impl Write) -> io::Result<Exit> {
    let Some(folder) = prompts::folder() else {
        return Ok(Failure::new(Exit::Failed, "there is no cache folder to keep prompts in").print());
    };
    let shown = gguf::clean(&folder.display().to_string(), usize::MAX);
    let failed = |error: io::Error| Ok(Failure::new(Exit::Failed, format!("{shown}: {error}")).print());
    if matches!(arguments.command, Some(Command::Clear)) {
        return match prompts::clear(&folder) {
            Ok(DiskUse { n_bytes, n_files }) => {
                writeln!(out, "Removed {}.", files(n_files, n_bytes))?;
                Ok(Exit::Done)
            }
            Err(error) => failed(error),
        };
    }
    let DiskUse { n_files, n_bytes } = match prompts::disk_use(&folder) {
        Ok(found) => found,
        Err(error) => return failed(error),
    };
    if arguments.json {
        let (schema, max_bytes) = ("taffrail/cache/1", max_bytes.0);
        let document = Document { schema, folder: shown, files: n_files, bytes: n_bytes.0, max_bytes };
        crate::json::write(out, &document)?;
        return Ok(Exit::Done);
    }
    let may = match max_bytes {
        Bytes(0) => "engine.prompt_cache_disk_mib is 0: none are kept".to_owned(),
        most => format!("up to {most} are kept"),
    };
    writeln!(out, "{} in {shown}; {may}.", files(n_files, n_bytes))?;
    Ok(Exit::Done)
}

fn files(n_files: usize, n_bytes: Bytes) -> String {
    let noun = if n_files == 1 { "prompt" } else { "prompts" };
    format!("{n_files} {noun}, {n_bytes}")
}
