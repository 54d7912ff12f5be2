//! What an answer cost in money.

use crate::model::Model;
use crate::request::Figures;

/// What an answer of a model cost, in the currency of the settings; `None` where its engine has no price.
pub fn cost(model: &Model, figures: &Figures) -> Option<f64> {
    let n_prompt = u64::from(figures.counters.n_prompt) + u64::from(figures.n_cached);
    model.remote.as_ref()?.price.cost(n_prompt, u64::from(figures.counters.n_generated))
}
