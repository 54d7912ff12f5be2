//! `taffrail launch PROGRAM MODEL`: starts a coding agent against this machine's server, with the model loaded for it.
//!
//! The model stays loaded while the program runs. Absent: what each program is told, which `programs` has.

mod programs;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Exit;
use super::failure::{Failure, print_error};
use super::progress::Progress;
use super::value::whole;
use crate::app::front::Front;
use crate::app::open::{self, Source};
use crate::app::socket::{self, Purpose};
use crate::library::resolve;
use domain::command::{Value, What};
use domain::keep_alive::KeepAlive;
use domain::model::Model;
use domain::session::{Phase, Session, SessionId};
use domain::settings::{Chosen, SessionSettings, Settings};
use domain::{Domain, alias};
use programs::{KEY, Program, Served};

/// The context that agents get where nothing else is said: the instructions of some take 20,000 tokens alone.
const CONTEXT: u32 = 32 << 10;

/// How long a model stays loaded behind `env`, whose reader says nothing when it is done.
const KEEP_ALIVE: Duration = Duration::from_hours(1);

/// How long a server that was just started may take until it answers programs: it scans the stores first.
const START: Duration = Duration::from_secs(30);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// What `launch` is asked. A key for the server, where it needs one, is in `TAFFRAIL_API_KEY`.
#[derive(Debug, clap::Args)]
#[command(after_help = "TAFFRAIL_API_KEY in the environment is the key for a server that needs one.")]
pub struct Launch {
    /// The program; `env` prints the variables for any other
    pub program: Program,
    /// A name, a unique part of one, `store:name`, `owner/repo[:quant]` or a name of your own
    pub model: String,
    /// Context length in tokens [default: 32768, or what the model was trained for]
    #[arg(long, short = 'c', visible_alias = "ctx-size", value_name = "TOKENS", value_parser = whole(0..=1_u32 << 24))]
    pub context: Option<u32>,
    /// What the program is given
    #[arg(last = true, value_name = "ARGS")]
    pub arguments: Vec<OsString>,
}

/// Load the model and run the program to its end. `start` is what a server is started with where none runs.
pub async fn run(arguments: &Launch, settings: &Settings, start: Vec<OsString>) -> Exit {
    super::failure::exit_of(Box::pin(launch(arguments, settings, start)).await)
}

async fn launch(arguments: &Launch, settings: &Settings, start: Vec<OsString>) -> Result<Exit, Failure> {
    if settings.server.require_key && key().is_none() {
        let failure = Failure::new(Exit::Refused, "the server needs a key");
        return Err(failure.with_hint(format!("put it into {KEY}; `taffrail keys add` makes one")));
    }
    let executable = match arguments.program.command() {
        Some(name) => Some(installed(name).ok_or_else(|| missing(arguments.program, name))?),
        None => None,
    };
    let progress = Progress::begin("waiting for the server");
    let attached = open::attach(&Source::Server, settings, &[], start).await;
    let attached = match attached {
        Ok(Ok(mut attached)) => {
            attached.scanned().await.map_err(|reason| Failure::new(Exit::Failed, reason))?;
            attached
        }
        Ok(Err(reason)) => {
            let reason = reason.unwrap_or_else(|| "no server can be started".to_owned());
            return Err(Failure::new(Exit::Failed, reason));
        }
        Err(error) => return Err(Failure::new(Exit::Failed, error.to_string())),
    };
    drop(progress);
    let mut front = Front::Attached(Box::new(attached));
    let result = Box::pin(with_server(arguments, &mut front, executable)).await;
    for reason in front.shut_down().await {
        print_error(&reason, None);
    }
    result
}

