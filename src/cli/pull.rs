//! `taffrail pull OWNER/REPO[:QUANT]`: fetch a model from the hub into the Hugging Face cache.
//!
//! The same actions and events as on the screen. Standard output gets the file's path, or one JSON document; what
//! happens meanwhile goes to standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Exit;
use super::output::Output;
use super::progress::Progress;
use crate::app::App;
use domain::Event;
use domain::command::{self, What};
use domain::download::hub::{Choice, Failure, HubEvent};
use domain::download::target::{Selection, Target};
use domain::download::{Download, DownloadEvent, Order, Phase};
use domain::units::{Bytes, span};

/// Time between two lines of progress where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// The branch that is fetched where nobody names one.
const MAIN: &str = "main";

/// What `pull` is asked.
#[derive(Debug, clap::Args)]
pub struct Pull {
    /// `OWNER/REPO`, which takes the best quantization that fits, `OWNER/REPO:QUANT` or `OWNER/REPO/FILE`; or the address of
    /// its page on the hub
    pub model: String,
    /// A branch, a tag or a commit [default: that of the address, else main]
    #[arg(long)]
    pub revision: Option<String>,
    /// Say what would be fetched, and fetch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Fetch a model.
pub async fn run(arguments: &Pull, app: &mut App) -> Exit {
    match pull(arguments, app).await {
        Ok(exit) => exit,
        Err(End::Interrupted) => Exit::Interrupted,
        Err(End::Failed(failure)) => super::failure::Failure::from(failure).print(),
    }
}

/// Why there is nothing to tell on standard output.
enum End {
    Interrupted,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn pull(arguments: &Pull, app: &mut App) -> Result<Exit, End> {
    let target = Target::parse(&arguments.model)?;
    let revision = arguments.revision.as_ref().or(target.revision.as_ref()).map_or(MAIN, String::as_str);
    let progress = Progress::begin(format!("asking the hub for the files of {}", target.repository));
    app.ask_files(&target.repository, revision);
    // The best that fits is a question of memory, too.
    let mut files = None;
    let files = loop {
        let is_known = app.state().domain.machine.sample.is_some() || target.part != Selection::Best;
        if is_known && let Some(files) = files.take() {
            break files;
        }
        match next(app).await.ok_or(End::Interrupted)? {
            Event::Hub(HubEvent::Files { files: answer, .. }) => files = Some(answer?),
            event => app.handle(event),
        }
    };
    drop(progress);
    let (order, choice) = target.order(revision, &files, &app.state().domain)?;
    if let Some(choice) = &choice {
        let _ = writeln!(io::stderr(), "{}: {}", clean(&order.label), choice.reason);
    }
    if arguments.dry_run {
        let mut output = Output::default();
        output.print(|out| {
            if arguments.json {
                crate::json::write(out, &document(&order, choice.as_ref(), None))
            } else {
                order.files.iter().try_for_each(|file| writeln!(out, "{:>8}  {}", file.size, clean(&file.path)))
            }
        });
        return Ok(output.end(Exit::Done));
    }
    let path = transfer(order.clone(), app).await?;
    let mut output = Output::default();
    output.print(|out| {
        if arguments.json {
            crate::json::write(out, &document(&order, choice.as_ref(), Some(&path)))
        } else {
            writeln!(out, "{}", clean(&path))
        }
    });
    Ok(output.end(Exit::Done))
}

/// The next thing that happens; `None` for an interrupt.
async fn next(app: &mut App) -> Option<Event> {
    tokio::select! {
        event = app.next_event() => Some(event),
        _ = tokio::signal::ctrl_c() => None,
    }
}

/// Fetch an order to its end; gives the path of its first file.
async fn transfer(order: Order, app: &mut App) -> Result<String, End> {
    let start = Instant::now();
    let mut line = Line::new();
    let Ok(command::Value::Download(id)) = app.command(What::Download(order)) else { return Err(End::Interrupted) };
    let mut first = None;
    loop {
        let Some(event) = next(app).await else {
            // The second interrupt ends at once; what came is kept either way.
            if app.state().domain.downloads.all.iter().any(|download| download.phase == Phase::Pausing) {
                return Err(End::Interrupted);
            }
            let _ = app.command(What::PauseDownload(id));
            continue;
        };
        let Event::Download(_, news) = &event else {
            app.handle(event);
            continue;
        };
        // What is over needs no further look at the library here.
        let end = match news {
            DownloadEvent::Done { path } => Some(Ok(path.clone())),
            DownloadEvent::Failed(failure) => Some(Err(End::Failed(failure.clone()))),
            DownloadEvent::Paused | DownloadEvent::Cancelled => Some(Err(End::Interrupted)),
            _ => None,
        };
        if end.is_none() {
            app.handle(event);
        }
        let Some(download) = app.state().domain.downloads.all.first() else { return Err(End::Interrupted) };
        if download.phase == Phase::Running {
            first.get_or_insert(download.done);
        }
        match end {
            None => line.show(download),
            Some(end) => {
                line.end();
                match &end {
                    Ok(_) => told(download, first.unwrap_or_default(), start.elapsed()),
                    Err(End::Interrupted) => {
                        let _ = writeln!(
                            io::stderr(),
                            "paused with {} of {}; the same command resumes it",
                            download.done,
                            download.order.size()
                        );
                    }
                    Err(End::Failed(_)) => {}
                }
                return end;
            }
        }
    }
}

/// What was fetched, in one line.
fn told(download: &Download, first: Bytes, time: Duration) {
    let size = download.order.size();
    let came = size.saturating_sub(first);
    let rate = Bytes((came.0 as f64 / time.as_secs_f64().max(0.001)) as u64);
    let name = clean(&download.order.name());
    let _ = match first {
        _ if came == Bytes(0) => writeln!(io::stderr(), "{name} is there: {size}"),
        Bytes(0) => writeln!(io::stderr(), "{name}: {size} in {}, {rate}/s, verified", span(time)),
        _ => {
            writeln!(io::stderr(), "{name}: {size}, of which {first} were there; saved in {}, verified", span(time))
        }
    };
}

/// The line that tells how far it is.
struct Line {
    to_terminal: bool,
    is_open: bool,
    told: Option<Instant>,
    phase: Option<std::mem::Discriminant<Phase>>,
    last: String,
}

impl Line {
    fn new() -> Self {
        Self { to_terminal: io::stderr().is_terminal(), is_open: false, told: None, phase: None, last: String::new() }
    }

