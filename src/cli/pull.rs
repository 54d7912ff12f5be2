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
use crate::app::App;
use domain::Event;
use domain::admission::free_memory;
use domain::command::{self, What};
use domain::download::hub::{Choice, Failure, FailureKind, HubEvent, Quant, RemoteFile, named, pick, quants};
use domain::download::{Download, DownloadEvent, Order, Phase};
use domain::model::file_role::FileRole;
use domain::units::{Bytes, span, tokens};

/// Time between two lines of progress where there is no terminal.
const LINE: Duration = Duration::from_secs(5);
/// Quantisations that are listed in a sentence.
const MAX_LISTED: usize = 24;

/// What `pull` is asked.
#[derive(Debug, clap::Args)]
pub struct Pull {
    /// `OWNER/REPO`, which takes the best quantisation that fits, `OWNER/REPO:QUANT` or `OWNER/REPO/FILE`
    pub model: String,
    /// A branch, a tag or a commit
    #[arg(long, default_value = "main")]
    pub revision: String,
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
    app.ask_files(&target.repository, &arguments.revision);
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
    let (order, choice) = target.order(&arguments.revision, &files, app)?;
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
            writeln!(io::stderr(), "{name}: {size}, of which {first} were there; the rest in {}, verified", span(time))
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

/// What is to be fetched of which repository.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    repository: String,
    part: Selection,
}

#[derive(Debug, PartialEq, Eq)]
enum Selection {
    Best,
    Named(String),
    File(String),
}

