//! A model that takes part in a race or in the scoring of a text.

use std::sync::Arc;

use crate::admission::settings_for;
use crate::model::Model;
use crate::settings::SessionSettings;

/// The most tokens of an answer where the settings leave it open. A model that never ends its turn would fill its whole
/// context while the others wait.
pub const MAX_TOKENS: u32 = 1024;

/// The seed of all columns where the settings leave it open.
pub const SEED: u32 = 1;

/// A column of the next race.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// The model.
    pub model: Arc<Model>,
    /// How it runs.
    pub settings: SessionSettings,
}

impl Entry {
    /// A column with the settings of a race: the likeliest token always, the same seed for all, answers of bounded
    /// length. What the settings say themselves holds.
    pub fn new(model: Arc<Model>, mut settings: SessionSettings) -> Self {
        settings.sampling.temperature.get_or_insert(0.0);
        settings.sampling.seed.get_or_insert(SEED);
        settings.max_tokens.get_or_insert(MAX_TOKENS);
        let settings = settings_for(&model, settings);
        Self { model, settings }
    }
}
