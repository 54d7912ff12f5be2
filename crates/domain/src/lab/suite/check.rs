//! What can be asked of an answer.

use std::fmt;
use std::sync::Arc;

use regex::Regex;
use toml::{Table, Value};

use crate::request::schema::Schema;

/// The largest compiled expression, in bytes: an expression from outside takes no more memory.
const MAX_REGEX: usize = 1 << 20;
/// The names of all checks, for what is said where one is unknown.
const NAMES: [&str; 8] =
    ["contains", "lacks", "regex", "exact", "json_schema", "number", "min_words / max_words", "judge"];

/// One check.
#[derive(Debug, Clone)]
pub enum Check {
    /// The answer contains this text, whatever its case.
    Contains(String),
    /// It does not.
    Lacks(String),
    /// The expression is found in it.
    Regex(Regex),
    /// It is this text, but for white space around it.
    Exact(String),
    /// It is a JSON document, perhaps in a fenced block, that obeys this schema.
    JsonSchema(Arc<Schema>),
    /// Its last number is this one, within the tolerance.
    Number {
        /// The number.
        value: f64,
        /// How far off it may be.
        tolerance: f64,
    },
    /// It has so many words.
    Words {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// Another model, told the question, the prompt and the answer, says yes. An opinion, and said to be one.
    Judge {
        /// What the judge is asked of the answer.
        question: String,
    },
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It did not: why, in one clause.
    Failed(String),
    /// A judge has to say.
    ToJudge,
}

impl Check {
    /// Read a check: a table with the check's name and what it needs.
    pub fn parse(table: Table) -> Result<Self, String> {
        let has = |name: &str| table.contains_key(name);
        if has("min_words") || has("max_words") {
            return words(&table);
        }
        let Some(name) = NAMES.into_iter().find(|name| has(name)) else {
            let unknown = table.keys().next().map_or_else(|| "an empty check".to_owned(), |name| format!("`{name}`"));
            return Err(format!("{unknown} is not a check; there are {}", NAMES.join(", ")));
        };
        let mut table = table;
        let value = table.remove(name).unwrap_or(Value::Boolean(false));
        let tolerance = table.remove("tolerance").filter(|_| name == "number");
        if let Some(other) = table.keys().next() {
            return Err(format!("`{other}` does not go with `{name}`; each check has a table of its own"));
        }
        let text = |value: &Value| match value {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            _ => Err(format!("`{name}` needs a text")),
        };
        Ok(match name {
            "contains" => Self::Contains(text(&value)?),
            "lacks" => Self::Lacks(text(&value)?),
            "exact" => Self::Exact(text(&value)?.trim().to_owned()),
            "judge" => Self::Judge { question: text(&value)? },
            "regex" => {
                let built = regex::RegexBuilder::new(&text(&value)?).size_limit(MAX_REGEX).build();
                // The first lines of the error draw the place, the last one says what it is.
                Self::Regex(built.map_err(|error| {
                    let error = error.to_string();
                    let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    format!("the regular expression can't be read: {reason}")
                })?)
            }
            "json_schema" => Self::JsonSchema(schema(value)?),
            _ => {
                let number = |value: &Value| match value {
                    Value::Integer(number) => Ok(*number as f64),
                    Value::Float(number) if number.is_finite() => Ok(*number),
                    _ => Err("`number` and `tolerance` need a number".to_owned()),
                };
                let tolerance = tolerance.as_ref().map_or(Ok(0.0), number)?;
                if tolerance < 0.0 {
                    return Err("a tolerance is not negative".to_owned());
                }
                Self::Number { value: number(&value)?, tolerance }
            }
        })
    }

