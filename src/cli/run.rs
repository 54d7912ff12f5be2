//! `taffrail run`: one answer, streamed.
//!
//! The answer is streamed to standard output. On a terminal, reasoning is printed dimmed to standard error, followed by
//! one line of figures at the end. Admission is decided by the same core as in the dashboard.

mod messages;
pub(super) mod report;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use wire::{Channel, Event as Said, Finish, Message, Prompt, Role};

use super::failure::{Failure, exit_of, print_error, with_log};
use super::input::{read_input, read_text};
use super::job_lines::pending;
use super::output::ended;
use super::progress::Progress;
use super::{Exit, SessionOptions};
use crate::app::front::Front;
use domain::command::{Force, Value, What};
use domain::event::WorkerEvent;
use domain::model::{EMBED_HINT, EMBEDS_ONLY, Model, preset};
use domain::record::run_record::{breach, why_empty};
use domain::request::form::Form;
use domain::request::schema::Schema;
use domain::request::{Request, RequestId};
use domain::session::placement::misplaced;
use domain::session::{End, NO_TEMPLATE, Phase, Session, SessionId};
use domain::settings::SessionSettings;
use domain::{Domain, Event, admission, text};

/// The maximum size of a grammar, in bytes.
const MAX_GRAMMAR: u64 = 1 << 20;

/// How long to wait for the figures of a cancelled answer: a cancel takes effect within one decoding step.
const CANCEL_WAIT: Duration = Duration::from_millis(500);

/// With a longer sampling period, the last tick is not awaited and its energy is missing.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Answer one prompt.
#[derive(Debug, Args)]
pub struct Run {
    /// A name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    pub model: String,
    /// The prompt; without one, or with `-`, it is read from standard input
    #[arg(value_name = "PROMPT", conflicts_with_all = ["prompt", "messages"])]
    words: Vec<String>,
    /// The prompt, where it begins with a dash or comes from a script
    #[arg(short, long, value_name = "TEXT", conflicts_with = "messages")]
    prompt: Option<String>,
    /// The system prompt; an empty one drops that of the model's store
    #[arg(long, visible_alias = "system-prompt", value_name = "TEXT")]
    system: Option<String>,
    /// A file with a whole conversation to be answered: a JSON list of messages with `role` and `content`, as OpenAI's API
    /// has them; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["system", "raw"])]
    messages: Option<PathBuf>,
    /// Stop the answer at this text; may be repeated. Replaces the stop texts of the model's store
    #[arg(long, alias = "reverse-prompt", value_name = "TEXT")]
    stop: Vec<String>,
    /// Pass the prompt to the model as it is, without its chat template
    #[arg(long, conflicts_with = "system")]
    raw: bool,
    /// A file with a GBNF grammar that the answer must follow
    #[arg(long, alias = "grammar-file", value_name = "FILE", conflicts_with = "json_schema")]
    grammar: Option<PathBuf>,
    /// A file with a JSON schema that the answer must match
    #[arg(long, alias = "json-schema-file", value_name = "FILE")]
    json_schema: Option<PathBuf>,
    /// Start even if the model does not fit in memory or its file fails the check
    #[arg(long)]
    force: bool,
    /// Print one JSON document at the end instead of streaming
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: SessionOptions,
}

/// Run the command.
pub async fn run(arguments: &Run, model: Arc<Model>, app: &mut Front) -> Exit {
    let mut own = None;
    let exit = exit_of(answer(arguments, model, app, &mut own).await);
    // A server keeps running and does not need the session that was loaded for this answer.
    if let Some(session) = own.filter(|_| app.server().is_some()) {
        let _ = app.command(What::StopSession(session)).await;
    }
    exit
}

/// The session for the answer: a matching session that a server has already loaded, unless other settings are
/// requested, or a new session, which is stored in `own`.
async fn session_for(
    arguments: &Run,
    model: &Arc<Model>,
    app: &mut Front,
    own: &mut Option<SessionId>,
) -> Result<SessionId, Failure> {
    let settings = arguments.session.over(app.state().domain.settings.session);
    if let Some(pid) = app.server() {
        let mut sessions = app.state().domain.sessions.iter();
        let loaded = sessions.find(|session| session.model.id == model.id && matches!(session.phase, Phase::Ready));
        if let Some(session) = loaded.filter(|_| arguments.session.is_empty()) {
            print_error(&format!("answered by the server (pid {pid}), which has {} loaded", model.name), None);
            return Ok(session.id);
        }
        print_error(&format!("loaded by the server (pid {pid}), for this answer only"), None);
    }
    tell(model, &settings, arguments);
    let force = if arguments.force { Force::All } else { Force::No };
    let what = What::StartSession { model: model.id.clone(), settings: Box::new(settings), force };
    let session = session(app.command(what).await?)?;
    *own = Some(session);
    Ok(session)
}

