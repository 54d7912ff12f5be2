//! Tells what a scan has found so far.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::model::Model;

/// Time between two batches of models found so far.
pub(super) const BATCH_TIME: Duration = Duration::from_millis(50);

/// Models in one batch.
pub(super) const BATCH: usize = 512;

/// Tells what was found, in batches: not at all when all goes fast.
pub(super) struct News<'a> {
    pub(super) found: &'a (dyn Fn(Vec<Arc<Model>>) + Sync),
    /// What waits to be told, and when something was told last.
    pub(super) waiting: Mutex<(Vec<Arc<Model>>, Instant)>,
}

impl News<'_> {
    pub(super) fn add(&self, models: impl Iterator<Item = Arc<Model>>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0.extend(models);
        if waiting.1.elapsed() >= BATCH_TIME {
            waiting.1 = Instant::now();
            let mut models = std::mem::take(&mut waiting.0);
            while !models.is_empty() {
                let rest = models.split_off(models.len().min(BATCH));
                (self.found)(models);
                models = rest;
            }
        }
    }
}
