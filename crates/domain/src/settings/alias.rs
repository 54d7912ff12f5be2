//! A name of the user's own for a model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SessionSettings;

/// The meaning of a user-defined model name.
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
    /// Whether a program made it, by a command: then it is kept in a file of our own, and a program may remove it.
    #[serde(default)]
    pub is_made: bool,
}

impl Alias {
    /// The longest name, in characters: that of a model is shorter.
    pub const MAX_NAME: usize = 120;

    /// Maximum number of aliases: far more than anyone needs, and each is listed to every program.
    pub const MAX: usize = 1000;

    /// What a name is, in a clause.
    pub const NAME_RULE: &str = "1 to 120 characters without spaces";

    /// Whether a program can give this name, and it reads as one word.
    pub fn is_name(name: &str) -> bool {
        (1..=Self::MAX_NAME).contains(&name.chars().count())
            && !name.chars().any(|c| c.is_whitespace() || gguf::is_harmful(c))
    }

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
