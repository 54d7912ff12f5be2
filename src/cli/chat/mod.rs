//! `taffrail chat`: a conversation in plain lines, with commands as Ollama's users know them.
//!
//! Answers go to standard output as they come; the rest to standard error. A server that runs answers, as it does for
//! `taffrail run`. The conversation is kept like any other: `taffrail chats` and the dashboard have it.

mod command;
mod help;
mod perform;
mod reader;
mod talk;
mod wrap;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use wire::{Channel, Event as Said, Piece, Prompt, Role};

use self::command::{Kind, Line, Slash};
use self::reader::{Read, Reader, TypeAhead};
use self::talk::Talk;
use self::wrap::Wrap;
use super::failure::{Failure, exit_of, print_error};
use super::run::{Printer, pending, report};
use super::{Exit, SessionOptions, Talks};
use crate::app::front::Front;
use crate::app::{external_editor, history};
use domain::Event;
use domain::command::{Force, Value, What};
use domain::conversation::{Conversation, ConversationKey};
use domain::event::WorkerEvent;
use domain::model::Model;
use domain::record::run_record::why_empty;
use domain::request::RequestId;
use domain::session::{ContextUse, End, NO_TEMPLATE, Phase, Session, SessionId};
use domain::settings::{ContextFull, InEffect, SessionSettings, in_effect};

/// How long a cancelled answer may take to end before its worker is killed.
const CANCEL_WAIT: Duration = Duration::from_secs(2);

/// The longest text of several lines, in bytes: as much as a prompt on standard input.
const MAX_TEXT: usize = 32 << 20;

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
    session: SessionOptions<Talks>,
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
    let session = session_for((&model, settings), (&arguments.session, arguments.force), app, own).await?;
    let reader = Reader::start().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let mut chat = Running {
        app,
        model,
        session,
        own,
        options: &arguments.session,
        talk,
        reader,
        is_verbose: false,
        wraps: io::stdout().is_terminal(),
    };
    chat.until_ready().await?;
    chat.greet();
    chat.lines().await
}

/// The session that answers: one that a server has loaded, where no other settings are asked for, or a new one, which is put
/// into `own`.
async fn session_for(
    (model, settings): (&Arc<Model>, SessionSettings),
    (options, force): (&SessionOptions<Talks>, bool),
    app: &mut Front,
    own: &mut Option<SessionId>,
) -> Result<SessionId, Failure> {
    if let Some(pid) = app.server() {
        let mut sessions = app.state().domain.sessions.iter();
        let loaded = sessions.find(|session| session.model.id == model.id && session.phase == Phase::Ready);
        let reloads = options.names().any(|name| in_effect(name) == InEffect::Reload);
        if let Some(session) = loaded.filter(|_| !reloads) {
            print_error(&format!("answered by the server (pid {pid}), which has {} loaded", model.name), None);
            return Ok(session.id);
        }
        print_error(&format!("loaded by the server (pid {pid}), for this chat only"), None);
    }
    let force = if force { Force::All } else { Force::No };
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
    /// The session, where it was started for this chat.
    own: &'a mut Option<SessionId>,
    options: &'a SessionOptions<Talks>,
    talk: Talk,
    reader: Reader,
    is_verbose: bool,
    /// Whether lines break between words.
    wraps: bool,
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
        let _ahead = TypeAhead::begin();
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
                Read::Edit(_) | Read::End => return Ok(Exit::Done),
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

    /// Read a line, while the program goes on. With Ctrl-G it goes to the user's own editor, and comes back to be sent.
    async fn read(&mut self, prompt: &str) -> Result<Read, Failure> {
        let mut text = String::new();
        loop {
            self.reader.ask(prompt, &text);
            let read = loop {
                tokio::select! {
                    line = self.reader.line() => break line,
                    advanced = self.app.advance(|_| {}) => advanced.map_err(|reason| Failure::new(Exit::Failed, reason))?,
                }
            };
            match read {
                Read::Edit(line) => text = self.edited(line).await?,
                read => return Ok(read),
            }
        }
    }

    /// Have a line written in the user's own editor, while the program goes on.
    async fn edited(&mut self, line: String) -> Result<String, Failure> {
        let mut editing = match external_editor::begin(&line) {
            Ok(editing) => editing,
            Err(error) => {
                print_error(&error, None);
                return Ok(line);
            }
        };
        loop {
            tokio::select! {
                ended = editing.wait() => {
                    return Ok(ended.unwrap_or_else(|error| {
                        print_error(&error, None);
                        None
                    }).unwrap_or(line));
                }
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
            if let Some(last) = command::closed(&line) {
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
        let (session, stop, form) = (self.session, self.talk.stop.clone(), self.talk.form());
        let prompt = Prompt::Chat(self.talk.told());
        let what = What::Generate { session, prompt, form, stop, options, record: true };
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
        printer.waiting("reading the prompt");
        let mut wrap = crate::app::terminal_width().filter(|_| self.wraps).map(Wrap::new);
        let mut gives_up = None;
        let _ahead = TypeAhead::begin();
        loop {
            let mut outcome = Ok(());
            let hear = |event: &Event| {
                if let Event::Worker(_, WorkerEvent::Message(Said::Text { id: of, pieces, .. })) = event
                    && *of == id.0
                {
                    outcome = pieces.iter().try_for_each(|piece| print(&mut printer, wrap.as_mut(), piece));
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
                let rest = wrap.as_mut().map(Wrap::finish).unwrap_or_default();
                let rest = printer.piece(&Piece { channel: Channel::Answer, text: rest });
                rest.and_then(|()| printer.end()).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
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
}

/// Print a piece of an answer, its lines broken between words. Reasoning stays as it comes.
fn print(printer: &mut Printer, wrap: Option<&mut Wrap>, piece: &Piece) -> io::Result<()> {
    match wrap {
        Some(wrap) if piece.channel == Channel::Answer => {
            printer.piece(&Piece { channel: piece.channel, text: wrap.feed(&piece.text) })
        }
        _ => printer.piece(piece),
    }
}

/// Say something that is no part of an answer.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
