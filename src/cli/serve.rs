//! `taffrail serve`: dashboards, commands and other programs use this machine's models by one process.

mod install;
mod plan;
mod status;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use clap::{Args, Subcommand};

use super::Exit;
use super::failure::{Failure, print_error};
use super::progress::Progress;
use crate::app::server::{self, Options, ServeError};
use crate::app::socket::{self, LinkError, Purpose};
use crate::app::{App, start};
use crate::server::StartError;
use domain::Event;
use domain::settings::Settings;

/// Serve dashboards and other programs, until Ctrl-C.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Serve {
    #[command(subcommand)]
    action: Option<Action>,
    /// Where the APIs listen, instead of `server.listen` in config.toml; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Run in the background; `serve stop` ends it
    #[arg(long, conflicts_with = "stdio")]
    detach: bool,
    /// Give a dashboard that came over ssh this machine's server by standard input and output
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// Be the one in the background
    #[arg(long, hide = true)]
    daemon: bool,
    /// End once nothing is loaded and nobody is attached
    #[arg(long, hide = true)]
    temporary: bool,
}

/// What is done about a server.
#[derive(Debug, Subcommand)]
enum Action {
    /// Show whether a server runs, and what it has loaded
    Status(status::Show),
    /// Show whether a model fits, and which ones a request for it would unload
    Plan(plan::Plan),
    /// Stop the server and its sessions
    Stop,
    /// Start the server with your session: write a systemd user unit, or a launchd agent on macOS
    Install(install::Install),
}

impl Serve {
    /// Whether this process becomes the server, and its log goes to standard error.
    pub fn logs_to_terminal(&self) -> bool {
        self.is_server() && !self.daemon
    }

    /// Leave the terminal, where this is the one in the background.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub fn leave_terminal(&self) -> io::Result<()> {
        if self.daemon { start::leave_terminal() } else { Ok(()) }
    }

    /// Whether this process becomes the server.
    pub fn is_server(&self) -> bool {
        self.action.is_none() && !self.detach && !self.stdio
    }
}

/// Reads an address.
fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().ok();
    address
        .ok_or_else(|| "must be ADDRESS:PORT, such as 127.0.0.1:11437 or [::1]:11437; a port is 0 to 65535".to_owned())
}

/// Do what needs no server in this process. `start` is what one in the background is started with.
pub async fn about(arguments: &Serve, settings: &Settings, config: Option<&Path>, mut start: Vec<OsString>) -> Exit {
    let mut out = io::stdout().lock();
    let result = match &arguments.action {
        Some(Action::Status(arguments)) => status::show(arguments, &mut out).await,
        Some(Action::Plan(arguments)) => Box::pin(plan::show(arguments, settings, &mut out)).await,
        Some(Action::Install(arguments)) => install::run(arguments, config, &mut out),
        Some(Action::Stop) => return status::stop().await,
        None => {
            drop(out);
            if let Some(listen) = arguments.listen {
                start.extend(["--listen".into(), listen.to_string().into()]);
            }
            return if arguments.stdio { stdio(&start).await } else { detach(&start).await };
        }
    };
    match result {
        Ok(exit) => super::output::ended(out.flush(), exit),
        Err(error) => super::output::ended(Err(error), Exit::Done),
    }
}

/// Run a server in the background. One that a dashboard started stays from now on.
async fn detach(start: &[OsString]) -> Exit {
    if let Ok(server) = socket::ask(Purpose::Status).await {
        if !server.status.is_some_and(|status| status.is_temporary) {
            let failure = Failure::new(Exit::Failed, format!("a server runs already (pid {})", server.pid));
            return failure.with_hint("`taffrail serve status` shows it, `taffrail serve stop` ends it").print();
        }
        return match socket::ask(Purpose::Stay).await {
            Ok(server) => {
                print_error(&format!("the server that runs (pid {}) stays until it is stopped", server.pid), None);
                Exit::Done
            }
            Err(error) => Failure::new(Exit::Failed, error.to_string()).print(),
        };
    }
    let progress = Progress::begin("starting the server");
    let started = start::in_background(false, start).await;
    drop(progress);
    if let Err(error) = started {
        return Failure::new(Exit::Failed, error.to_string()).print();
    }
    match socket::ask(Purpose::Status).await {
        Ok(server) => {
            print_error(&format!("a server runs in the background (pid {})", server.pid), None);
            Exit::Done
        }
        Err(error) => Failure::new(Exit::Failed, error.to_string()).print(),
    }
}

/// Be the way to this machine's server, which is started where none runs.
async fn stdio(start: &[OsString]) -> Exit {
    let started = match socket::ask(Purpose::Status).await {
        Err(LinkError::NoServer) => start::in_background(true, start).await.map_err(|error| error.to_string()),
        Ok(_) | Err(_) => Ok(()),
    };
    match socket::bridge().await {
        Ok(()) => Exit::Done,
        Err(error) => Failure::new(Exit::Failed, started.err().unwrap_or_else(|| error.to_string())).print(),
    }
}

/// Be the server. `events` is what it is told first, and `notices` what the first dashboard is.
pub async fn run(arguments: &Serve, mut app: App, events: Vec<Event>, notices: Vec<String>) -> Exit {
    for event in events {
        app.handle(event);
    }
    let is_daemon = arguments.daemon;
    let options = Options { is_temporary: arguments.temporary, notices };
    let bound = || if is_daemon { start::ready() } else { Ok(()) };
    // Whoever started it may read no more; it serves all the same.
    let listening = |address| drop(writeln!(io::stderr(), "listening on http://{address}"));
    match Box::pin(server::run(app, options, bound, listening)).await {
        Ok(lost) => {
            for reason in &lost {
                print_error(reason, None);
            }
            Exit::Done
        }
        Err(error) => {
            let needs_key = matches!(error, ServeError::Http(StartError::NeedsKey { .. }));
            let exit = if needs_key { Exit::Refused } else { Exit::Failed };
            Failure::new(exit, error.to_string()).or_hint(error.hint().as_deref()).print()
        }
    }
}
