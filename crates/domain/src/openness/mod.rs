//! How open a model is, according to others.
//!
//! Owned here: the license that a model declares and those that it inherits from its base models, and the public
//! projects' assessments of its weights, data, code, evaluation and report, each with its source and date. Absent: a
//! score. The sources disagree, and are shown side by side. What no source assessed is `None`, not closed.

mod assessment;
mod card;
mod dimension;
pub mod license;
mod names;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Model;
pub use assessment::{Card, Declared, Inherited, Judged, Match};
pub use card::{Known, card};
pub use dimension::{Class, Dimension};
pub use table::{Broken, Entry, Family, Lineage, MAX_BYTES, SCHEMA, Source, Table};

/// The table in force, and the cards of the library's models.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Openness {
    /// What others judged.
    pub table: Arc<Table>,
    /// The cards by model id.
    #[serde(with = "crate::portable::document")]
    pub cards: Cards,
    /// Counts the changes of models and table, so that cards made in the background are known to be older than those.
    pub generation: u64,
    /// Cards are being made in the background.
    pub is_asked: bool,
}

/// Cards by model id.
pub type Cards = HashMap<String, Arc<Card>>;

impl Default for Openness {
    fn default() -> Self {
        Self { table: Table::embedded(), cards: HashMap::new(), generation: 0, is_asked: false }
    }
}

impl Openness {
    /// Rebuild the cards of these models; `all` are the models that licenses may be inherited from.
    pub fn refresh(&mut self, models: &[Arc<Model>], all: &[Arc<Model>]) {
        self.cards.extend(cards(models, all, &self.table));
    }

    /// Drop the cards of models that are gone.
    pub fn keep(&mut self, models: &[Arc<Model>]) {
        let ids: std::collections::HashSet<&str> = models.iter().map(|model| model.id.as_str()).collect();
        self.cards.retain(|id, _| ids.contains(id.as_str()));
    }
}

/// The cards of these models; `all` are the models that licences may be inherited from.
pub fn cards(models: &[Arc<Model>], all: &[Arc<Model>], table: &Arc<Table>) -> Cards {
    let known = Known::new(all);
    models.iter().map(|model| (model.id.clone(), Arc::new(card(model, table, &known)))).collect()
}