#[expect(clippy::too_many_lines, reason = "one loop, whose branches share what it holds")]
async fn answer(
    arguments: &Run,
    model: Arc<Model>,
    app: &mut Front,
    own: &mut Option<SessionId>,
) -> Result<Exit, Failure> {
    let prompt = prompt(arguments, app.state().domain.settings.chat.system.as_ref())?;
    let mut form = form(arguments)?;
    if model.embeds_only() {
        return Err(Failure::new(Exit::Failed, format!("{} {EMBEDS_ONLY}", model.name)).or_hint(Some(EMBED_HINT)));
    }
    let model = super::force::admit(&model, arguments.force, app.state().domain.now.unix)?;
    tell_of_form(form.as_ref());
    app.prepare(vec![Arc::clone(&model)]).await;
    let session = session_for(arguments, &model, app, own).await?;

    let mut printer = Printer::new(arguments.json);
    let mut prompt = Some(prompt);
    let mut request = None;
    let mut interrupted = false;
    let mut gives_up = None;
    loop {
        let mut outcome = Ok(());
        let hear = |event: &Event| {
            if let Event::Worker(_, WorkerEvent::Message(Said::Text { id, pieces, .. })) = event
                && request == Some(RequestId(*id))
            {
                outcome = pieces.iter().try_for_each(|piece| printer.piece(piece));
            }
        };
        tokio::select! {
            advanced = app.advance(hear) => advanced.map_err(|reason| Failure::new(Exit::Failed, reason))?,
            () = until(gives_up) => {
                // The session did not react to the cancel, so it would not react to a stop either.
                app.kill(session);
                let written = printer.end();
                print_error(&"the worker did not cancel the answer in time and was killed", None);
                return Ok(ended(written, Exit::Interrupted));
            }
            _ = tokio::signal::ctrl_c() => {
                // The first interrupt cancels the answer and still prints its figures; the second one exits at once.
                if interrupted || prompt.is_some() {
                    return Ok(Exit::Interrupted);
                }
                interrupted = true;
                gives_up = Some(Instant::now() + CANCEL_WAIT);
                if let Some(request) = request {
                    app.command(What::CancelRequest(request)).await?;
                }
                continue;
            }
        }
        if let Err(error) = outcome {
            return Ok(ended(Err(error), Exit::Done));
        }
        let Some(now) = app.state().domain.session(session) else {
            return Err(Failure::new(Exit::Failed, "the session no longer exists".to_owned()));
        };
        match &now.phase {
            Phase::Failed { reason, hint } => {
                let _ = printer.end();
                return Err(Failure::new(Exit::Failed, with_log(reason, &now.log)).or_hint(hint.as_deref()));
            }
            Phase::Loading { fraction } => match now.waiting_job() {
                Some(job) => printer.pending(&pending(job)),
                None => printer.loading(*fraction),
            },
            Phase::Ready => {
                if let Some(prompt) = prompt.take() {
                    printer.waiting("reading the prompt");
                    if matches!(prompt, Prompt::Chat(_)) && now.lacks_template() {
                        print_error(&format!("{} {NO_TEMPLATE}", now.name), None);
                    }
                    told_of_loaded(now);
                    let (form, stop) = (form.take(), arguments.stop.clone());
                    let what = What::Generate { session, prompt, form, stop, options: None, record: true };
                    if let Value::Request(id) = app.command(what).await? {
                        request = Some(id);
                    }
                    continue;
                }
            }
            _ => {}
        }
        let Some(answer) = request.and_then(|id| now.request(id)).filter(|answer| !answer.is_open()) else { continue };
        if awaits_energy(&app.state().domain, now, answer) {
            // The answer is complete, so end its line before waiting.
            if let Err(error) = printer.end() {
                return Ok(ended(Err(error), Exit::Done));
            }
            continue;
        }
        return finish(arguments, &mut printer, &app.state().domain, (now, answer), interrupted);
    }
}

/// Wait for an instant; forever if it is `None`.
pub(super) async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Whether the last part of the answer is still to be metered by a tick that is due soon.
fn awaits_energy(domain: &Domain, session: &Session, answer: &Request) -> bool {
    let is_metered = domain.sample_on(session.machine()).is_some_and(|sample| sample.total_power().is_some());
    is_metered && !answer.figures.is_settled && domain.settings.telemetry.interval <= LONGEST_WAIT
}

