//! What is remembered of models that something spoke against: whether they ran, or how they ended.

use std::sync::Arc;

use crate::effect::Effect;
use crate::model::{Model, Outcome, Tried};
use crate::state::Domain;

/// Put down what became of a model, where something spoke against it and that is news.
pub(super) fn remember(domain: &mut Domain, model: &Arc<Model>, outcome: Outcome) -> Option<Effect> {
    if !model.is_doubtful() {
        return None;
    }
    let tried = Tried { outcome, at: domain.now.unix };
    let known = domain.library.models.iter_mut().find(|known| known.id == model.id);
    if let Some(known) = known {
        if known.tried.as_ref().is_some_and(|known| known.outcome == tried.outcome) {
            return None;
        }
        Arc::make_mut(known).tried = Some(tried.clone());
    }
    Some(Effect::SaveTry { model: Arc::clone(model), tried })
}

/// How a worker ended, with its last words.
pub(super) fn died(reason: &str, last_words: Option<&str>) -> Outcome {
    Outcome::Died(last_words.map_or_else(|| reason.to_owned(), |words| format!("{reason}: {words}")))
}
