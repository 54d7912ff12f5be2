//! Keeps the stores tidy: deletes models, prunes what nothing uses, lets duplicates share their space, verifies files,
//! and takes back what it did.
//!
//! Owned here: the only writes to other tools' stores there are. A [`CleanupPlan`] is made first and changes nothing; carrying
//! it out writes all steps into a journal before the first one, moves rather than deletes, and does references before
//! content. Absent: the wish for any of it, and the question whether it is meant, which stand before.
//!
//! Never hard-linked: into Ollama's `blobs`, whose content is left to Ollama; and files of the user's own folders,
//! unless asked for, since editors of GGUF metadata write them in place and would change both names.

mod companions;
mod dedupe;
mod disk_usage;
mod execute;
mod files;
mod hash;
mod hub;
mod in_use;
mod journal;
mod ollama;
mod ollama_manifests;
mod ollama_server;
mod plain;
mod plan;
mod share;
mod stores;
#[cfg(test)]
mod tests;
mod trash;
mod verify;

use std::sync::Arc;

use super::Env;
use domain::model::Model;
use domain::storage::{CleanupPlan, Operation, Request};

pub use disk_usage::{UNUSED_DAYS, unused};
pub use execute::{CleanupError, Progress};
pub use journal::{Phase, Record};
pub use stores::CleanupContext;
pub use verify::{Checked, Verdict, verify};

use journal::Journal;

/// What was done.
#[derive(Debug, Clone)]
pub struct Done {
    /// The plan that was carried out.
    pub plan: CleanupPlan,
    /// Whether `undo` can take it back.
    pub can_undo: bool,
}

impl CleanupContext {
    /// What would be done. Changes nothing.
    pub fn plan(&self, request: &Request) -> CleanupPlan {
        plan::plan(self, request)
    }

    /// Carry out a plan that was shown. The stores may have changed since: where a new plan differs nothing is done.
    /// `at_once` deletes what would go to the trash.
    pub fn perform(
        &self,
        request: &Request,
        shown: &CleanupPlan,
        at_once: bool,
        progress: Progress<'_>,
    ) -> Result<Done, CleanupError> {
        let journal = self.journal.as_ref().ok_or(CleanupError::NoJournal)?;
        let done = |can_undo| Done { plan: shown.clone(), can_undo };
        if let Request::Empty { .. } = request {
            for (_, step) in shown.steps() {
                if let Operation::Empty { id } = &step.act {
                    execute::empty_record(journal, id)?;
                }
            }
            return Ok(done(false));
        }
        // Sharing compares the files byte by byte before it lets go of one, so what changed meanwhile is seen there.
        let is_stale = !matches!(request, Request::Dedupe { .. }) && self.plan(request).items != shown.items;
        if is_stale {
            return Err(CleanupError::InTheWay(
                "the store has changed in the meantime; check the plan again".to_owned(),
            ));
        }
        let record = execute::perform(journal, shown, request.title(), at_once, self.now, progress)?;
        Ok(done(record.can_undo()))
    }

    /// Take back what was done last, or the one of this id.
    pub fn undo(&self, id: Option<&str>, progress: Progress<'_>) -> Result<Record, CleanupError> {
        execute::undo(self.journal.as_ref().ok_or(CleanupError::NoJournal)?, id, progress)
    }

    /// What lies on the disks, and what could be tidied up.
    pub fn disk_usage(&self, models: &[Arc<Model>]) -> domain::storage::DiskUsageReport {
        disk_usage::disk_usage(self, models)
    }
}

/// Mend what an earlier run left unfinished; gives a sentence for each. One look at the disk where there is nothing.
pub fn recover(env: &Env) -> Vec<String> {
    env.data.as_deref().map(|data| execute::recover(&Journal::new(data))).unwrap_or_default()
}