    /// Hold an answer against it.
    pub fn check(&self, answer: &str) -> Outcome {
        let answer = answer.trim();
        let contains = |text: &str| answer.to_lowercase().contains(&text.to_lowercase());
        let reason = match self {
            Self::Contains(text) => (!contains(text)).then(|| format!("it lacks `{text}`")),
            Self::Lacks(text) => contains(text).then(|| format!("it contains `{text}`")),
            Self::Regex(regex) => (!regex.is_match(answer)).then(|| format!("`{regex}` is not found in it")),
            Self::Exact(text) => (answer != text).then(|| format!("it is not `{text}`")),
            Self::JsonSchema(schema) => {
                schema.breach(unfenced(answer)).map(|breach| format!("it breaks the schema: {breach}"))
            }
            Self::Number { value, tolerance } => match last_number(answer) {
                Some(number) if (number - value).abs() <= *tolerance + f64::EPSILON * value.abs() => None,
                Some(number) => Some(format!("it says {number}, not {value}")),
                None => Some(format!("it has no number, where {value} was expected")),
            },
            Self::Words { min, max } => {
                let count = answer.split_whitespace().count();
                (!(min..=max).contains(&&count)).then(|| format!("it has {count} words"))
            }
            Self::Judge { .. } => return Outcome::ToJudge,
        };
        reason.map_or(Outcome::Passed, Outcome::Failed)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(text) => write!(f, "contains `{text}`"),
            Self::Lacks(text) => write!(f, "lacks `{text}`"),
            Self::Regex(regex) => write!(f, "matches `{regex}`"),
            Self::Exact(text) => write!(f, "is `{text}`"),
            Self::JsonSchema(_) => f.write_str("obeys the JSON schema"),
            Self::Number { value, tolerance } if *tolerance > 0.0 => write!(f, "is {value} ± {tolerance}"),
            Self::Number { value, .. } => write!(f, "is {value}"),
            Self::Words { min, max } if *max == usize::MAX => write!(f, "has at least {min} words"),
            Self::Words { min, max } => write!(f, "has {min} to {max} words"),
            Self::Judge { question } => write!(f, "a judge finds: {question}"),
        }
    }
}

fn words(table: &Table) -> Result<Check, String> {
    if let Some(other) = table.keys().find(|name| !["min_words", "max_words"].contains(&name.as_str())) {
        return Err(format!("`{other}` does not go with `min_words` and `max_words`"));
    }
    let count = |name: &str, otherwise: usize| match table.get(name) {
        None => Ok(otherwise),
        Some(Value::Integer(count)) if *count >= 0 => Ok(usize::try_from(*count).unwrap_or(usize::MAX)),
        Some(_) => Err(format!("`{name}` needs a whole number")),
    };
    let (min, max) = (count("min_words", 0)?, count("max_words", usize::MAX)?);
    if min > max { Err(format!("no answer has {min} words and at most {max}")) } else { Ok(Check::Words { min, max }) }
}

/// A JSON schema, as a table or as JSON text.
pub(super) fn schema(value: Value) -> Result<Arc<Schema>, String> {
    let text = match value {
        Value::String(text) => text,
        value => serde_json::to_string(&value).map_err(|error| format!("the schema is not JSON: {error}"))?,
    };
    Schema::parse(&text).map(Arc::new).map_err(|problem| format!("the schema can't be used: {problem}"))
}

/// What stands in the first fenced block, or all of it where there is none.
fn unfenced(text: &str) -> &str {
    let Some((_, inside)) = text.split_once("```") else { return text };
    let inside = inside.split_once('\n').map_or(inside, |(_, rest)| rest);
    inside.split_once("```").map_or(inside, |(block, _)| block)
}

/// The last number in a text: `1,234.5`, `-3`, `2e6`.
fn last_number(text: &str) -> Option<f64> {
    let mut numbers = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let before = &text[..text.len() - rest.len() + start];
        // A minus counts where no word or number stands before it: `5-3` has 5 and 3.
        let is_negative = before.ends_with(['-', '−'])
            && !before.trim_end_matches(['-', '−']).ends_with(|c: char| c.is_alphanumeric());
        let digits = rest[start..].find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '_')));
        let (number, after) = rest[start..].split_at(digits.unwrap_or(rest.len() - start));
        let exponent = exponent(after);
        let plain: String =
            number.trim_end_matches(['.', ',', '_']).chars().filter(|c| !matches!(c, ',' | '_')).collect();
        if let Ok(number) = format!("{plain}{exponent}").parse::<f64>() {
            numbers.push(if is_negative { -number } else { number });
        }
        rest = &after[exponent.len()..];
    }
    numbers.pop()
}

/// `e6` or `e-6` at the start of a text.
fn exponent(text: &str) -> &str {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return "" };
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    if digits == 0 { "" } else { &text[..text.len() - unsigned.len() + digits] }
}