    fn show(&mut self, download: &Download) {
        let text = clean(&describe(download));
        if text == self.last {
            return;
        }
        if self.to_terminal {
            let columns = crate::app::terminal_width().unwrap_or(80).saturating_sub(1);
            let cut: String = text.chars().take(columns).collect();
            let _ = write!(io::stderr(), "\r\x1b[K{cut}");
            self.is_open = true;
        } else {
            let phase = std::mem::discriminant(&download.phase);
            let is_news = self.phase != Some(phase) || matches!(download.phase, Phase::Waiting(_));
            if is_news || self.told.is_none_or(|told| told.elapsed() >= LINE) {
                let _ = writeln!(io::stderr(), "{text}");
                self.told = Some(Instant::now());
                self.phase = Some(phase);
            }
        }
        self.last = text;
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Where a download is, in one line.
fn describe(download: &Download) -> String {
    let label = &download.order.label;
    match &download.phase {
        Phase::Preparing(what) => format!("{label}: {what} …"),
        Phase::Waiting(what) => format!("{label}: waits: {what}"),
        _ => {
            let mut text = format!(
                "{label}: {} of {}  {:.0}%",
                download.done,
                download.order.size(),
                (download.share() * 100.0).floor()
            );
            if let Some(rate) = download.rate {
                let _ = write!(text, "  {}/s", Bytes(rate as u64));
            }
            if let Some(left) = download.left() {
                let _ = write!(text, "  {} left", span(left));
            }
            text
        }
    }
}

fn document(order: &Order, choice: Option<&Choice>, path: Option<&str>) -> Value {
    let files: Vec<_> = order.files.iter().map(|file| json!({ "path": file.path, "size": file.size })).collect();
    json!({
        "schema": "taffrail/pull/1",
        "repository": order.repository,
        "revision": order.revision,
        "quant": order.label,
        "reason": choice.map(|choice| &choice.reason),
        "fits": choice.and_then(|choice| choice.fits),
        "size": order.size(),
        "files": files,
        "fetched": path.is_some(),
        "path": path,
    })
}

/// Text of the hub or the user, harmless on a terminal.
fn clean(text: &str) -> String {
    gguf::clean(text, 1000)
}
