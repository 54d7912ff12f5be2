//! What an answer must look like.

use std::sync::Arc;

use wire::Grammar;

use crate::request::schema::Schema;

/// A form that an answer is held to.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Form {
    /// A grammar in llama.cpp's GBNF.
    Gbnf(String),
    /// A JSON schema.
    Schema(Arc<Schema>),
}

impl Form {
    /// In the form that the worker takes.
    pub fn for_worker(&self) -> Grammar {
        match self {
            Self::Gbnf(text) => Grammar::Gbnf(text.clone()),
            Self::Schema(schema) => Grammar::JsonSchema(schema.converted.clone()),
        }
    }

    /// As it was given.
    pub fn source(&self) -> Grammar {
        match self {
            Self::Gbnf(text) => Grammar::Gbnf(text.clone()),
            Self::Schema(schema) => Grammar::JsonSchema(schema.source.clone()),
        }
    }

    /// The schema, where it is one.
    pub fn schema(&self) -> Option<&Schema> {
        match self {
            Self::Gbnf(_) => None,
            Self::Schema(schema) => Some(schema),
        }
    }
}