async fn with_server(arguments: &Launch, front: &mut Front, executable: Option<PathBuf>) -> Result<Exit, Failure> {
    let address = address().await?;
    let wanted = Wanted::find(&front.state().domain, arguments)?;
    let keep_alive = if executable.is_some() { KeepAlive::Forever } else { KeepAlive::For(KEEP_ALIVE) };
    let context = load(front, &wanted, keep_alive).await?;
    let served = Served { address, model: wanted.name.clone(), context, key: key() };
    let Some(executable) = executable else {
        let exports = programs::exports(&served);
        let written = io::stdout().lock().write_all(exports.as_bytes());
        return Ok(super::output::ended(written, Exit::Done));
    };
    let mut command = Command::new(&executable);
    arguments.program.prepare(&mut command, &served);
    command.args(&arguments.arguments);
    let status = run_program(&mut command, front).await;
    // From now on it goes as any other model does.
    let keep_alive = wanted.settings.residence.keep_alive.unwrap_or(KeepAlive::DEFAULT);
    let _ = front.command(wanted.load(keep_alive)).await;
    let status = status
        .map_err(|error| Failure::new(Exit::Failed, format!("{} can't be started: {error}", executable.display())))?;
    Ok(Exit::of_program(code(status)))
}

/// The key for a server that needs one. Others can see a process's arguments, so it is a variable.
fn key() -> Option<String> {
    std::env::var(KEY).ok().filter(|key| !key.is_empty())
}

/// Run a program to its end, while what the server says is read.
async fn run_program(command: &mut Command, front: &mut Front) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let mut is_server_gone = false;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            // The program has it from the terminal, too, and decides what it means.
            _ = tokio::signal::ctrl_c() => {}
            result = front.advance(|_| {}), if !is_server_gone => if let Err(reason) = result {
                is_server_gone = true;
                print_error(&reason, None);
            }
        }
    }
}

/// The exit code of a program; that of a shell where a signal ended it.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or_else(|| Some(128 + signal?)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Where a program is that the user has installed.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = |folder: PathBuf| Some(folder.join(name)).filter(|path| is_executable(path));
    std::env::split_paths(&path).find_map(found)
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

fn missing(program: Program, name: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("`{name}` is not installed")).with_hint(program.how_to_install())
}

/// Where the server answers programs.
async fn address() -> Result<String, Failure> {
    let until = Instant::now() + START;
    loop {
        let server = socket::ask(Purpose::Status).await;
        let server = server.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        if let Some(address) = server.status.and_then(|status| status.address) {
            return Ok(address);
        }
        if Instant::now() >= until {
            let failure = Failure::new(Exit::Failed, "the running server has no API address");
            return Err(failure.with_hint(
                "another program may have its address: `server.listen` in config.toml chooses another, then \
                 `taffrail serve stop`",
            ));
        }
        sleep(LOOK).await;
    }
}

async fn advance(front: &mut Front) -> Result<(), Failure> {
    front.advance(|_| {}).await.map_err(|reason| Failure::new(Exit::Failed, reason))
}

/// The model that is to be loaded.
struct Wanted {
    /// By this name programs ask for it.
    name: String,
    id: String,
    settings: SessionSettings,
    /// Tokens that it was trained for, where that is less than what an agent should have.
    short: Option<u64>,
}

impl Wanted {
    fn find(domain: &Domain, arguments: &Launch) -> Result<Self, Failure> {
        let argument = &arguments.model;
        let session = domain.settings.session;
        let (name, model, settings) = match alias::resolve(domain, argument) {
            Ok(alias::Target { model, alias: Some((name, alias)) }) => (name, model.clone(), alias.over(session)),
            Ok(alias::Target { model, alias: None }) => (alias::name_of(domain, model), model.clone(), session),
            Err(_) => {
                let found = resolve::resolve(&domain.library.models, argument);
                let model = found.map_err(|error| {
                    Failure::new(Exit::NotFound, error.to_string()).or_hint(error.hint().as_deref())
                })?;
                let model = domain.library.models.iter().find(|known| known.id == model.id).cloned().unwrap_or(model);
                return Ok(Self::with(alias::name_of(domain, &model).to_owned(), &model, session, arguments));
            }
        };
        Ok(Self::with(name.to_owned(), &model, settings, arguments))
    }

