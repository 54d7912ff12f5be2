//! `taffrail serve status` and `taffrail serve stop`: this user's server, asked by its socket.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::app::socket::{self, Hello, LinkError, Purpose, Status};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use domain::units::span;

/// Show whether a server runs, and what it has loaded.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    socket: String,
    running: bool,
    pid: Option<u32>,
    version: Option<&'a str>,
    #[serde(flatten)]
    status: Option<&'a Status>,
}

/// Say what runs.
///
/// # Errors
///
/// Where standard output can't be written to.
pub(super) async fn show(arguments: &Show, out: &mut impl Write) -> io::Result<Exit> {
    let server = match socket::ask(Purpose::Status).await {
        Ok(server) => Some(server),
        Err(LinkError::NoServer) => None,
        Err(error) => return Ok(Failure::new(Exit::Failed, error.to_string()).print()),
    };
    if arguments.json {
        let document = Document {
            schema: "taffrail/serve-status/1",
            socket: socket::socket().display().to_string(),
            running: server.is_some(),
            pid: server.as_ref().map(|server| server.pid),
            version: server.as_ref().map(|server| server.version.as_str()),
            status: server.as_ref().and_then(|server| server.status.as_ref()),
        };
        crate::json::write(out, &document)?;
    } else {
        match &server {
            Some(server) => write(server, out)?,
            None => writeln!(out, "no server is running; `taffrail serve --detach` starts one")?,
        }
    }
    Ok(if server.is_some() { Exit::Done } else { Exit::NotFound })
}

fn write(server: &Hello, out: &mut impl Write) -> io::Result<()> {
    let clean = |text: &str| gguf::clean(text, 120);
    let status = server.status.clone().unwrap_or_default();
    let up = span(Duration::from_secs(status.uptime_s));
    writeln!(out, "running for {up}: pid {}, version {}", server.pid, clean(&server.version))?;
    writeln!(out, "socket: {}", socket::socket().display())?;
    match &status.address {
        Some(address) => writeln!(out, "listening on {}", clean(address))?,
        None => writeln!(out, "no address: dashboards and commands of this user only")?,
    }
    writeln!(out, "dashboards and commands attached: {}", status.n_clients)?;
    if status.is_temporary {
        writeln!(out, "it ends by itself once nothing is loaded and nothing is attached")?;
    }
    for session in &status.sessions {
        let pid = session.pid.map_or_else(String::new, |pid| format!("  pid {pid}"));
        writeln!(out, "  {:<8}  {}{pid}", clean(&session.phase), clean(&session.name))?;
    }
    Ok(())
}

/// Have the server end, and wait until it has.
pub(super) async fn stop() -> Exit {
    match socket::stop().await {
        Ok(Hello { refusal: Some(reason), .. }) => Failure::new(Exit::Refused, reason).print(),
        Ok(_) => Exit::Done,
        Err(LinkError::NoServer) => Failure::new(Exit::NotFound, "no server is running").print(),
        Err(LinkError::StillRuns { pid }) => {
            let failure = Failure::new(Exit::Failed, LinkError::StillRuns { pid }.to_string());
            failure.with_hint(format!("`kill -9 {pid}` ends it, and its workers with it")).print()
        }
        Err(error) => Failure::new(Exit::Failed, error.to_string()).print(),
    }
}
