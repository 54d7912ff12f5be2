//! Jobs of a cluster that an earlier server left.

use super::App;
use domain::command::{Force, What};
use domain::session::JobRequest;

impl App {
    /// Start their sessions, once their models are known: starting finds the jobs again.
    pub(super) fn find_jobs(&mut self) {
        if self.left_jobs.is_empty() {
            return;
        }
        let domain = &self.state.domain;
        let is_known = |job: &mut JobRequest| domain.model(&job.model).is_some();
        for job in self.left_jobs.extract_if(.., is_known).collect::<Vec<_>>() {
            let what = What::StartSession { model: job.model, settings: Box::new(job.settings), force: Force::All };
            if let Err(refused) = self.command(what) {
                tracing::warn!(reason = refused.reason, "a job that was left is not found again");
            }
        }
    }
}
