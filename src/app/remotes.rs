//! Engines of other programs: asked now and then what they have, and how much they do while someone wants to know.

pub use crate::engine::remote::{find, find_blocking};

use super::App;
use crate::engine::remote::{self, Wanted};
use domain::event::LibraryEvent;
use domain::session::Session;

impl App {
    /// Ask the engines what they have, and go on asking. Needs the runtime.
    pub fn watch_remotes(&mut self) {
        let (settings, events) = (self.state.domain.settings.clone(), self.library_sender.clone());
        tokio::spawn(remote::watch(settings, self.wanted_remotes.subscribe(), events));
    }

    /// Say which engines are to be asked how much they do: those with a session, and all while a dashboard is there.
    pub(super) fn want_remotes(&self) {
        let remote = |session: &Session| Some(session.model.remote.as_ref()?.engine.clone());
        let sessions = self.state.domain.sessions.iter().filter(|session| session.is_live());
        let wanted = Wanted {
            all: !self.is_server || self.publisher.n_clients() > 0,
            engines: sessions.clone().filter_map(remote).collect(),
            busy: sessions.filter(|session| session.is_busy()).filter_map(remote).collect(),
        };
        self.wanted_remotes.send_if_modified(|known| {
            let is_new = *known != wanted;
            *known = wanted;
            is_new
        });
    }

    /// Ask the engines once.
    pub(super) fn find_remotes(&self) {
        let settings = self.state.domain.settings.clone();
        let events = self.library_sender.clone();
        tokio::spawn(async move {
            let remote::Found { models, stores } = remote::find(&settings).await;
            let _ = events.send(LibraryEvent::Remotes { models, stores }).await;
        });
    }
}
