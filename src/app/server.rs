//! The loop of a server: what happens to the program, and what its clients want of it, by the socket and over HTTP.

use std::io;
use std::net::SocketAddr;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::scan::FIRST_SCAN;
use super::serving::Serving;
use super::socket::{PlaceError, Service, Wanted};
use super::{App, running};
use crate::server::{self, Handle, Listener, Server};
use crate::{library, ui};

/// The most events that are taken between two looks at the clients.
const BATCH: usize = 256;

/// How a server is run.
#[derive(Debug, Default)]
pub struct Options {
    /// Whether it ends once it has neither a session nor a client. Then an address that is taken is no reason not to start.
    pub is_temporary: bool,
    /// What the first dashboard is told.
    pub notices: Vec<String>,
}

/// Why a server can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket can't be had.
    #[error(transparent)]
    Socket(#[from] PlaceError),
    /// Other programs can't be answered.
    #[error(transparent)]
    Http(#[from] server::StartError),
    /// Something else of the system fails.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl ServeError {
    /// What could be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Socket(PlaceError::Taken { .. }) => {
                Some("`taffrail serve status` shows it, `taffrail serve stop` ends it".to_owned())
            }
            Self::Http(error) => error.hint(),
            Self::Socket(_) | Self::System(_) => None,
        }
    }
}

/// Serve until a signal or a client ends it, or nobody needs it. `bound` is called once dashboards may come, and `listening`
/// once other programs are answered. Gives what could not be kept, a sentence each.
///
/// # Errors
///
/// Why it can't run.
pub async fn run(
    mut app: App,
    options: Options,
    bound: impl FnOnce() -> io::Result<()>,
    mut listening: impl FnMut(SocketAddr),
) -> Result<Vec<String>, ServeError> {
    let mut signals = Signals::new()?;
    let mut service = Service::open(options.is_temporary)?;
    let settings = app.state.domain.settings.server.clone();
    let mut unstarted = match Listener::bind(&settings, app.places()) {
        Ok(listener) => Some(listener),
        Err(error) if options.is_temporary => {
            service.tell_first(format!("the APIs are not available: {error}"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    app.serve();
    options.notices.into_iter().chain(running::take_lost()).for_each(|sentence| service.tell_first(sentence));
    let (handle, calls) = Handle::channel();
    let mut serving = Serving::new(calls);
    app.scan();
    app.connect_all();
    app.watch_remotes();
    app.shown();
    app.recall_all();
    bound()?;
    let scanned_by = Instant::now() + FIRST_SCAN;
    let mut http: Option<Server> = None;
    let reason = loop {
        let is_scanned = app.state.domain.library.took.is_some() || Instant::now() >= scanned_by;
        if let Some(listener) = unstarted.take_if(|_| is_scanned) {
            let server = listener.start(settings.clone(), handle.clone())?;
            tracing::info!(address = %server.address(), "serves the APIs");
            service.answers_at(format!("http://{}", server.address()));
            listening(server.address());
            http = Some(server);
        }
        app.note_running();
        service.look(&app);
        tokio::select! {
            name = signals.next() => break name,
            event = app.next() => {
                take(&mut app, &mut serving, event);
                for _ in 0..BATCH {
                    let Some(event) = app.try_next() else { break };
                    take(&mut app, &mut serving, event);
                }
            }
            wanted = serving.next() => serving.handle(&mut app, wanted),
            event = service.next() => match service.handle(&mut app, event) {
                Wanted::Nothing => {}
                Wanted::Take(event) => take(&mut app, &mut serving, event.into()),
                Wanted::End(reason) => break reason,
            },
            () = sleep_until(scanned_by), if unstarted.is_some() => {}
        }
    };
    tracing::info!("ends: {reason}");
    serving.close();
    if let Some(server) = http {
        server.stop().await;
    }
    app.publisher.close(reason).await;
    app.forget_running();
    // The socket is this server's until its workers have ended: the next one needs their memory.
    let lost = app.shut_down().await;
    drop(service);
    Ok(lost)
}

impl App {
    /// Where the server keeps what clients give it, if there is a place for that.
    fn places(&self) -> Option<server::Places> {
        let data = self.data.as_ref()?;
        let keys = data.join(server::keys::FILE);
        Some(server::Places { keys, blobs: data.join("blobs"), models: data.join(library::MADE) })
    }
}

fn take(app: &mut App, serving: &mut Serving, event: ui::Event) {
    match event {
        ui::Event::Domain(event) => serving.happened(app, event),
        event => app.handle(event),
    }
}

/// The signals that end a server in order.
struct Signals([(Signal, &'static str); 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::interrupt())?, "it was interrupted"),
            (signal(SignalKind::terminate())?, "it was terminated"),
            (signal(SignalKind::hangup())?, "its terminal was closed"),
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let [(interrupt, one), (terminate, two), (hangup, three)] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => one,
            _ = terminate.recv() => two,
            _ = hangup.recv() => three,
        }
    }
}
