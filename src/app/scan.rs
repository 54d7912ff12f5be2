//! The thread that scans the stores and watches them.

use super::App;
use crate::library;
use domain::Event;

impl App {
    /// Scan the stores on a thread of its own, and watch them from then on.
    pub fn scan(&mut self) {
        if let Some(watcher) = &self.watcher {
            return watcher.look();
        }
        let events = self.library_sender.clone();
        let emit = move |event| events.blocking_send(event).is_ok();
        match library::Watcher::start(self.state.domain.settings.library.clone(), emit) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.handle(Event::Failed(format!("the stores can't be looked through: {error}"))),
        }
    }
}