fn finish(
    arguments: &Run,
    printer: &mut Printer,
    domain: &Domain,
    (session, answer): (&Session, &Request),
    interrupted: bool,
) -> Result<Exit, Failure> {
    let energy = &domain.settings.energy;
    let mut written = printer.end();
    if let Some(End::Failed { reason, hint }) = &answer.answer.end {
        return Err(Failure::new(Exit::Failed, reason.as_str()).or_hint(hint.as_deref()));
    }
    if arguments.json && written.is_ok() {
        let mut out = io::stdout().lock();
        written = crate::json::write(&mut out, &report::document(domain, session, answer)).and_then(|()| out.flush());
    }
    let _ = writeln!(io::stderr(), "{}", report::line(session, answer, energy));
    if let Some(misplaced) = misplaced(domain, session) {
        print_error(&format!("{} {}", session.name, misplaced.reason()), None);
    }
    // llama.cpp's converter reports omitted schema features only in its log.
    for line in session.log.iter().filter(|line| line.contains("conversion was incomplete")) {
        let _ = writeln!(io::stderr(), "llama.cpp: {line}");
    }
    if let Some(why) = why_empty(answer) {
        print_error(&why, None);
    }
    let breach = breach(answer);
    if let Some(breach) = &breach {
        let cut = if finished_early(answer) { " (it was cut off)" } else { "" };
        print_error(&format!("the answer breaks its JSON schema{cut}: {breach}"), None);
    }
    let exit = match (interrupted, breach) {
        (true, _) => Exit::Interrupted,
        (false, Some(_)) => Exit::Failed,
        (false, None) => Exit::Done,
    };
    Ok(ended(written, exit))
}

/// Whether the last answer was cut off before the model finished.
fn finished_early(answer: &Request) -> bool {
    matches!(answer.answer.end, Some(End::Finished(Finish::Length | Finish::ContextFull | Finish::Cancelled)))
}

/// Print notes about surprising settings before anything is loaded.
fn tell(model: &Model, settings: &SessionSettings, arguments: &Run) {
    if let Some(shortened) = admission::shortened(model, settings) {
        print_error(&shortened, None);
    }
    for line in preset::lines(model, settings, arguments.system.is_none() && !arguments.raw, arguments.stop.is_empty())
    {
        print_error(&line, None);
    }
}

/// Print which parts of the requested form are checked only after the answer.
fn tell_of_form(form: Option<&Form>) {
    let loose = form.and_then(Form::schema).map(|schema| schema.loose.as_slice()).unwrap_or_default();
    if !loose.is_empty() {
        print_error(
            &format!("not enforced while the answer is written, but checked afterwards: {}", some(loose)),
            None,
        );
    }
}

/// Print notes that are known only after the model is loaded.
fn told_of_loaded(session: &Session) {
    let has_own = session.model.card.as_deref().is_some_and(|card| card.template.is_some());
    if has_own && session.loaded.as_ref().is_some_and(|loaded| !loaded.has_template) {
        let text = "the model's file has no chat template, and its store's own (Go) is not read here: the prompt goes as it is";
        print_error(&text, None);
    }
}

/// The first few items of a long list.
pub(super) fn some(all: &[String]) -> String {
    const MANY: usize = 8;
    let more = all.len().saturating_sub(MANY);
    let shown = all.iter().take(MANY).map(|text| gguf::clean(text, 120)).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// The id of the session that a command created.
pub(super) fn session(value: Value) -> Result<SessionId, Failure> {
    match value {
        Value::Session(id) => Ok(id),
        _ => Err(Failure::new(Exit::Failed, "nothing was started".to_owned())),
    }
}

/// The prompt to continue from.
fn prompt(arguments: &Run, usual: Option<&String>) -> Result<Prompt, Failure> {
    if let Some(file) = &arguments.messages {
        return messages::read(file);
    }
    let words = (!arguments.words.is_empty()).then(|| arguments.words.join(" "));
    let text = prompt_text(arguments.prompt.as_deref().or(words.as_deref()), arguments.raw)?;
    if arguments.raw {
        return Ok(Prompt::Raw(text));
    }
    let system = arguments.system.as_ref().or(usual).map(|text| Message::new(Role::System, text));
    Ok(system.into_iter().chain([Message::new(Role::User, text)]).collect())
}

/// The required form of the answer.
fn form(arguments: &Run) -> Result<Option<Form>, Failure> {
    match (&arguments.grammar, &arguments.json_schema) {
        (Some(file), _) => read_text(file, MAX_GRAMMAR).map(|text| Some(Form::Gbnf(text))),
        (None, Some(file)) => {
            let schema = Schema::parse(&read_text(file, MAX_GRAMMAR)?);
            let schema =
                schema.map_err(|problem| Failure::new(Exit::Usage, format!("{}: {problem}", file.display())))?;
            Ok(Some(Form::Schema(Arc::new(schema))))
        }
        (None, None) => Ok(None),
    }
}

/// The given prompt text, or else standard input. With `raw`, standard input is used to its last byte.
pub(super) fn prompt_text(given: Option<&str>, raw: bool) -> Result<String, Failure> {
    let text = match given {
        Some(text) if text != "-" => text.to_owned(),
        _ => read_prompt(raw)?,
    };
    if text.is_empty() || (!raw && text.trim().is_empty()) {
        return Err(Failure::new(Exit::Usage, "the prompt is empty").with_hint(
            "write one behind the model, as in `taffrail run MODEL \"Why is the sky blue?\"`, or on standard input",
        ));
    }
    Ok(text)
}

fn read_prompt(raw: bool) -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "type the prompt, then Ctrl-D:");
    }
    let fail = |reason: String| Failure::new(Exit::Usage, format!("the prompt can't be read: {reason}"));
    let bytes = read_input().map_err(|error| fail(error.to_string()))?;
    let text = if raw { text::exact(bytes) } else { text::decode(bytes).map(|text| text::as_prompt(&text)) };
    text.map_err(|error| fail(error.to_string()))
}

