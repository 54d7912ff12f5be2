//! When the cards of openness are made.

use std::sync::Arc;

use crate::effect::Effect;
use crate::model::{Library, Model};
use crate::openness::Openness;

/// The most models whose cards are made at once: some milliseconds' worth.
const MAX_JUDGED: usize = 500;

/// Make the cards of these models, or of all of them. Those of many are made on a thread of their own, since everything would wait for them.
pub(crate) fn judge(library: &mut Library, models: Option<&[Arc<Model>]>) -> Option<Effect> {
    let Library { models: all, openness, .. } = library;
    openness.generation += 1;
    if all.len() <= MAX_JUDGED {
        openness.refresh(models.unwrap_or(all), all);
        return None;
    }
    // One question at a time: its answer asks the next where something has changed since.
    let is_asked = std::mem::replace(&mut openness.is_asked, true);
    let Openness { table, generation, .. } = openness;
    (!is_asked).then(|| Effect::RateOpenness { generation: *generation, models: all.clone(), table: Arc::clone(table) })
}
