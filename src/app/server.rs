//! The loop of `taffrail serve`: what happens to the program, and what clients want of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::App;
use super::serving::Serving;
use crate::server::{self, Handle};
use crate::ui;

/// The most events that are taken between two looks at the clients.
const BATCH: usize = 256;

/// How long the first scan of the stores is waited for before clients are answered: until then no model is known.
const FIRST_SCAN: Duration = Duration::from_secs(10);

/// Serve clients until a signal ends it. `ready` is told where, once they are answered.
pub async fn run(app: &mut App, ready: impl FnOnce(SocketAddr)) -> Result<(), server::StartError> {
    let mut signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let settings = app.state.domain.settings.server.clone();
    // Whoever can't listen has nothing to scan for.
    let listener = server::Listener::bind(&settings, app.keys_file())?;
    let (handle, calls) = Handle::channel();
    let mut serving = Serving::new(calls);
    app.scan();
    app.find_interrupted();
    app.recall_baselines();
    app.recall();
    if !first_scan(app, &mut signals).await {
        return Ok(());
    }
    let server = listener.start(settings, handle)?;
    ready(server.address());
    tracing::info!(address = %server.address(), "serves");
    let [interrupt, terminate] = &mut signals;
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            event = app.next() => {
                take(app, &mut serving, event);
                for _ in 0..BATCH {
                    let Some(event) = app.try_next() else { break };
                    take(app, &mut serving, event);
                }
            }
            wanted = serving.next() => serving.handle(app, wanted),
        }
    }
    tracing::info!("ends");
    serving.close();
    server.stop().await;
    Ok(())
}

impl App {
    /// The file with the keys of clients, if there is a place for one.
    fn keys_file(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join(server::keys::FILE))
    }
}

fn take(app: &mut App, serving: &mut Serving, event: ui::Event) {
    match event {
        ui::Event::Domain(event) => serving.happened(app, event),
        event => app.handle(event),
    }
}

/// Wait until the models are known, for a while. Gives false where the program is to end.
async fn first_scan(app: &mut App, signals: &mut [tokio::signal::unix::Signal; 2]) -> bool {
    let [interrupt, terminate] = signals;
    let until = Instant::now() + FIRST_SCAN;
    while app.state.domain.library.took.is_none() {
        tokio::select! {
            _ = interrupt.recv() => return false,
            _ = terminate.recv() => return false,
            event = app.next() => app.handle(event),
            () = sleep_until(until) => break,
        }
    }
    true
}
