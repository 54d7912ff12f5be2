//! What follows from what engines of other programs tell of themselves: it is kept while it is new.

use crate::engine_metrics::{EngineMetrics, EngineNews};
use crate::state::Domain;

/// Take an answer. Those that are too many are passed over.
pub(super) fn on_news(domain: &mut Domain, news: EngineNews) {
    let now = domain.now;
    match domain.engines.binary_search_by(|known| known.engine.cmp(&news.engine)) {
        Ok(place) => domain.engines[place] = EngineMetrics::new(news, Some(&domain.engines[place]), now),
        Err(place) if domain.engines.len() < EngineMetrics::MAX => {
            domain.engines.insert(place, EngineMetrics::new(news, None, now));
        }
        Err(_) => {}
    }
}

/// Drop what is old: no one asks any more.
pub(super) fn drop_stale(domain: &mut Domain) {
    let now = domain.now.uptime;
    domain.engines.retain(|engine| now.saturating_sub(engine.at.uptime) < EngineMetrics::STALE);
}
