//! What the server does for those who come by its socket, and when it ends by itself.

use std::time::Duration;

use tokio::time::Instant;

use super::clients::{Clients, Happened, dismiss, keep_waiting};
use super::place::PlaceError;
use super::protocol::{Hello, Purpose, Status};
use crate::app::App;
use domain::session::SessionStatus;
use domain::{Domain, Event};

/// How long a server that nobody started by hand stays without a session and a client: who leaves one dashboard may open
/// the next.
const IDLE: Duration = Duration::from_secs(5);

/// Sentences that wait for the first dashboard: more than a start has to say.
const MAX_WAITING: usize = 32;

/// The socket, and the server's life.
#[derive(Debug)]
pub struct Service {
    clients: Clients,
    /// Whether it ends once nobody needs it.
    is_temporary: bool,
    started: Instant,
    /// Since when nobody has needed it.
    idle_since: Option<Instant>,
    /// What the first dashboard is told: it was not there when it happened.
    waiting: Vec<String>,
    /// Where programs are answered.
    address: Option<String>,
}

/// What is to be done about something that happened.
#[derive(Debug)]
pub enum Wanted {
    /// Nothing more.
    Nothing,
    /// The domain is to take this.
    Take(Event),
    /// The server is to end: why.
    End(&'static str),
}

/// Something that happened on the socket.
#[derive(Debug)]
pub struct SocketEvent(Option<Happened>);

impl Service {
    /// Become this user's server.
    ///
    /// # Errors
    ///
    /// Why the socket can't be had, such as another server that has it.
    pub fn open(is_temporary: bool) -> Result<Self, PlaceError> {
        Ok(Self {
            clients: Clients::open()?,
            is_temporary,
            started: Instant::now(),
            idle_since: None,
            waiting: Vec::new(),
            address: None,
        })
    }

    /// Say where programs are answered.
    pub fn answers_at(&mut self, address: String) {
        self.address = Some(address);
    }

    /// Have the first dashboard told a sentence.
    pub fn tell_first(&mut self, sentence: String) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(sentence);
        }
    }

    /// Wait for the next thing to happen. It may be dropped halfway.
    pub async fn next(&mut self) -> SocketEvent {
        let idle = self.idle_since.filter(|_| self.is_temporary);
        tokio::select! {
            happened = self.clients.next() => SocketEvent(Some(happened)),
            () = passed(idle) => SocketEvent(None),
        }
    }

    /// See whether anybody needs the server.
    pub fn look(&mut self, app: &App) {
        let is_needed = app.publisher.n_clients() > 0 || is_at_work(&app.state.domain);
        self.idle_since = if is_needed { None } else { self.idle_since.or_else(|| Some(Instant::now())) };
    }

    /// Take something that happened.
    pub fn handle(&mut self, app: &mut App, event: SocketEvent) -> Wanted {
        match event.0 {
            Some(Happened::Came(hello, stream)) => {
                let mut answer = Hello::own(hello.wants);
                match hello.wants {
                    Purpose::Attach => {
                        let differs = answer.difference(&hello, hello.is_remote);
                        match differs.or_else(|| app.publisher.is_full()) {
                            Some(refusal) => answer.refusal = Some(refusal),
                            None => return self.attach(app, stream),
                        }
                    }
                    Purpose::Status => answer.status = Some(self.status(app)),
                    Purpose::Stay => {
                        self.is_temporary = false;
                        answer.status = Some(self.status(app));
                    }
                    Purpose::Stop => {
                        answer.status = Some(self.status(app));
                        keep_waiting(stream, &answer);
                        return Wanted::End("it was stopped by `taffrail serve stop`");
                    }
                    Purpose::Unknown => answer.refusal = Some("this version can't do that".to_owned()),
                }
                dismiss(stream, &answer);
                Wanted::Nothing
            }
            Some(Happened::Gave(command)) => Wanted::Take(Event::Command(command)),
            Some(Happened::Left(client)) => {
                app.publisher.remove(client);
                Wanted::Nothing
            }
            None => match self.idle_since {
                Some(since) if self.is_temporary && since.elapsed() >= IDLE => {
                    Wanted::End("it has no session and no client")
                }
                _ => Wanted::Nothing,
            },
        }
    }

    fn attach(&mut self, app: &mut App, stream: tokio::net::UnixStream) -> Wanted {
        let attached = self.clients.attach(stream, app.clock.now(), &app.state.domain, &mut app.publisher);
        match attached {
            Ok(client) => tracing::info!(client, "attached"),
            Err(error) => tracing::error!("a client can't be attached: {error}"),
        }
        let told = std::mem::take(&mut self.waiting);
        if told.is_empty() { Wanted::Nothing } else { Wanted::Take(Event::Failed(told.join("; "))) }
    }

    fn status(&self, app: &App) -> Status {
        let now = app.clock.now();
        let sessions = app.state.domain.sessions.iter().map(|session| SessionStatus::of(session, now));
        Status {
            uptime_s: self.started.elapsed().as_secs(),
            is_temporary: self.is_temporary,
            n_clients: app.publisher.n_clients(),
            sessions: sessions.collect(),
            address: self.address.clone(),
        }
    }
}

async fn passed(since: Option<Instant>) {
    match since {
        Some(since) => tokio::time::sleep_until(since + IDLE).await,
        None => std::future::pending().await,
    }
}

/// Whether something would be lost if the program ended.
fn is_at_work(domain: &Domain) -> bool {
    domain.sessions.iter().any(domain::session::Session::is_live)
        || domain.downloads.all.iter().any(domain::download::Download::is_active)
        || domain.cleanup.work.is_some()
        || !domain.held.is_empty()
}
