//! What a request may ask at most. Each bound is far above what a sensible client needs, and keeps one request from taking
//! the machine.

use std::sync::Arc;

use domain::request::form::Form;
use domain::request::schema::Schema;
use serde_json::{Value, json};
use wire::Tool;

use super::error::{ApiError, Result};

/// The most answers to one request: each takes a sequence, or waits for one.
pub(super) const N: u32 = 16;
/// The most messages of a conversation.
pub(super) const MESSAGES: usize = 100_000;
/// The longest prompt, in bytes: ten times a context of a million tokens.
pub(super) const PROMPT: usize = 32 << 20;
/// The most stop texts, and the longest of them in bytes.
const STOPS: usize = 64;
const STOP: usize = 1024;
/// The longest grammar, in bytes.
const GRAMMAR: usize = 1 << 20;
/// How deep a schema may be nested: its converter recurses.
const SCHEMA_DEPTH: usize = 64;
/// The most tokens that are biased.
pub(super) const LOGIT_BIAS: usize = 1024;
/// The most tools.
pub(super) const TOOLS: usize = 1024;
/// The longest name of a tool, in bytes.
pub(super) const TOOL_NAME: usize = 256;

/// A text that is no longer than this, in bytes.
pub(super) fn text(field: &str, text: &str, most: usize) -> Result<()> {
    if text.len() <= most { Ok(()) } else { Err(ApiError::field(field, format!("must be at most {most} bytes"))) }
}

/// Texts that end an answer. Empty ones end none.
pub(super) fn stop(field: &str, mut stop: Vec<String>) -> Result<Vec<String>> {
    stop.retain(|text| !text.is_empty());
    if stop.len() > STOPS {
        return Err(ApiError::field(field, format!("must be at most {STOPS} strings")));
    }
    stop.iter().try_for_each(|one| text(field, one, STOP))?;
    Ok(stop)
}

/// How many of the last tokens penalties look at; -1 stands for all of the context.
pub(super) fn window(field: &str, n_tokens: Option<i32>) -> Result<Option<u32>> {
    let n_tokens = super::body::within(field, n_tokens, -1, i32::MAX)?;
    Ok(n_tokens.map(|n_tokens| u32::try_from(n_tokens).unwrap_or(u32::MAX)))
}

/// A grammar that an answer must follow; an empty one leaves it free.
pub(super) fn grammar(field: &str, grammar: Option<String>) -> Result<Option<Form>> {
    let Some(grammar) = grammar.filter(|grammar| !grammar.trim().is_empty()) else { return Ok(None) };
    text(field, &grammar, GRAMMAR)?;
    Ok(Some(Form::Gbnf(grammar)))
}

/// A schema that an answer must obey.
pub(super) fn schema(field: &str, schema: &Value) -> Result<Form> {
    if depth(schema) > SCHEMA_DEPTH {
        return Err(ApiError::field(field, format!("is nested deeper than {SCHEMA_DEPTH}")));
    }
    let parsed = Schema::parse(&schema.to_string());
    parsed
        .map(|schema| Form::Schema(Arc::new(schema)))
        .map_err(|error| ApiError::field(field, format!("is not a usable schema: {error}")))
}

/// An answer that is any JSON object.
pub(super) fn json_object(field: &str) -> Result<Form> {
    schema(field, &json!({"type": "object"}))
}

/// A tool that a model may call, at this place of the request; its arguments' schema is called differently.
pub(super) fn tool(
    field: &str,
    schema: &str,
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
) -> Result<Tool> {
    if name.is_empty() || name.len() > TOOL_NAME {
        return Err(ApiError::field(format!("{field}.name"), format!("must have 1 to {TOOL_NAME} bytes")));
    }
    let parameters = parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    if !parameters.is_object() || depth(&parameters) > SCHEMA_DEPTH {
        let message = format!("must be a JSON schema nested at most {SCHEMA_DEPTH} deep");
        return Err(ApiError::field(format!("{field}.{schema}"), message));
    }
    Ok(Tool { name, description: description.unwrap_or_default(), parameters: parameters.to_string() })
}

/// How deep a value is nested. JSON that was read is nested 128 deep at most.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_by_name() {
        for (result, expected) in [
            (stop("stop", vec!["a".to_owned(); STOPS + 1]).map(drop), Some("`stop` must be at most 64 strings")),
            (stop("stop", vec!["a".repeat(STOP + 1)]).map(drop), Some("`stop` must be at most 1024 bytes")),
            (stop("stop", vec![String::new(); STOPS + 1]).map(drop), None),
            (
                grammar("grammar", Some("x".repeat(GRAMMAR + 1))).map(drop),
                Some("`grammar` must be at most 1048576 bytes"),
            ),
            (schema("format", &deep_schema()).map(drop), Some("`format` is nested deeper than 64")),
            (
                schema("format", &json!(3)).map(drop),
                Some("`format` is not a usable schema: #: a JSON schema is an object, or true or false"),
            ),
            (json_object("format").map(drop), None),
        ] {
            assert_eq!(result.err().map(|error| error.message).as_deref(), expected);
        }
    }

    fn deep_schema() -> Value {
        (0..SCHEMA_DEPTH).fold(json!({}), |inner, _| json!({"items": inner}))
    }
}