/// Prints the answer as it is generated.
#[expect(clippy::struct_excessive_bools, reason = "three are facts about the streams, one is where the line stands")]
pub(super) struct Printer {
    quiet: bool,
    to_terminal: bool,
    tell_progress: bool,
    /// The channel of the last piece, to separate reasoning from the answer.
    channel: Option<Channel>,
    ends_line: bool,
    told: Option<u32>,
    told_of_job: String,
    /// The progress line that is shown until output starts.
    progress: Option<Progress>,
}

impl Printer {
    pub(super) fn new(quiet: bool) -> Self {
        let tell_progress = io::stderr().is_terminal();
        Self {
            quiet,
            to_terminal: io::stdout().is_terminal(),
            tell_progress,
            channel: None,
            ends_line: true,
            told: None,
            told_of_job: String::new(),
            progress: None,
        }
    }

    pub(super) fn loading(&mut self, fraction: f32) {
        let percent = (fraction * 100.0) as u32;
        if self.told != Some(percent) {
            self.progress("loading").tell(format!("loading {percent:>3}%"));
            self.told = Some(percent);
        }
    }

    /// The job is queued.
    pub(super) fn pending(&mut self, line: &str) {
        // Repeated messages are printed once.
        if self.told_of_job != line {
            line.clone_into(&mut self.told_of_job);
            self.progress(line).tell(line);
            self.told = None;
        }
    }

    /// The model is loaded. The next output is the progress of the prompt, or the answer.
    pub(super) fn loaded(&mut self) {
        self.progress = None;
    }

    /// Show a progress message until output starts.
    pub(super) fn waiting(&mut self, what: &str) {
        if self.channel.is_none() {
            self.progress(what).tell(what);
        }
    }

    fn progress(&mut self, what: &str) -> &Progress {
        self.progress.get_or_insert_with(|| Progress::begin(what))
    }

    pub(super) fn piece(&mut self, piece: &wire::Piece) -> io::Result<()> {
        if self.quiet {
            self.progress("answering").tell("answering");
            return Ok(());
        }
        if piece.text.is_empty() {
            return Ok(());
        }
        self.progress = None;
        if self.channel != Some(piece.channel) {
            self.leave()?;
        }
        self.channel = Some(piece.channel);
        match piece.channel {
            Channel::Answer => {
                let mut out = io::stdout().lock();
                // A file or a pipe gets the unmodified output of the model; for a terminal, control sequences are
                // removed.
                if self.to_terminal {
                    out.write_all(report::harmless(&piece.text).as_bytes())?;
                } else {
                    out.write_all(piece.text.as_bytes())?;
                }
                out.flush()?;
            }
            Channel::Reasoning if self.tell_progress => {
                let _ = write!(io::stderr(), "\x1b[2m{}\x1b[22m", report::harmless(&piece.text));
            }
            Channel::Reasoning => return Ok(()),
        }
        self.ends_line = piece.text.ends_with('\n');
        Ok(())
    }

    /// End the current channel before the other one begins.
    fn leave(&mut self) -> io::Result<()> {
        if self.channel == Some(Channel::Reasoning) && self.tell_progress && !self.ends_line {
            writeln!(io::stderr())?;
            self.ends_line = true;
        }
        Ok(())
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        self.progress = None;
        if self.channel == Some(Channel::Answer) && !self.ends_line {
            writeln!(io::stdout())?;
        }
        self.leave()?;
        self.channel = None;
        Ok(())
    }
}
