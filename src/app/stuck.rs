//! Workers that take no commands.

use super::App;
use crate::engine::Stuck;
use domain::Event;
use domain::session::SessionId;

impl App {
    /// Kill a session's worker, which does nothing that it is asked to.
    pub fn kill(&mut self, session: SessionId) {
        if let Some(worker) = self.state.domain.session(session).map(|session| session.worker) {
            self.report_stuck(self.engine.kill(worker));
        }
    }

    /// Show that a command for a worker was dropped.
    pub(super) fn report_stuck(&mut self, sent: Result<(), Stuck>) {
        if let Err(error) = sent {
            self.handle(Event::Failed(error.to_string()));
        }
    }
}