impl Target {
    fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.strip_prefix("hf:").unwrap_or(text);
        let (path, quant) = text.split_once(':').map_or((text, None), |(path, quant)| (path, Some(quant)));
        let mut parts = path.splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let name = parts.next().unwrap_or_default();
        let part = match (parts.next(), quant) {
            (None, None) => Selection::Best,
            (None, Some(quant)) if !quant.is_empty() => Selection::Named(quant.to_owned()),
            (Some(file), None) if !file.is_empty() => Selection::File(file.to_owned()),
            _ => return Err(no_target(text)),
        };
        let repository = format!("{owner}/{name}").trim_end_matches('/').to_owned();
        crate::library::hub::check_repository(&repository).map_err(|problem| problem.failure())?;
        Ok(Self { repository, part })
    }

    /// The order for it, and why this model, where nobody named one.
    fn order(&self, revision: &str, files: &[RemoteFile], app: &App) -> Result<(Order, Option<Choice>), Failure> {
        let all = quants(files);
        let order = |label: &str, files: Vec<RemoteFile>| Order {
            repository: self.repository.clone(),
            revision: revision.to_owned(),
            label: label.to_owned(),
            files,
        };
        let of_quant = |quant: &Quant| order(&quant.label, quant.files.clone());
        match &self.part {
            Selection::Best => {
                let free = free_memory(&app.state().domain).map(|memory| memory.free);
                let context = app.state().domain.settings.session.context;
                let choice = pick(&all, free, context).ok_or_else(|| self.nothing(&all, files))?;
                match free.filter(|_| choice.fits == Some(false)) {
                    Some(free) => Err(self.too_large(&all, free, context)),
                    None => Ok((of_quant(&all[choice.index]), Some(choice))),
                }
            }
            Selection::Named(name) => {
                let index = named(&all, name).ok_or_else(|| self.no_such(name, &all))?;
                Ok((of_quant(&all[index]), None))
            }
            // A part of a split model is of no use alone.
            Selection::File(path) => match all.iter().find(|quant| quant.files.iter().any(|file| file.path == *path)) {
                Some(quant) if quant.is_whole() => Ok((of_quant(quant), None)),
                _ => {
                    let file = files.iter().find(|file| file.path == *path);
                    let file = file.ok_or_else(|| self.no_such(path, &all))?;
                    Ok((order(path, vec![file.clone()]), None))
                }
            },
        }
    }

    /// There is no model to choose: what is there instead.
    fn nothing(&self, all: &[Quant], files: &[RemoteFile]) -> Failure {
        let models = all.iter().filter(|quant| quant.role == FileRole::Model);
        let incomplete: Vec<_> =
            models.map(|quant| format!("{} {}/{}", quant.label, quant.files.len(), quant.n_parts)).collect();
        let others = all.iter().filter(|quant| quant.role != FileRole::Model);
        let others: Vec<_> =
            others.map(|quant| format!("{}, {} ({})", quant.label, quant.size(), quant.role.name())).collect();
        let hint = if !incomplete.is_empty() {
            let parts = listed(&incomplete);
            format!("parts are missing on the hub ({parts}); name a file as OWNER/REPO/FILE to have it all the same")
        } else if !others.is_empty() {
            let others = listed(&others);
            format!("what it has goes with a model and is none: {others}; name a file as OWNER/REPO/FILE to have it")
        } else if files.iter().any(|file| file.path.to_ascii_lowercase().contains(".gguf")) {
            "its files are pieces that have to be joined first; name each as OWNER/REPO/FILE to have it".to_owned()
        } else {
            "search for a repository that has them; their names often end in -GGUF".to_owned()
        };
        not_found(format!("there is no whole GGUF model in {}", self.repository), hint)
    }

    /// No model fits: what each would need.
    fn too_large(&self, all: &[Quant], free: Bytes, context: u32) -> Failure {
        let choices = all.iter().filter(|quant| quant.is_choice());
        let sizes: Vec<_> =
            choices.map(|quant| format!("{} ({}) needs {}", quant.label, quant.size(), quant.needs(context))).collect();
        let context = tokens(u64::from(context));
        let repository = &self.repository;
        Failure {
            reason: format!(
                "no model of {repository} fits the {free} that are free with {context} context, estimated: {}",
                listed(&sizes)
            ),
            hint: Some(format!(
                "make room, use a shorter context, or name one as {repository}:QUANT to have it all the same"
            )),
            kind: FailureKind::Refused,
        }
    }

    fn no_such(&self, name: &str, all: &[Quant]) -> Failure {
        let labels: Vec<_> = all.iter().filter(|quant| quant.is_choice()).map(|quant| quant.label.clone()).collect();
        let hint = if labels.is_empty() {
            "it has no whole GGUF model".to_owned()
        } else {
            format!("there are {}", listed(&labels))
        };
        not_found(format!("there is no `{name}`, or several, in {}", self.repository), hint)
    }
}

/// The first of some words, and how many more there are.
fn listed(words: &[String]) -> String {
    let more = words.len().saturating_sub(MAX_LISTED);
    let mut text = words.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

fn no_target(text: &str) -> Failure {
    not_found(
        format!("`{text}` names no model of the hub"),
        "write OWNER/REPO, OWNER/REPO:QUANT or OWNER/REPO/FILE, such as `Qwen/Qwen3-8B-GGUF:Q4_K_M`".to_owned(),
    )
}

fn not_found(reason: String, hint: String) -> Failure {
    Failure { reason, hint: Some(hint), kind: FailureKind::NotFound }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let target = |part| Some(("a/b-GGUF".to_owned(), part));
        for (text, expected) in [
            ("a/b-GGUF", target(Selection::Best)),
            ("hf:a/b-GGUF", target(Selection::Best)),
            ("a/b-GGUF:q4_k_m", target(Selection::Named("q4_k_m".into()))),
            ("a/b-GGUF/sub/m.gguf", target(Selection::File("sub/m.gguf".into()))),
            ("a/b-GGUF:", None),
            ("a/b-GGUF/", None),
            ("a/b-GGUF/x:y", None),
            ("b", None),
            ("../b", None),
            ("", None),
        ] {
            let read = Target::parse(text).ok().map(|target| (target.repository, target.part));
            assert_eq!(read, expected, "{text}");
        }
    }
}
