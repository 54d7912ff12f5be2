//! How a dashboard gets the domain that it shows: from this user's server, which is started where none runs, from one on
//! another machine, or from its own process.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::attached::Attached;
use super::front::Front;
use super::socket::{LinkError, Target};
use super::{App, start};
use domain::model::Model;
use domain::settings::Settings;

/// What makes a server end once nobody needs it.
pub const TEMPORARY: &str = "--temporary";

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
    let mut arguments: Vec<OsString> = vec![TEMPORARY.into()];
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
    match open(Target::Local).await {
        Ok(attached) => Ok(Ok(attached)),
        Err(LinkError::NoServer) if may_start => {
            let started = start::in_background(&start).await;
            // Another dashboard may have started it at the same time.
            match (open(Target::Local).await, started) {
                (Ok(attached), _) => Ok(Ok(attached)),
                (Err(_), Err(error)) => Ok(Err(instead(error.to_string()))),
                (Err(error), Ok(())) => Ok(Err(instead(error.to_string()))),
            }
        }
        Err(LinkError::NoServer) => Ok(Err(None)),
        Err(error) => Ok(Err(instead(error.to_string()))),
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
        Ok(attached) => match models.iter().find(|model| attached.state().domain.model(&model.id).is_none()) {
            None => Ok((Front::Attached(Box::new(attached)), None)),
            Some(model) => {
                let reason = format!("the server that runs does not know {}: it is run by this process", model.name);
                drop(attached.close().await);
                own(Some(reason))
            }
        },
        Err(LinkError::NoServer) => own(None),
        Err(error) => own(Some(format!("{error}: this process runs it itself"))),
    }
}
