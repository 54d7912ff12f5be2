//! The library: all models, and the stores that they were found in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Model, Store};
use crate::figure::Graded;
use crate::openness::Openness;

/// The library.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Library {
    /// All models, in no particular order.
    pub models: Vec<Arc<Model>>,
    /// How each store's scan went.
    pub stores: Vec<StoreStatus>,
    /// A scan runs.
    pub scanning: bool,
    /// How long the last one took.
    pub took: Option<Duration>,
    /// Generation speed measured here, by model id, tokens per second.
    pub measured: HashMap<String, f64>,
    /// Energy measured here, by model id, joules per generated token.
    pub measured_joules: HashMap<String, Graded>,
    /// How open the models are.
    pub openness: Openness,
}

impl Library {
    /// Take what the history knows; what was measured since the program started is newer.
    pub fn take_measured(&mut self, latest: impl IntoIterator<Item = (String, crate::record::Latest)>) {
        for (model, latest) in latest {
            if let Some(rate) = latest.rate {
                self.measured.entry(model.clone()).or_insert(rate);
            }
            if let Some(joules) = latest.joules {
                self.measured_joules.entry(model).or_insert(joules);
            }
        }
    }
}

/// A store and how its scan went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoreStatus {
    /// Which store.
    pub store: Store,
    /// The engine of another program that has the models, by its name in the settings.
    pub engine: Option<String>,
    /// Where it is.
    pub place: String,
    /// Models found there.
    pub n_models: usize,
    /// Manifests that could not be read or understood. What they name is not known, so nothing in this store may be
    /// taken for unused.
    pub broken_manifests: usize,
    /// What could not be read, with the reason; bounded.
    pub problems: Vec<String>,
}

impl StoreStatus {
    /// What it is called: its short name, or that of the engine.
    pub fn name(&self) -> &str {
        self.engine.as_deref().unwrap_or_else(|| self.store.name())
    }
}
