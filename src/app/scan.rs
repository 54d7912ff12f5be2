//! The thread that scans the stores and watches them.

use std::time::Duration;

use super::App;
use crate::library;
use domain::Event;

/// How long a server's first scan of the stores is waited for: until then it knows no model.
pub(super) const FIRST_SCAN: Duration = Duration::from_secs(10);

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
            Err(error) => self.handle(Event::Failed(format!("the stores can't be scanned: {error}"))),
        }
    }

    /// Say that the models are on the screen.
    pub fn shown(&self) {
        if let Some(watcher) = &self.watcher {
            watcher.shown();
        }
    }
}
