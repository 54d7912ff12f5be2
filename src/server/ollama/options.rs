//! Fields that several of Ollama's requests have.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::body::within;
use crate::server::error::{ApiError, Result};
use crate::server::limits;
use domain::keep_alive::KeepAlive;
use domain::request::form::Form;
use wire::Sampling;

/// The longest context that can be asked for, in tokens.
const MAX_CONTEXT: u32 = 1 << 24;

/// How a model runs and chooses its tokens. What is not named here is about the machine, or has no effect.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaOptions)]
pub(super) struct Options {
    /// Context length in tokens.
    num_ctx: Option<u32>,
    /// The most tokens; below 0 without a limit.
    num_predict: Option<i64>,
    /// 0 is greedy.
    temperature: Option<f32>,
    top_k: Option<i64>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    typical_p: Option<f32>,
    repeat_penalty: Option<f32>,
    /// How many of the last tokens the penalties look at: 64 where nothing is said, -1 for all.
    repeat_last_n: Option<i32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    /// 0 is off, 1 or 2 the version.
    mirostat: Option<u32>,
    mirostat_tau: Option<f32>,
    mirostat_eta: Option<f32>,
    /// The seed of the draw.
    seed: Option<i64>,
    /// Texts that end the answer.
    stop: Option<Stop>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
#[schema(as = OllamaStop)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

/// Options that make sense.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    /// Context length, where one is asked for.
    pub(super) context: Option<u32>,
    pub(super) max_tokens: Option<u32>,
    pub(super) sampling: Sampling,
    pub(super) stop: Vec<String>,
}

impl Options {
    pub(super) fn read(options: Option<Self>) -> Result<Read> {
        let options = options.unwrap_or_default();
        let stop = match options.stop {
            None => Vec::new(),
            Some(Stop::One(one)) => vec![one],
            Some(Stop::Many(many)) => many,
        };
        Ok(Read {
            context: within("options.num_ctx", options.num_ctx, 1, MAX_CONTEXT)?,
            max_tokens: options.num_predict.and_then(|most| u32::try_from(most).ok()),
            sampling: Sampling {
                temperature: within("options.temperature", options.temperature, 0.0, 10.0)?,
                // Below 0 it is left open.
                top_k: options.top_k.and_then(|top_k| u32::try_from(top_k).ok()),
                top_p: within("options.top_p", options.top_p, 0.0, 1.0)?,
                min_p: within("options.min_p", options.min_p, 0.0, 1.0)?,
                typical_p: within("options.typical_p", options.typical_p, 0.0, 1.0)?,
                repeat_penalty: within("options.repeat_penalty", options.repeat_penalty, 0.1, 10.0)?,
                repeat_last_n: limits::window("options.repeat_last_n", options.repeat_last_n)?,
                frequency_penalty: within("options.frequency_penalty", options.frequency_penalty, -2.0, 2.0)?,
                presence_penalty: within("options.presence_penalty", options.presence_penalty, -2.0, 2.0)?,
                mirostat: within("options.mirostat", options.mirostat, 0, 2)?,
                mirostat_tau: within("options.mirostat_tau", options.mirostat_tau, 0.0, 100.0)?,
                mirostat_eta: within("options.mirostat_eta", options.mirostat_eta, 0.0, 1.0)?,
                // Below 0 it is left open; seeds of 64 bits are taken by their lower half.
                seed: options.seed.filter(|seed| *seed >= 0).map(|seed| seed as u32),
                ..Sampling::OPEN
            },
            stop: limits::stop("options.stop", stop)?,
        })
    }
}

/// What an answer must look like: the word `json`, or a schema.
pub(super) fn format(format: Option<&Value>) -> Result<Option<Form>> {
    match format {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) if word.is_empty() => Ok(None),
        Some(Value::String(word)) if word == "json" => limits::json_object("format").map(Some),
        Some(schema @ Value::Object(_)) => limits::schema("format", schema).map(Some),
        Some(_) => Err(ApiError::field("format", "must be `json` or a JSON schema")),
    }
}

