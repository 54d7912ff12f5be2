//! `taffrail chat`: a conversation in plain lines, with commands as Ollama's users know them.
//!
//! Answers go to standard output as they come; the rest to standard error. A server that runs answers, as it does for
//! `taffrail run`. The conversation is kept like any other: `taffrail chats` and the dashboard have it.

mod command;
mod help;
mod reader;
mod talk;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use wire::{Event as Said, Prompt, Role};

use self::command::{Kind, Line, QUOTES, Slash};
use self::help::{HELP, HELP_KEYS, HELP_SHOW, help_set};
use self::reader::{Read, Reader};
use self::talk::Talk;
use super::failure::{Failure, exit_of, print_error};
use super::run::{Printer, pending, report};
use super::{Exit, SessionOptions};
use crate::app::front::Front;
use crate::app::history;
use domain::Event;
use domain::command::{Force, Value, What};
use domain::conversation::{Conversation, ConversationKey};
use domain::event::WorkerEvent;
use domain::model::Model;
use domain::record::run_record::why_empty;
use domain::request::RequestId;
use domain::session::{ContextUse, End, NO_TEMPLATE, Phase, Session, SessionId};
use domain::settings::{ChatSettings, ContextFull, InEffect, SESSION_FIELDS, SessionSettings, in_effect};
use domain::units::{counted, or_dash};

/// How long a cancelled answer may take to end before its worker is killed.
const CANCEL_WAIT: Duration = Duration::from_secs(2);

/// The longest text of several lines, in bytes: as much as a prompt on standard input.
const MAX_TEXT: usize = 32 << 20;

/// Conversations that `/list` shows.
const LISTED: usize = 20;

/// Talk with a model.
#[derive(Debug, Args)]
pub struct Chat {
    /// A name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    pub model: String,
    /// The system prompt; an empty one leaves out that of the model's store
    #[arg(long)]
    system: Option<String>,
    /// Go on with this conversation: its number or its name, as `taffrail chats` lists them
    #[arg(long, value_name = "CONVERSATION")]
    load: Option<String>,
    /// Start although the model would not fit in memory, or the check of its file refuses it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    session: SessionOptions,
}

/// Run the command.
pub async fn run(arguments: &Chat, model: Arc<Model>, app: &mut Front) -> Exit {
    let mut own = None;
    let exit = exit_of(begin(arguments, model, app, &mut own).await);
    // A server goes on, and has no use for what was loaded for this chat.
    if let Some(session) = own.filter(|_| app.server().is_some()) {
        let _ = app.command(What::StopSession(session)).await;
    }
    exit
}

async fn begin(
    arguments: &Chat,
    model: Arc<Model>,
    app: &mut Front,
    own: &mut Option<SessionId>,
) -> Result<Exit, Failure> {
    let model = super::force::admit(&model, arguments.force, app.state().domain.now.unix)?;
    app.prepare(vec![Arc::clone(&model)]).await;
    let domain = &app.state().domain;
    let mut chat = domain.settings.chat.clone();
    if let Some(system) = &arguments.system {
        chat.system = Some(system.clone());
    }
    let settings = arguments.session.over(domain.settings.session);
    let (key, now_ms) = (new_key(app), now_ms(app));
    let mut talk = Talk::new(key, chat, settings, now_ms);
    if let Some(name) = &arguments.load {
        talk.load(find_conversation(name)?);
    }
    let session = session_for(arguments, &model, settings, app, own).await?;
    let reader = Reader::start().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let mut chat = Running { app, model, session, is_own: own.is_some(), talk, reader, is_verbose: false };
    chat.until_ready().await?;
    chat.greet();
    chat.lines().await
}

/// The session that answers: one that a server has loaded, where no other settings are asked for, or a new one, which is put
/// into `own`.
async fn session_for(
    arguments: &Chat,
    model: &Arc<Model>,
    settings: SessionSettings,
    app: &mut Front,
    own: &mut Option<SessionId>,
) -> Result<SessionId, Failure> {
    if let Some(pid) = app.server() {
        let mut sessions = app.state().domain.sessions.iter();
        let loaded = sessions.find(|session| session.model.id == model.id && session.phase == Phase::Ready);
        let reloads = arguments.session.names().any(|name| in_effect(name) == InEffect::Reload);
        if let Some(session) = loaded.filter(|_| !reloads) {
            print_error(&format!("answered by the server (pid {pid}), which has {} loaded", model.name), None);
            return Ok(session.id);
        }
        print_error(&format!("loaded by the server (pid {pid}), for this chat only"), None);
    }
    let force = if arguments.force { Force::All } else { Force::No };
    let what = What::StartSession { model: model.id.clone(), settings: Box::new(settings), force };
    let session = super::run::session(app.command(what).await?)?;
    *own = Some(session);
    Ok(session)
}

