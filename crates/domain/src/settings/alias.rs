//! A name of the user's own for a model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SessionSettings;

/// What a name of the user's own stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alias {
    /// The model, by its id or its name.
    pub model: String,
    /// How it runs where that is not the user's usual: fields of [`crate::settings::SESSION_FIELDS`] with values that
    /// [`SessionSettings::set`] takes.
    pub settings: BTreeMap<String, String>,
    /// The system prompt of a conversation that has none.
    pub system: Option<String>,
    /// Options of the chat template, a JSON object.
    pub template_options: Option<String>,
}

impl Alias {
    /// Its settings over others.
    #[must_use]
    pub fn over(&self, mut settings: SessionSettings) -> SessionSettings {
        for (name, value) in &self.settings {
            // They were checked when they were read.
            let _ = settings.set(name, value);
        }
        settings
    }
}
