//! How a dashboard gets the domain that it shows: from this user's server, which is started where none runs, from one on
//! another machine, or from its own process.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::App;
use super::attached::Attached;
use super::front::Front;
use super::socket::{LinkError, Target};
use super::start::{self, StartServerError};
use domain::model::Model;
use domain::settings::Settings;

/// How long a server that is ending is waited for.
const LAST_SERVER: Duration = Duration::from_secs(10);

/// The time between two tries to start the next one.
const AGAIN: Duration = Duration::from_millis(100);

/// What a dashboard attaches to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This user's server; one is started where none runs. Where that fails, the domain is this process's own.
    Server,
    /// The same, where one runs.
    RunningServer,
    /// A server on another machine, and nothing else.
    Remote(Target),
    /// This process.
    Own,
}

/// What servers are started with: the options that this process was given, as far as they are the server's.
pub fn arguments(config: Option<&Path>, set: &[String], is_verbose: bool) -> io::Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(config) = config {
        // A server has a working folder of its own.
        arguments.extend(["--config".into(), std::path::absolute(config)?.into()]);
    }
    for set in set {
        arguments.extend(["--set".into(), set.into()]);
    }
    if is_verbose {
        arguments.push("--verbose".into());
    }
    Ok(arguments)
}

/// Attach by `source`, if it is to be.
///
/// # Errors
///
/// Why another machine's server can't be attached to. This machine's is done without.
pub async fn attach(
    source: &Source,
    settings: &Settings,
    themes: &[String],
    start: Vec<OsString>,
) -> Result<Result<Attached, Option<String>>, LinkError> {
    let open = async |target: Target| Attached::open(target, start.clone(), settings, themes.to_vec()).await;
    let instead = |reason: String| Some(format!("{reason}: this dashboard runs its sessions itself"));
    let may_start = match source {
        Source::Own => return Ok(Err(None)),
        Source::Remote(target) => return open(target.clone()).await.map(Ok),
        Source::Server => true,
        Source::RunningServer => false,
    };
    let until = Instant::now() + LAST_SERVER;
    loop {
        match open(Target::Local).await {
            Ok(attached) => return Ok(Ok(attached)),
            Err(error) if !error.is_gone() => return Ok(Err(instead(error.to_string()))),
            Err(_) if !may_start => return Ok(Err(None)),
            Err(_) => {}
        }
        match (start::in_background(true, &start).await, open(Target::Local).await) {
            (_, Ok(mut attached)) => {
                attached.is_new = true;
                return Ok(Ok(attached));
            }
            (Ok(()), Err(error)) => return Ok(Err(instead(error.to_string()))),
            // One that is ending has the socket until its workers have ended.
            (Err(StartServerError::Ended(_)), Err(error)) if error.is_gone() && Instant::now() < until => {
                sleep(AGAIN).await;
            }
            (Err(error), Err(_)) => return Ok(Err(instead(error.to_string()))),
        }
    }
}

/// What a command on these models is driven by: this user's server where one runs that knows them, else a driver of this
/// process's own, made by `own`. Gives what the user is to be told of that as well.
///
/// # Errors
///
/// Where there is no driver of its own.
pub async fn for_command(
    settings: &Settings,
    models: &[Arc<Model>],
    own: impl FnOnce() -> io::Result<App>,
) -> io::Result<(Front, Option<String>)> {
    let own = |notice| own().map(|app| (Front::Own(Box::new(app)), notice));
    if !settings.server.attach {
        return own(None);
    }
    match Attached::open(Target::Local, Vec::new(), settings, Vec::new()).await {
        Ok(mut attached) => {
            let reason = match attached.scanned().await {
                Ok(()) => match models.iter().find(|model| attached.state().domain.model(&model.id).is_none()) {
                    None => return Ok((Front::Attached(Box::new(attached)), None)),
                    Some(model) => format!("the server that runs does not know {}", model.name),
                },
                Err(reason) => reason,
            };
            drop(attached.close().await);
            own(Some(format!("{reason}: this process runs it itself")))
        }
        Err(LinkError::NoServer) => own(None),
        Err(error) => own(Some(format!("{error}: this process runs it itself"))),
    }
}