    fn with(name: String, model: &Model, settings: SessionSettings, arguments: &Launch) -> Self {
        let trained = model.summary.as_ref().and_then(|summary| summary.context_length);
        let most = trained.map_or(u32::MAX, |trained| u32::try_from(trained).unwrap_or(u32::MAX));
        // What is said here goes before what the name stands for, and that before what agents usually need.
        let chosen = Some(settings.context).filter(|_| settings.is_context_chosen.0);
        let context = arguments.context.or(chosen).unwrap_or(CONTEXT).min(most);
        let settings = SessionSettings { context, is_context_chosen: Chosen(true), ..settings };
        let short = trained.filter(|trained| *trained < u64::from(CONTEXT));
        Self { name, id: model.id.clone(), settings, short }
    }

    fn load(&self, keep_alive: KeepAlive) -> What {
        let settings = Some(Box::new(self.settings));
        What::LoadModel { model: self.id.clone(), settings, keep_alive: Some(keep_alive) }
    }
}

/// Load the model, and wait until it is; gives its context in tokens.
async fn load(front: &mut Front, wanted: &Wanted, keep_alive: KeepAlive) -> Result<u32, Failure> {
    let told = |text: String| drop(writeln!(io::stderr(), "{}", gguf::clean(&text, 500)));
    make_way(front, wanted).await?;
    let Value::Session(id) = front.command(wanted.load(keep_alive)).await? else {
        return Err(Failure::new(Exit::Failed, "nothing was loaded"));
    };
    if !is_ready(front, id)? {
        told(format!("loading {} …", wanted.name));
        let progress = Progress::begin(format!("loading {}", wanted.name));
        while !is_ready(front, id)? {
            if let Some(Phase::Loading { fraction }) = front.state().domain.session(id).map(|session| &session.phase) {
                progress.tell(format!("loading {}: {:.0}%", wanted.name, fraction * 100.0));
            }
            advance(front).await?;
        }
        drop(progress);
    }
    let session = front.state().domain.session(id);
    let context = session.map_or(wanted.settings.context, Session::n_ctx);
    told(format!("{} is loaded with {context} tokens of context", wanted.name));
    if context < wanted.settings.context {
        told(format!("it was loaded already, with less than {}; stop that session for more", wanted.settings.context));
    } else if let Some(trained) = wanted.short {
        told(format!("it was trained for {trained} tokens, and the instructions of agents alone can take 20,000"));
    }
    Ok(context)
}

/// Unload the model where requests loaded it with less context than is wanted now: it is loaded again at once.
async fn make_way(front: &mut Front, wanted: &Wanted) -> Result<(), Failure> {
    let is_in_the_way = |front: &Front| {
        let sessions = &front.state().domain.sessions;
        sessions.iter().any(|session| {
            session.model.id == wanted.id
                && Session::is_live(session)
                && session.demand.is_on_demand
                && session.known_context().is_some_and(|n_ctx| n_ctx < wanted.settings.context)
        })
    };
    if !is_in_the_way(front) {
        return Ok(());
    }
    // One that is answering ends its answers first.
    front.command(What::UnloadModel(wanted.id.clone())).await?;
    while is_in_the_way(front) {
        advance(front).await?;
    }
    Ok(())
}

fn is_ready(front: &Front, id: SessionId) -> Result<bool, Failure> {
    match front.state().domain.session(id).map(|session| &session.phase) {
        Some(Phase::Ready) => Ok(true),
        Some(Phase::Failed { reason, hint }) => {
            Err(Failure::new(Exit::Failed, reason.clone()).or_hint(hint.as_deref()))
        }
        Some(_) => Ok(false),
        None => Err(Failure::new(Exit::Failed, "the model was unloaded while it was being loaded")),
    }
}