/// Whether the model reasons first, and what its template is told: true, false, or how much.
pub(super) fn think(think: Option<&Value>) -> Result<(Option<bool>, Option<String>)> {
    match think {
        None | Some(Value::Null) => Ok((None, None)),
        Some(Value::Bool(thinks)) => Ok((Some(*thinks), None)),
        Some(Value::String(word)) if matches!(word.as_str(), "low" | "medium" | "high" | "max") => {
            Ok((Some(true), Some(json!({"reasoning_effort": word}).to_string())))
        }
        Some(_) => Err(ApiError::field("think", "must be true, false, low, medium or high")),
    }
}

/// How long a model stays loaded: seconds as a number, or a text such as `5m`; below 0 for ever.
pub(super) fn keep_alive(value: Option<&Value>) -> Result<Option<KeepAlive>> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => String::new(),
    };
    let wrong = |_| ApiError::field("keep_alive", "must be a number of seconds, or a string such as `5m` or `-1`");
    text.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_that_models_stay_loaded() {
        let seconds = |seconds| Ok(Some(KeepAlive::For(Duration::from_secs(seconds))));
        for (value, expected) in [
            (json!(null), Ok(None)),
            (json!(0), seconds(0)),
            (json!("0"), seconds(0)),
            (json!(90), seconds(90)),
            (json!("5m"), seconds(300)),
            (json!("1h30m"), seconds(5400)),
            (json!("10s"), seconds(10)),
            (json!(-1), Ok(Some(KeepAlive::Forever))),
            (json!("-1"), Ok(Some(KeepAlive::Forever))),
            (json!("-1m"), Ok(Some(KeepAlive::Forever))),
            (json!("soon"), Err(())),
            (json!([]), Err(())),
        ] {
            assert_eq!(keep_alive(Some(&value)).map_err(drop), expected, "{value}");
        }
    }

    #[test]
    fn options_are_held_to_their_bounds() {
        let read = |value: Value| Options::read(Some(serde_json::from_value(value).unwrap()));
        let all = read(json!({
            "num_ctx": 4096, "num_predict": -1, "temperature": 0, "top_k": 20, "top_p": 0.5, "seed": 7,
            "stop": "a", "num_gpu": 1, "mirostat": 0,
        }))
        .unwrap();
        assert_eq!((all.context, all.max_tokens, all.stop), (Some(4096), None, vec!["a".to_owned()]));
        assert_eq!((all.sampling.top_k, all.sampling.seed), (Some(20), Some(7)));
        assert_eq!(read(json!({"num_predict": 0})).unwrap().max_tokens, Some(0));
        assert_eq!(read(json!({"num_ctx": 0})).unwrap_err().field.as_deref(), Some("options.num_ctx"));
        assert_eq!(read(json!({"top_p": 2})).unwrap_err().field.as_deref(), Some("options.top_p"));
    }

    #[test]
    fn what_else_a_request_says() {
        for (value, expected) in [
            (json!(true), Ok((Some(true), None))),
            (json!(false), Ok((Some(false), None))),
            (json!("low"), Ok((Some(true), Some(r#"{"reasoning_effort":"low"}"#.to_owned())))),
            (json!("some"), Err("think")),
            (json!(1), Err("think")),
        ] {
            let read = think(Some(&value)).map_err(|error| error.field.unwrap());
            assert_eq!(read, expected.map_err(str::to_owned), "{value}");
        }
        for (value, is_held) in [(json!(""), false), (json!("json"), true), (json!({"type": "object"}), true)] {
            assert_eq!(format(Some(&value)).unwrap().is_some(), is_held, "{value}");
        }
        assert_eq!(format(Some(&json!("xml"))).unwrap_err().field.as_deref(), Some("format"));
    }
}
