//! `taffrail serve`: other programs use this machine's models.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use clap::Args;

use super::Exit;
use super::failure::Failure;
use crate::app::{App, server};
use crate::server::StartError;

/// Serve other programs, until Ctrl-C.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where the APIs listen, instead of `server.listen` in config.toml; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// Run the command.
pub async fn run(app: &mut App) -> Exit {
    // Whoever started it may read no more; it serves all the same.
    let ready = |address| drop(writeln!(io::stderr(), "listening on http://{address}"));
    match server::run(app, ready).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            let exit = if matches!(error, StartError::NeedsKey { .. }) { Exit::Refused } else { Exit::Failed };
            Failure::new(exit, error.to_string()).or_hint(error.hint().as_deref()).print()
        }
    }
}
