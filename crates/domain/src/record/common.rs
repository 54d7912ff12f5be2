//! What several kinds of records have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::settings::{RESIDENCE, SESSION_FIELDS, SessionSettings};

/// The settings that are not the defaults, by name and as text.
pub type Options = BTreeMap<String, String>;

/// A model, as documents name it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelRef {
    /// Its id.
    pub id: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Its quantization.
    pub quant: Option<String>,
    /// The path of its first file.
    pub path: Option<String>,
}

impl ModelRef {
    /// Of a model.
    pub fn of(model: &Model) -> Self {
        Self {
            id: Some(model.id.clone()),
            name: Some(model.name.clone()),
            quant: model.quant().map(str::to_owned),
            path: model.path_text().map(std::borrow::Cow::into_owned),
        }
    }
}

/// Tokens of an answer; what was not counted is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenCounts {
    /// Of the prompt, evaluated.
    pub prompt: Option<u32>,
    /// Of the prompt, in the context already; not counted in a race.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<u32>,
    /// Generated.
    pub generated: Option<u32>,
    /// Of these, reasoning.
    pub reasoning: Option<u32>,
}

/// The settings that are not the usual ones, by name and as text.
pub fn options(settings: &SessionSettings) -> Options {
    let usual = SessionSettings::default();
    let fields = SESSION_FIELDS.iter().filter(|field| !RESIDENCE.contains(&field.name)).filter_map(|field| {
        let value = settings.get(field.name).unwrap_or_default();
        (usual.get(field.name).as_ref() != Some(&value)).then(|| (field.name.to_owned(), value))
    });
    fields.collect()
}
