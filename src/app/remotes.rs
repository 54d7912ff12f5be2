//! Engines of other programs: asked what they have now and then.

pub use crate::engine::remote::find_blocking;

use std::time::Duration;

use super::App;
use crate::engine::remote;
use domain::event::LibraryEvent;

/// The time between two looks at what the engines have.
const EVERY: Duration = Duration::from_secs(30);

impl App {
    /// Ask the engines what they have, and go on asking. Needs the runtime.
    pub fn watch_remotes(&mut self) {
        let settings = self.state.domain.settings.clone();
        let events = self.library_sender.clone();
        tokio::spawn(async move {
            let mut told = None;
            loop {
                let remote::Found { models, stores } = remote::find(&settings).await;
                let now = (models, stores);
                if told.as_ref() != Some(&now) {
                    let (models, stores) = now.clone();
                    told = Some(now);
                    if events.send(LibraryEvent::Remotes { models, stores }).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = events.closed() => return,
                }
            }
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
