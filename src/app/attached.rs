//! The dashboard as a client of a server: its copy of the domain, and what is done on its own side.
//!
//! Owned here: the connection and its loss, the server's clock, files and the clipboard of this side. Absent: what the domain
//! wants done, which the server does.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;

use tokio::time::{Instant, timeout_at};

use super::scan::FIRST_SCAN;
use super::socket::{FromClient, FromServer, Link, LinkError, Question, Target, first_command};
use super::{Clock, export, save, start, welcome, writer};
use crate::ui::{self, Server, State, update};
use domain::command::{Cause, Command, Refused, Value, What};
use domain::settings::Settings;
use domain::{Effect, Event, Moment, Notification};

/// What is said where the server is gone.
const GONE: &str = "the server has ended";

/// A dashboard that is attached to a server.
pub struct Attached {
    state: State,
    target: Target,
    /// `None` while the server is lost.
    link: Option<Link>,
    /// The server's time, and when it was that.
    time: (Moment, Instant),
    /// Writes files on this side.
    writer: writer::Writer,
    /// Whether the server was started for this dashboard.
    pub is_new: bool,
    /// Text for the clipboard, until it is taken.
    pub clipboard: Option<String>,
    /// Text for the user's editor, until it is taken.
    pub external_edit: Option<String>,
    /// What the server said before it ended.
    ending: Option<String>,
    /// Events that were taken while a command waited for its reply.
    passed: VecDeque<Event>,
    /// How the connection was lost, until it was tried once to have it again.
    lost: Option<String>,
    /// The user wants to be attached again.
    wants_attach: bool,
    /// What a server is started with.
    start: Vec<OsString>,
}

/// What happened to an attached dashboard.
#[derive(Debug)]
pub enum Happened {
    /// The server said something.
    Said(Box<FromServer>),
    /// The connection is gone: how.
    Gone(Option<io::Error>),
    /// Something of this side.
    Here(Event),
}

impl Attached {
    /// Attach to a server that runs; `start` is what one is started with where it is lost. Themes, keys and how the screen looks are this side's settings, all others the server's.
    ///
    /// # Errors
    ///
    /// Why there is no connection.
    pub async fn open(
        target: Target,
        start: Vec<OsString>,
        settings: &Settings,
        themes: Vec<String>,
    ) -> Result<Self, LinkError> {
        let (link, now, domain) = Link::attach(&target).await?;
        let mut ui = ui::Ui::new(settings, themes, domain.history());
        let server = server(&target, &link);
        // From its first event on the copy takes what the server took, and nothing else.
        ui.server = Some(server.clone());
        let mut attached = Self {
            state: State { domain: *domain, ui },
            target,
            link: Some(link),
            time: (now, Instant::now()),
            writer: writer::Writer::new("files"),
            is_new: false,
            clipboard: None,
            external_edit: None,
            ending: None,
            passed: VecDeque::new(),
            lost: None,
            wants_attach: false,
            start,
        };
        attached.update(ui::Event::Attached(Box::new(server)));
        Ok(attached)
    }

    /// After a loss, try at once to be attached again: a server drops a dashboard that was stopped for long. Where there is
    /// none, ask the user, and then start one.
    pub(super) async fn settle(&mut self) {
        if let Some(how) = self.lost.take()
            && self.attach_again().await.is_err()
        {
            self.update(ui::Event::Lost(how));
        }
        if !std::mem::take(&mut self.wants_attach) || self.link.is_some() {
            return;
        }
        let mut result = self.attach_again().await.map_err(|error| error.to_string());
        if result.is_err() && self.target == Target::Local {
            let started = start::in_background(true, &self.start).await.map_err(|error| error.to_string());
            result = self.attach_again().await.map_err(|error| started.err().unwrap_or(error.to_string()));
        }
        if let Err(reason) = result {
            self.update(ui::Event::Lost(reason));
        }
    }

    /// Attach once more. Where that fails, the screen stays as it was.
    async fn attach_again(&mut self) -> Result<(), LinkError> {
        let (link, now, domain) = Link::attach(&self.target).await?;
        let server = server(&self.target, &link);
        self.state.domain = *domain;
        self.link = Some(link);
        self.time = (now, Instant::now());
        self.ending = None;
        self.update(ui::Event::Attached(Box::new(server)));
        Ok(())
    }

    /// What it knows and shows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Wait for the next thing to happen. It may be dropped halfway.
    pub async fn next(&mut self) -> Happened {
        tokio::select! {
            said = said(self.link.as_mut()) => match said {
                Some(Ok(said)) => Happened::Said(Box::new(said)),
                Some(Err(error)) => Happened::Gone(Some(error)),
                None => Happened::Gone(None),
            },
            Some(event) = self.writer.next() => Happened::Here(event),
        }
    }

    /// What has happened already, without waiting.
    pub fn try_next(&mut self) -> Option<Happened> {
        match self.link.as_mut().and_then(Link::try_next) {
            Some(Ok(said)) => Some(Happened::Said(Box::new(said))),
            Some(Err(error)) => Some(Happened::Gone(Some(error))),
            None => self.writer.try_next().map(Happened::Here),
        }
    }

