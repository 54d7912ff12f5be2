//! JSON schemas that an answer is held to.
//!
//! Owned here: what is wrong with a schema, by keyword and place; the schema as llama.cpp's converter takes it; and whether
//! an answer obeys. Absent: the converter, which is the worker's. It knows a part of JSON Schema and ignores the rest, so
//! that an answer may break its schema: `rewrite` says which keywords are not held while the answer is written, and
//! [`Schema::breach`] finds what came of it.

mod error;
mod merge;
mod pattern;
mod reference;
mod rewrite;
mod types;

#[cfg(test)]
mod tests;

use error::MAX_BREACH;
pub use error::SchemaError;

use std::sync::Arc;

use serde_json::Value;

/// The longest schema, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Maximum number of breaches reported.
const MAX_BREACHES: usize = 3;
/// A schema that can be used.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Schema {
    /// As it was given.
    pub source: String,
    /// As llama.cpp's converter takes it: it allows what the source allows, or more.
    pub converted: String,
    /// What is not held while an answer is written: keywords with their places, such as `uniqueItems at #/items`.
    pub loose: Vec<String>,
    validator: Arc<jsonschema::Validator>,
}

impl From<Schema> for String {
    fn from(schema: Schema) -> Self {
        schema.source
    }
}

impl TryFrom<String> for Schema {
    type Error = SchemaError;

    fn try_from(source: String) -> Result<Self, SchemaError> {
        Self::parse(&source)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Schema {
    /// Read a schema.
    pub fn parse(source: &str) -> Result<Self, SchemaError> {
        if source.len() > MAX_BYTES {
            return Err(SchemaError::new("#", format!("the schema has more than {MAX_BYTES} bytes")));
        }
        let value: Value =
            serde_json::from_str(source).map_err(|error| SchemaError::new("#", format!("no JSON: {error}")))?;
        if !value.is_object() && !value.is_boolean() {
            return Err(SchemaError::new("#", "a JSON schema is an object, or true or false"));
        }
        // References first: the validator follows them without end.
        let (converted, loose) = {
            check_keywords(&value)?;
            rewrite::rewrite(&value)?
        };
        let validator = jsonschema::validator_for(&value).map_err(|error| problem(&error))?;
        Ok(Self { source: source.to_owned(), converted: converted.to_string(), loose, validator: Arc::new(validator) })
    }

    /// What of the schema an answer breaks, in one clause; `None` where it obeys.
    pub fn breach(&self, answer: &str) -> Option<String> {
        let value = match serde_json::from_str::<Value>(answer.trim()) {
            Ok(value) => value,
            Err(_) if answer.trim().is_empty() => return Some("it is empty".to_owned()),
            Err(error) if error.is_eof() => return Some("it ends before its JSON does".to_owned()),
            Err(error) => return Some(gguf::clean(&format!("it is no JSON: {error}"), MAX_BREACH)),
        };
        let errors: Vec<String> = self
            .validator
            .iter_errors(&value)
            .take(MAX_BREACHES)
            .map(|error| match error.instance_path().to_string() {
                place if place.is_empty() => error.to_string(),
                place => format!("{place}: {error}"),
            })
            .map(|text| gguf::clean(&text, MAX_BREACH))
            .collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// What a validator says of a value that was read elsewhere.
    pub fn validator(&self) -> &Arc<jsonschema::Validator> {
        &self.validator
    }
}

/// Hold a schema against the schema of schemas: misspelt types, numbers where texts belong.
fn check_keywords(value: &Value) -> Result<(), SchemaError> {
    jsonschema::meta::options().validate(value).map_err(|error| {
        let place = error.instance_path().to_string();
        let keyword = place.rsplit('/').next().unwrap_or_default();
        SchemaError::new(format!("#{place}"), format!("`{keyword}`: {error}"))
    })
}

/// Why a validator could not be made.
fn problem(error: &jsonschema::ValidationError<'_>) -> SchemaError {
    SchemaError::new(format!("#{}", error.instance_path()), error.to_string())
}