/// A conversation that was kept, by its number or its name.
fn find_conversation(name: &str) -> Result<Conversation, Failure> {
    let failed =
        |error: history::HistoryError| Failure::new(Exit::Failed, error.to_string()).or_hint(error.hint().as_deref());
    let missing = || {
        Failure::new(Exit::NotFound, format!("there is no conversation `{}`", gguf::clean(name, 80)))
            .with_hint("`taffrail chats` lists them")
    };
    let mut history = history::open_existing().map_err(failed)?.ok_or_else(missing)?;
    super::chats::find(&mut history, name).map_err(failed)?.ok_or_else(missing)
}

fn now_ms(app: &Front) -> i64 {
    app.state().domain.now.unix.saturating_mul(1000)
}

fn new_key(app: &Front) -> ConversationKey {
    ConversationKey::new(app.state().domain.now, u64::from(std::process::id()))
}

/// A chat that runs.
struct Running<'a> {
    app: &'a mut Front,
    model: Arc<Model>,
    session: SessionId,
    is_own: bool,
    talk: Talk,
    reader: Reader,
    is_verbose: bool,
}

/// What comes of a line.
enum Next {
    Line,
    End,
}

impl Running<'_> {
    fn session(&self) -> Result<&Session, Failure> {
        let session = self.app.state().domain.session(self.session);
        session.ok_or_else(|| Failure::new(Exit::Failed, "the session no longer exists"))
    }

    /// Wait until the model is loaded.
    async fn until_ready(&mut self) -> Result<(), Failure> {
        let mut printer = Printer::new(false);
        loop {
            let session = self.session()?;
            match &session.phase {
                Phase::Ready => break,
                Phase::Failed { reason, hint } => {
                    return Err(Failure::new(Exit::Failed, reason.as_str()).or_hint(hint.as_deref()));
                }
                Phase::Loading { fraction } => match session.waiting_job() {
                    Some(job) => printer.pending(&pending(session, job, self.app.state().domain.now)),
                    None => printer.loading(*fraction),
                },
                _ => {}
            }
            tokio::select! {
                advanced = self.app.advance(|_| {}) => advanced.map_err(|reason| Failure::new(Exit::Failed, reason))?,
                _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, "interrupted")),
            }
        }
        printer.loaded();
        let session = self.session()?;
        if session.lacks_template() {
            print_error(&format!("{} {NO_TEMPLATE}", session.name), None);
        }
        Ok(())
    }

    fn greet(&self) {
        tell(&format!("{}: type a prompt, or /? for help; Ctrl-D or /bye ends", self.model.name));
        if !self.talk.turns.is_empty() {
            self.show_messages();
        }
    }

    async fn lines(&mut self) -> Result<Exit, Failure> {
        loop {
            let line = match self.read(">>> ").await? {
                Read::Line(line) => line,
                Read::Interrupted => {
                    tell("Ctrl-D or /bye ends");
                    continue;
                }
                Read::End => return Ok(Exit::Done),
                Read::Failed(reason) => return Err(Failure::new(Exit::Failed, reason)),
            };
            let next = match command::read(&line) {
                Line::Empty => Next::Line,
                Line::Prompt(text) => self.send(text).await?,
                Line::Begin(kind, first) => match self.rest(first).await? {
                    Some(text) if kind == Kind::Prompt => self.send(text).await?,
                    Some(text) => self.command(Slash::SetSystem(text)).await?,
                    None => Next::Line,
                },
                Line::Command(command) => self.command(command).await?,
            };
            if matches!(next, Next::End) {
                return Ok(Exit::Done);
            }
        }
    }

    /// Read a line, while the program goes on.
    async fn read(&mut self, prompt: &str) -> Result<Read, Failure> {
        self.reader.ask(prompt);
        loop {
            tokio::select! {
                line = self.reader.line() => return Ok(line),
                advanced = self.app.advance(|_| {}) => advanced.map_err(|reason| Failure::new(Exit::Failed, reason))?,
            }
        }
    }

    /// The rest of a text of several lines; `None` where it was given up.
    async fn rest(&mut self, first: String) -> Result<Option<String>, Failure> {
        let mut text = first;
        loop {
            let Read::Line(line) = self.read("... ").await? else { return Ok(None) };
            if !text.is_empty() {
                text.push('\n');
            }
            if let Some((last, _)) = line.split_once(QUOTES) {
                text.push_str(last);
                return Ok(Some(text.trim_end_matches('\n').to_owned()));
            }
            text.push_str(&line);
            if text.len() > MAX_TEXT {
                print_error(&format!("the text is longer than {} MiB", MAX_TEXT >> 20), None);
                return Ok(None);
            }
        }
    }

    /// Send a prompt, and print its answer.
    async fn send(&mut self, text: String) -> Result<Next, Failure> {
        if text.trim().is_empty() {
            return Ok(Next::Line);
        }
        self.talk.turns.push(domain::session::Turn::new(Role::User, text));
        self.answer().await
    }

    /// Have the last prompt answered. One that does not fit is asked again with less before it, as is set.
    async fn answer(&mut self) -> Result<Next, Failure> {
        loop {
            let n_dropped = self.talk.n_dropped;
            let Some(id) = self.ask().await? else { return Ok(Next::Line) };
            let request = self.session()?.request(id).cloned();
            let Some(request) = request else {
                return Err(Failure::new(Exit::Failed, "the answer was lost"));
            };
            if request.is_too_long && request.answer.is_empty() {
                if self.talk.drop_oldest() {
                    if n_dropped == 0 {
                        tell("(the context is full: the oldest turns are no longer sent to the model)");
                    }
                    continue;
                }
                self.talk.take_back(true);
                let hint = if self.talk.settings.context_full == ContextFull::Stop && !self.talk.turns.is_empty() {
                    "/clear begins a new chat, /set parameter context_full drop_oldest leaves out the oldest turns"
                } else {
                    "shorten it, or start with a longer --context"
                };
                print_error(&"the prompt does not fit the context, and was not sent", Some(hint));
                return Ok(Next::Line);
            }
            self.talk.answered(&request);
            if let Some(End::Failed { reason, hint }) = &request.answer.end {
                print_error(reason, hint.as_deref());
            } else if let Some(why) = why_empty(&request) {
                print_error(&why, None);
            }
            if self.is_verbose {
                let line = report::line(self.session()?, &request, &self.app.state().domain.settings.energy);
                tell(&line);
            }
            let n_past = request.figures.counters.n_past;
            self.tell_room(n_past)?;
            self.keep().await;
            return Ok(Next::Line);
        }
    }

    /// Say how much of the context is left, before it is too late.
    fn tell_room(&self, used: u32) -> Result<(), Failure> {
        let taken = ContextUse { used, total: self.session()?.n_ctx() };
        if used > 0 && taken.is_low() {
            let then = match self.talk.settings.context_full {
                ContextFull::DropOldest => "then the oldest turns are dropped",
                ContextFull::Shift => "then the oldest part is dropped",
                ContextFull::Stop => "then no prompt fits any more",
            };
            let left = taken.left();
            tell(&format!(
                "({left} of {} tokens of the context left, {then}; /set parameter context_full changes that)",
                taken.total
            ));
        }
        Ok(())
    }

    /// Ask for an answer, and print it as it comes; `None` where it could not be asked for.
    async fn ask(&mut self) -> Result<Option<RequestId>, Failure> {
        let options = Some(Box::new(self.talk.options(self.session()?.n_ctx())));
        let (session, stop) = (self.session, self.talk.stop.clone());
        let prompt = Prompt::Chat(self.talk.told());
        let what = What::Generate { session, prompt, form: None, stop, options, record: true };
        let id = match self.app.command(what).await {
            Ok(Value::Request(id)) => id,
            Ok(_) => return Err(Failure::new(Exit::Failed, "nothing was asked")),
            Err(refused) => {
                self.talk.take_back(true);
                print_error(&refused, refused.hint.as_deref());
                return Ok(None);
            }
        };
        let mut printer = Printer::new(false);
        let mut gives_up = None;
        loop {
            let mut outcome = Ok(());
            let hear = |event: &Event| {
                if let Event::Worker(_, WorkerEvent::Message(Said::Text { id: of, pieces, .. })) = event
                    && *of == id.0
                {
                    outcome = pieces.iter().try_for_each(|piece| printer.piece(piece));
                }
            };
            tokio::select! {
                advanced = self.app.advance(hear) => advanced.map_err(|reason| Failure::new(Exit::Failed, reason))?,
                () = super::run::until(gives_up) => {
                    self.app.kill(self.session);
                    gives_up = None;
                }
                _ = tokio::signal::ctrl_c() => {
                    if gives_up.is_none() {
                        gives_up = Some(Instant::now() + CANCEL_WAIT);
                    }
                    self.app.command(What::CancelRequest(id)).await?;
                    continue;
                }
            }
            // Whoever reads has gone.
            outcome.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
            let Some(session) = self.app.state().domain.session(self.session) else {
                return Err(Failure::new(Exit::Failed, "the session no longer exists"));
            };
            let is_over = session.request(id).is_none_or(|request| !request.is_open());
            if is_over {
                printer.end().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
                return Ok(Some(id));
            }
        }
    }

    /// Keep the conversation as it stands.
    async fn keep(&mut self) {
        let energy = &self.app.state().domain.settings.energy;
        let kept = self.talk.kept(&self.model, energy, now_ms(self.app));
        if let Err(refused) = self.app.command(What::SaveConversation(Box::new(kept))).await {
            print_error(&format!("the conversation is not kept: {refused}"), None);
        }
    }

    async fn command(&mut self, command: Slash) -> Result<Next, Failure> {
        match command {
            Slash::Bye => return Ok(Next::End),
            Slash::Wrong(reason) => print_error(&reason, None),
            Slash::Help => tell(HELP),
            Slash::HelpSet => tell(&help_set()),
            Slash::HelpShow => tell(HELP_SHOW),
            Slash::HelpKeys => tell(HELP_KEYS),
            Slash::SetVerbose(is_verbose) => self.is_verbose = is_verbose,
            Slash::SetReasoning(reasons) => self.talk.chat.reasoning = Some(reasons),
            Slash::SetSystem(text) => {
                tell(if text.is_empty() { "no system prompt" } else { "set system prompt" });
                self.talk.chat.system = Some(text);
            }
            Slash::SetStop(stop) => self.talk.stop = stop,
            Slash::SetParameter(name, value) => self.set(&name, &value).await?,
            Slash::ShowInfo => self.show_info()?,
            Slash::ShowParameters => self.show_parameters(),
            Slash::ShowSystem => {
                let own = self.talk.chat.system.as_deref().or_else(|| self.model.system());
                tell(
                    &own.filter(|text| !text.is_empty())
                        .map_or_else(|| "no system prompt".to_owned(), report::harmless),
                );
            }
            Slash::ShowMessages => self.show_messages(),
            Slash::Clear => {
                self.talk.clear(new_key(self.app), now_ms(self.app));
                tell("a new chat begins; the one before is kept");
            }
            Slash::Again => match self.talk.take_back(false) {
                Some(_) => return self.answer().await,
                None => print_error(&"nothing was said yet", None),
            },
            Slash::Undo => match self.talk.take_back(true) {
                Some(prompt) => {
                    tell(&format!("deleted: {}", domain::record::run_record::title(&prompt)));
                    self.keep().await;
                }
                None => print_error(&"nothing was said yet", None),
            },
            Slash::Save(name) => self.save(&name).await,
            Slash::Load(name) => self.load(&name),
            Slash::List => list(),
        }
        Ok(Next::Line)
    }

    async fn save(&mut self, name: &str) {
        if self.talk.turns.is_empty() {
            return print_error(&"nothing was said yet", None);
        }
        self.talk.name = Some(gguf::clean(name.trim(), Conversation::MAX_NAME));
        self.keep().await;
        tell(&format!("saved as {}; /load {} goes on with it", gguf::clean(name, 80), gguf::clean(name, 80)));
    }

    fn load(&mut self, name: &str) {
        match find_conversation(name) {
            Ok(kept) => {
                let other = kept.model.id.as_deref().is_some_and(|id| id != self.model.id);
                let answered_by = kept.model.name.clone().unwrap_or_default();
                self.talk.load(kept);
                self.show_messages();
                if other {
                    let by = gguf::clean(&answered_by, 80);
                    tell(&format!("({by} answered it so far; {} goes on with it)", self.model.name));
                }
            }
            Err(failure) => {
                let _ = failure.print();
            }
        }
    }

    /// Change a setting: at once where that can be, and what needs the model to be loaded again is asked about.
    async fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let mut settings = self.talk.settings;
        let set = if ChatSettings::has(name) { self.talk.chat.set(name, value) } else { settings.set(name, value) };
        if let Err(error) = set {
            print_error(&format!("{name} {error}"), None);
            return Ok(());
        }
        if in_effect(name) != InEffect::Reload {
            self.talk.settings = settings;
            if in_effect(name) == InEffect::Now && self.is_own {
                let (session, name, value) = (self.session, name.to_owned(), value.to_owned());
                self.app.command(What::SetSession { session, name, value }).await?;
            }
            tell(&format!("set {name} to {}", gguf::clean(value, 80)));
            return Ok(());
        }
        if !self.is_own {
            let option = name.replace('_', "-");
            let hint = format!(
                "`taffrail chat {} --{option} {}` loads it for itself",
                self.model.name,
                gguf::clean(value, 40)
            );
            print_error(
                &format!("{name} needs the model to be loaded again, and this one is the server's"),
                Some(&hint),
            );
            return Ok(());
        }
        let question = format!("{name} needs the model to be loaded again; the conversation stays. Reload? [y/N] ");
        let Read::Line(answer) = self.read(&question).await? else { return Ok(()) };
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        self.talk.settings = settings;
        let (session, name, value) = (self.session, name.to_owned(), value.to_owned());
        self.app.command(What::SetSession { session, name, value }).await?;
        self.app.command(What::RestartSession(session)).await?;
        self.until_ready().await
    }

    fn show_info(&self) -> Result<(), Failure> {
        let session = self.session()?;
        let mut text = format!("  model       {}\n", self.model.name);
        if let Some(quant) = self.model.quant() {
            let _ = writeln!(text, "  quant       {}", gguf::clean(quant, 40));
        }
        let context = session.known_context().map(|n_ctx| format!("{n_ctx} tokens"));
        let _ = writeln!(text, "  context     {}", or_dash(context));
        let _ = writeln!(text, "  engine      {}", gguf::clean(&session.engine, 120));
        if let Some(memory) = session.engine_memory() {
            let _ = writeln!(text, "  memory      {memory}");
        }
        let _ = write!(text, "  `taffrail show {}` shows all of it", self.model.name);
        tell(&text);
        Ok(())
    }

    fn show_parameters(&self) {
        let mut text = String::new();
        for field in SESSION_FIELDS {
            let value = self.talk.settings.get(field.name).unwrap_or_default();
            let _ = writeln!(text, "  {:<18}{value}", field.name);
        }
        if !self.talk.stop.is_empty() {
            let stop: Vec<String> = self.talk.stop.iter().map(|stop| format!("{stop:?}")).collect();
            let _ = writeln!(text, "  {:<18}{}", "stop", stop.join(" "));
        }
        tell(text.trim_end());
    }

    fn show_messages(&self) {
        let mut text = String::new();
        for turn in &self.talk.turns {
            let said = report::harmless(turn.text.trim());
            match turn.role {
                Role::User => {
                    let _ = writeln!(text, ">>> {said}");
                }
                _ => {
                    let _ = writeln!(text, "{said}\n");
                }
            }
        }
        let n_prompts = self.talk.turns.iter().filter(|turn| turn.role == Role::User).count();
        tell(text.trim_end());
        tell(&format!("({} so far)", counted(n_prompts, "prompt")));
    }
}

/// The conversations that were written to last.
fn list() {
    let entries = history::open_existing()
        .map(|history| history.map_or_else(|| Ok(Vec::new()), |mut history| history.conversations(&[], LISTED)));
    match entries.and_then(|entries| entries) {
        Ok(entries) if entries.is_empty() => tell("no conversation is kept yet"),
        Ok(entries) => {
            for entry in entries {
                tell(&format!(
                    "{:>5}  {}  ({})",
                    entry.number,
                    gguf::clean(entry.label(), 60),
                    gguf::clean(&entry.model_name, 40)
                ));
            }
        }
        Err(error) => print_error(&error, error.hint().as_deref()),
    }
}

/// Say something that is no part of an answer.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
