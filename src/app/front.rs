//! What a dashboard shows: a domain of its own process, or a copy of a server's.

use std::sync::Arc;

use super::App;
use super::attached::{Attached, Happened};
use crate::ui::{self, Screen, State};
use domain::Event;
use domain::command::{Refused, Value, What};
use domain::model::Model;
use domain::session::SessionId;

/// What a dashboard shows.
pub enum Front {
    /// The domain is this process's own.
    Own(Box<App>),
    /// It is a server's.
    Attached(Box<Attached>),
}

/// What happened to it.
#[derive(Debug)]
pub enum FrontEvent {
    /// To its own domain or screen.
    Own(ui::Event),
    /// To what it is attached to.
    Attached(Happened),
}

impl Front {
    /// What it knows and shows.
    pub fn state(&self) -> &State {
        match self {
            Self::Own(app) => app.state(),
            Self::Attached(attached) => attached.state(),
        }
    }

    /// Wait for the next thing to happen. It may be dropped halfway.
    pub async fn next(&mut self) -> FrontEvent {
        match self {
            Self::Own(app) => FrontEvent::Own(app.next().await),
            Self::Attached(attached) => FrontEvent::Attached(attached.next().await),
        }
    }

    /// What has happened already, without waiting.
    pub fn try_next(&mut self) -> Option<FrontEvent> {
        match self {
            Self::Own(app) => app.try_next().map(FrontEvent::Own),
            Self::Attached(attached) => attached.try_next().map(FrontEvent::Attached),
        }
    }

    /// Take what happened.
    pub fn take(&mut self, event: FrontEvent) {
        match (self, event) {
            (Self::Own(app), FrontEvent::Own(event)) => app.handle(event),
            (Self::Attached(attached), FrontEvent::Attached(happened)) => attached.take(happened),
            // An event goes where it came from.
            _ => {}
        }
    }

    /// Take what concerns the screen alone.
    pub fn handle(&mut self, event: ui::Event) {
        match self {
            Self::Own(app) => app.handle(event),
            Self::Attached(attached) => attached.update(event),
        }
    }

    /// Tell the user something.
    pub fn notify(&mut self, text: String, is_error: bool) {
        match self {
            Self::Own(app) if is_error => app.handle(Event::Failed(text)),
            Self::Own(app) => app.handle(Event::Notice(text)),
            Self::Attached(attached) => attached.update(ui::Event::Notice { text, is_error }),
        }
    }

    /// Begin what an own domain needs before its first frame. A server has done so.
    pub(super) fn begin(&mut self) {
        if let Self::Own(app) = self
            // `taffrail top` has no use for models.
            && app.state().ui.screen != Screen::Top
        {
            app.scan();
            app.connect_all();
            app.watch_remotes();
        }
    }

    /// Begin what it needs and the first frame does not.
    pub(super) fn started(&mut self) {
        if let Self::Own(app) = self {
            app.recall_all();
        }
    }

    /// Say that the models are on the screen.
    pub(super) fn shown(&self) {
        if let Self::Own(app) = self {
            app.shown();
        }
    }

    /// What is to be put on the clipboard.
    pub(super) fn take_clipboard(&mut self) -> Option<String> {
        match self {
            Self::Own(app) => app.clipboard.take(),
            Self::Attached(attached) => attached.clipboard.take(),
        }
    }

    /// What the user wants to write in an editor of their own.
    pub(super) fn take_external_edit(&mut self) -> Option<String> {
        match self {
            Self::Own(app) => app.external_edit.take(),
            Self::Attached(attached) => attached.external_edit.take(),
        }
    }

    /// See to a connection that was lost. Waits for the server, since there is nothing else to do.
    pub(super) async fn settle(&mut self) {
        if let Self::Attached(attached) = self {
            attached.settle().await;
        }
    }

    /// Be ready for a command on these models, which are all that it needs. A server is.
    pub async fn prepare(&mut self, models: Vec<Arc<Model>>) {
        if let Self::Own(app) = self {
            app.adopt(models);
            app.recall_baselines();
            app.first_sample().await;
        }
    }

    /// The server's process, where the domain is a server's.
    pub fn server(&self) -> Option<u32> {
        match self {
            Self::Own(_) => None,
            Self::Attached(attached) => attached.state().ui.server.as_ref().map(|server| server.pid),
        }
    }

    /// Wait for the next event of the domain, show it to `hear`, and take it. It may be dropped halfway.
    ///
    /// # Errors
    ///
    /// A clause where nothing more will come, since the server is gone.
    pub async fn advance(&mut self, mut hear: impl FnMut(&Event)) -> Result<(), String> {
        match self {
            Self::Own(app) => {
                let event = app.next_event().await;
                hear(&event);
                app.handle(event);
                Ok(())
            }
            Self::Attached(attached) => attached.advance(hear).await,
        }
    }

    /// Give a command, and wait for its reply.
    ///
    /// # Errors
    ///
    /// Why it was refused.
    pub async fn command(&mut self, what: What) -> Result<Value, Refused> {
        match self {
            Self::Own(app) => app.command(what),
            Self::Attached(attached) => attached.command(what).await,
        }
    }

    /// Kill a session's worker, which does nothing that it is asked to. A server does that itself.
    pub fn kill(&mut self, session: SessionId) {
        if let Self::Own(app) = self {
            app.kill(session);
        }
    }

    /// What went wrong that no reply told, a sentence each.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.state().ui.notices.iter().filter(|notice| notice.is_error).map(|notice| notice.text.as_str())
    }

    /// End. Gives what could not be kept, a sentence each.
    pub async fn shut_down(self) -> Vec<String> {
        match self {
            // Both take the whole state apart.
            Self::Own(app) => Box::pin(app.shut_down()).await,
            Self::Attached(attached) => Box::pin(attached.close()).await,
        }
    }
}
