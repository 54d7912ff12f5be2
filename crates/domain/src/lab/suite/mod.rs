//! A suite: prompts with checks, read from a TOML file.
//!
//! Owned here: what a suite file may say, and where in it something is wrong. Absent: asking the models (`run`, and
//! `update::suite` for its course), the checks themselves (`check`), what follows from their outcomes (`tally`), and what
//! is kept of it (`results`).

pub mod answer;
pub mod check;
mod file;
pub mod plot;
pub mod results;
pub mod run;
pub mod tally;

#[cfg(test)]
mod tests;

pub use file::SuiteFile;

use serde::Deserialize;
use toml::Spanned;

use crate::request::form::Form;
use check::Check;

/// The longest suite, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;
/// The most prompts of a suite.
const MAX_PROMPTS: usize = 10_000;
/// Tokens of an answer, where neither the suite nor the prompt says.
const MAX_TOKENS: u32 = 256;

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The model that judges where a check asks for one.
    pub judge: Option<String>,
    /// 0 unless the suite says otherwise, so that a run can be repeated.
    pub temperature: f32,
    /// The prompts.
    pub prompts: Vec<Prompt>,
}

/// A prompt with its checks.
#[derive(Debug)]
pub struct Prompt {
    /// Names it within the suite.
    pub id: String,
    /// What the model is asked.
    pub text: String,
    /// What it is told before.
    pub system: Option<String>,
    /// The most tokens of its answer, reasoning included.
    pub max_tokens: u32,
    /// What the answer must look like.
    pub form: Option<Form>,
    /// The answer passes when all of them do.
    pub checks: Vec<Check>,
}

/// Something wrong in a suite file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SuiteError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, in one clause.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuite {
    name: String,
    #[serde(default)]
    description: String,
    judge: Option<String>,
    temperature: Option<f32>,
    max_tokens: Option<u32>,
    system: Option<String>,
    #[serde(default)]
    prompt: Vec<Spanned<RawPrompt>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrompt {
    id: Option<String>,
    text: String,
    system: Option<String>,
    max_tokens: Option<u32>,
    grammar: Option<String>,
    json_schema: Option<Spanned<toml::Value>>,
    #[serde(default)]
    checks: Vec<Spanned<toml::Table>>,
}

impl Suite {
    /// Read a suite.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        let at = |offset: usize, reason: String| SuiteError {
            line: 1 + text.get(..offset).map_or(0, |before| before.matches('\n').count()),
            reason,
        };
        let text = text.trim_start_matches('\u{feff}');
        let raw: RawSuite = toml::from_str(text).map_err(|error| {
            let reason = error.message().replace('\n', ", ");
            at(error.span().map_or(0, |span| span.start), reason)
        })?;
        if raw.prompt.is_empty() || raw.prompt.len() > MAX_PROMPTS {
            return Err(at(0, format!("a suite has 1 to {MAX_PROMPTS} prompts, each under [[prompt]]")));
        }
        let mut prompts: Vec<Prompt> = Vec::with_capacity(raw.prompt.len());
        for (number, prompt) in (1..).zip(raw.prompt) {
            let start = prompt.span().start;
            let prompt = prompt.into_inner();
            let id = prompt.id.unwrap_or_else(|| number.to_string());
            if prompts.iter().any(|other| other.id == id) {
                return Err(at(start, format!("another prompt is called `{id}` already")));
            }
            if prompt.text.trim().is_empty() {
                return Err(at(start, format!("prompt `{id}` has no text")));
            }
            if prompt.checks.is_empty() {
                return Err(at(start, format!("prompt `{id}` has no checks, so that nothing could pass or fail")));
            }
            let schema = prompt.json_schema.as_ref().map(|schema| {
                let value = schema.get_ref().clone();
                check::schema(value).map_err(|reason| at(schema.span().start, reason))
            });
            let form = match (prompt.grammar, schema.transpose()?) {
                (Some(_), Some(_)) => {
                    return Err(at(start, format!("prompt `{id}` has both a grammar and a JSON schema")));
                }
                (Some(gbnf), None) => Some(Form::Gbnf(gbnf)),
                (None, schema) => schema.map(Form::Schema),
            };
            let checks = prompt.checks.into_iter().map(|table| {
                let start = table.span().start;
                Check::parse(table.into_inner()).map_err(|reason| at(start, reason))
            });
            let checks = checks.collect::<Result<Vec<_>, _>>()?;
            if raw.judge.is_none() && checks.iter().any(|check| matches!(check, Check::Judge { .. })) {
                let reason = "a check asks for a judge, and the suite names no model with `judge = …`".to_owned();
                return Err(at(start, reason));
            }
            prompts.push(Prompt {
                id,
                text: prompt.text,
                system: prompt.system.or_else(|| raw.system.clone()),
                max_tokens: prompt.max_tokens.or(raw.max_tokens).unwrap_or(MAX_TOKENS),
                form,
                checks,
            });
        }
        let temperature = raw.temperature.unwrap_or(0.0);
        Ok(Self { name: raw.name, description: raw.description, judge: raw.judge, temperature, prompts })
    }
}
