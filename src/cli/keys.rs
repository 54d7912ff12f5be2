//! `taffrail keys`: who may use the server.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::Exit;
use super::failure::{Failure, print_error};
use super::table::{self, Column};
use crate::library::Env;
use crate::server::keys::{self, Key, KeyError, Scope};

/// What `keys` is asked.
#[derive(Debug, clap::Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Create a key and print it; it is shown only once
    Add {
        /// A name for whoever uses the key
        name: String,
        /// What the key allows; may be repeated
        #[arg(long, value_name = "SCOPE", default_value = "chat", value_enum)]
        scope: Vec<Scope>,
    },
    /// List the keys: their names and what they allow
    #[command(alias = "list")]
    Ls {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove a key, which stops working at once
    Rm {
        /// Its name
        name: String,
    },
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    keys: Vec<KeyView>,
}

#[derive(Serialize)]
struct KeyView {
    name: String,
    scopes: Vec<Scope>,
    /// Seconds since 1970.
    created: i64,
}

/// Run the command.
pub fn run(arguments: &Keys, now: i64, width: Option<usize>, out: &mut impl Write) -> io::Result<Exit> {
    let done = match (file(), &arguments.command) {
        (Err(failure), _) => return Ok(failure.print()),
        (Ok(file), Command::Add { name, scope }) => match keys::add(&file, name, scope, now) {
            Ok(secret) => {
                writeln!(out, "{secret}")?;
                out.flush()?;
                print_error(&"keep it: only its hash is stored, and it can't be shown again", None);
                Ok(())
            }
            Err(error) => Err(error),
        },
        (Ok(file), Command::Ls { json }) => match keys::read(&file) {
            Ok(keys) => list(keys, *json, now, width, out).map(Ok)?,
            Err(error) => Err(error),
        },
        (Ok(file), Command::Rm { name }) => keys::remove(&file, name),
    };
    Ok(done.map_or_else(|error| failure(&error).print(), |()| Exit::Done))
}

/// The file of keys.
fn file() -> Result<PathBuf, Failure> {
    let none = || Failure::new(Exit::Failed, "there is no data folder to keep keys in");
    Env::read().data.map(|data| data.join(keys::FILE)).ok_or_else(none)
}

fn failure(error: &KeyError) -> Failure {
    let exit = match error {
        KeyError::Name | KeyError::Exists(_) => Exit::Usage,
        KeyError::Unknown(_) => Exit::NotFound,
        KeyError::TooMany | KeyError::File { .. } => Exit::Failed,
    };
    let hint = matches!(error, KeyError::Unknown(_)).then_some("`taffrail keys ls` lists all");
    Failure::new(exit, error.to_string()).or_hint(hint)
}

fn list(keys: Vec<Key>, json: bool, now: i64, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    if json {
        let keys = keys.into_iter().map(|Key { name, scopes, created, .. }| KeyView { name, scopes, created });
        return crate::json::write(out, &Document { schema: "taffrail/keys/1", keys: keys.collect() });
    }
    if keys.is_empty() {
        return writeln!(out, "There are no keys: programs on this machine need none.");
    }
    let column = |title| Column { title, right: false, least: None, goes: 0 };
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
            vec![gguf::clean(&key.name, 64), scopes.join(" "), super::ls::ago(key.created, now)]
        })
        .collect();
    table::write(out, &[column("Name"), column("Scopes"), column("Made")], &rows, width)
}