    /// Take what happened.
    pub fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Said(said) => match *said {
                FromServer::Snapshot(now, domain) => {
                    self.time = (now, Instant::now());
                    self.state.domain = *domain;
                }
                FromServer::Event(now, event) => {
                    self.time = (now, Instant::now());
                    self.handle_at(now, event.into());
                }
                FromServer::Answer(answer) => self.update(answer.into()),
                FromServer::Ending(reason) => self.ending = Some(reason),
            },
            Happened::Gone(error) => self.lose(error),
            Happened::Here(Event::Notice(text)) => self.update(ui::Event::Notice { text, is_error: false }),
            Happened::Here(Event::Failed(text)) => self.update(ui::Event::Notice { text, is_error: true }),
            Happened::Here(_) => {}
        }
    }

    fn lose(&mut self, error: Option<io::Error>) {
        if self.link.take().is_none() {
            return;
        }
        let how = match (self.ending.take(), error, self.target.host()) {
            (Some(reason), ..) => format!("The server has ended: {reason}"),
            (None, Some(error), _) => format!("The connection to the server was lost: {error}"),
            (None, None, None) => "The server has ended unexpectedly, and its sessions with it".to_owned(),
            (None, None, Some(host)) => format!("The connection to {host} was lost"),
        };
        self.lost = Some(how);
    }

    /// The server's time by now.
    fn now(&self) -> Moment {
        let (then, at) = self.time;
        Moment { uptime: then.uptime + at.elapsed(), unix: Clock::start().now().unix }
    }

    /// Take what the user did, or what concerns this screen alone.
    pub fn update(&mut self, event: ui::Event) {
        self.handle_at(self.now(), event);
    }

    fn handle_at(&mut self, now: Moment, event: ui::Event) {
        for effect in update(&mut self.state, now, event) {
            match Question::of(effect) {
                Ok(question) => self.say(&FromClient::Ask(question)),
                Err(ui::Effect::Send(command)) => self.say(&FromClient::Command(command)),
                Err(ui::Effect::Save(files)) => self.write(move || match save::save(&files) {
                    Ok(folder) => Event::Notice(format!("saved in {}", folder.display())),
                    Err(error) => Event::Failed(format!("it could not be saved: {error}")),
                }),
                Err(ui::Effect::WriteNew { name, text }) => self.write(move || export::write_new(&name, &text)),
                Err(ui::Effect::Welcomed) => {
                    // Said once more at the next start, if it can't be kept.
                    let _ = self.writer.write(welcome::remember);
                }
                Err(ui::Effect::Copy(text)) => self.clipboard = Some(text),
                Err(ui::Effect::EditExternally(text)) => self.external_edit = Some(text),
                Err(ui::Effect::Reattach) => self.wants_attach = true,
                // The server does what the domain wants.
                Err(_) => {}
            }
        }
    }

    /// Wait for the next event of the server's domain, show it to `hear`, and take it. It may be dropped halfway.
    pub(super) async fn advance(&mut self, mut hear: impl FnMut(&Event)) -> Result<(), String> {
        if let Some(event) = self.passed.pop_front() {
            hear(&event);
            return Ok(());
        }
        loop {
            match self.next().await {
                Happened::Said(said) => {
                    let event = if let FromServer::Event(_, event) = &*said { Some(event.clone()) } else { None };
                    event.iter().for_each(&mut hear);
                    self.take(Happened::Said(said));
                    if event.is_some() {
                        return Ok(());
                    }
                }
                Happened::Gone(error) => {
                    self.lose(error);
                    return Err(self.lost.take().unwrap_or_else(|| GONE.to_owned()));
                }
                here @ Happened::Here(_) => self.take(here),
            }
        }
    }

    /// Wait until the server has scanned the stores for the first time, for as long as such a scan may take.
    ///
    /// # Errors
    ///
    /// How the connection was lost.
    pub async fn scanned(&mut self) -> Result<(), String> {
        let until = Instant::now() + FIRST_SCAN;
        while self.state.domain.library.took.is_none() {
            match timeout_at(until, self.advance(|_| {})).await {
                Ok(advanced) => advanced?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Give a command, and wait for its reply. What happens meanwhile is shown by [`Attached::advance`] afterwards.
    pub(super) async fn command(&mut self, what: What) -> Result<Value, Refused> {
        let gone = || Refused::new(Cause::BUSY, GONE);
        let id = self.state.ui.next_command().ok_or_else(gone)?;
        self.say(&FromClient::Command(Command { id, what }));
        loop {
            match self.next().await {
                Happened::Said(said) => match *said {
                    FromServer::Event(now, event) => {
                        self.time = (now, Instant::now());
                        self.passed.push_back(event.clone());
                        for effect in self.state.domain.update(now, event) {
                            match effect {
                                Effect::Reply(reply) if reply.id == id => return reply.result,
                                Effect::Notify(Notification::Notice { text, is_error }) => {
                                    self.update(ui::Event::Notice { text, is_error });
                                }
                                _ => {}
                            }
                        }
                    }
                    said => self.take(Happened::Said(Box::new(said))),
                },
                Happened::Gone(error) => {
                    self.lose(error);
                    return Err(gone());
                }
                here @ Happened::Here(_) => self.take(here),
            }
        }
    }

    fn say(&self, message: &FromClient) {
        if let Some(link) = &self.link {
            link.say(message);
        }
    }

    fn write(&mut self, job: impl FnOnce() -> Event + Send + 'static) {
        if let Err(reason) = self.writer.write(move || Some(job())) {
            self.update(ui::Event::Notice { text: format!("nothing can be written: {reason}"), is_error: true });
        }
    }

    /// Leave. What was asked of the server reaches it, and files are written. Gives what could not be kept, a sentence each.
    pub async fn close(mut self) -> Vec<String> {
        if let Some(link) = self.link.take() {
            link.close().await;
        }
        self.writer.close()
    }
}

async fn said(link: Option<&mut Link>) -> Option<io::Result<FromServer>> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

fn server(target: &Target, link: &Link) -> Server {
    Server {
        host: target.host().map(str::to_owned),
        pid: link.server.pid,
        first_command: first_command(link.server.client),
        is_lost: false,
    }
}
