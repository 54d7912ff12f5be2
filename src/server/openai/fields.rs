//! Fields that several of `OpenAI`'s requests have.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::body::within;
use crate::server::error::{ApiError, Result};
use crate::server::limits;
use domain::request::form::Form;
use wire::{LogitBias, Sampling, Token};

/// The likeliest tokens that a worker is asked for: `OpenAI`'s API tells how likely a token was that is among these.
pub(super) const N_LIKELY: u32 = 20;
/// What it tells of all others.
const UNLIKELY: f64 = -9999.0;

/// One text or several.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }

    /// Texts that end an answer.
    pub(super) fn stop(stop: Option<Self>) -> Result<Vec<String>> {
        limits::stop("stop", stop.map(Self::into_vec).unwrap_or_default())
    }
}

/// What a stream holds besides the answer.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
pub(super) struct StreamOptions {
    /// Tell the usage in a chunk of its own at the end.
    include_usage: Option<bool>,
}

impl StreamOptions {
    pub(super) fn include_usage(options: Option<&Self>) -> bool {
        options.is_some_and(|options| options.include_usage == Some(true))
    }
}

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Samplers {
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) top_k: Option<u32>,
    pub(super) min_p: Option<f32>,
    pub(super) typical_p: Option<f32>,
    pub(super) top_n_sigma: Option<f32>,
    pub(super) xtc_probability: Option<f32>,
    pub(super) xtc_threshold: Option<f32>,
    pub(super) repeat_penalty: Option<f32>,
    pub(super) repeat_last_n: Option<i32>,
    pub(super) frequency_penalty: Option<f32>,
    pub(super) presence_penalty: Option<f32>,
    pub(super) mirostat: Option<u32>,
    pub(super) mirostat_tau: Option<f32>,
    pub(super) mirostat_eta: Option<f32>,
    pub(super) seed: Option<i64>,
}

impl Samplers {
    pub(super) fn read(self) -> Result<Sampling> {
        Ok(Sampling {
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            top_k: within("top_k", self.top_k, 0, 1_000_000)?,
            min_p: within("min_p", self.min_p, 0.0, 1.0)?,
            typical_p: within("typical_p", self.typical_p, 0.0, 1.0)?,
            top_n_sigma: within("top_n_sigma", self.top_n_sigma, -1.0, 1000.0)?.map(|sigma| sigma.max(0.0)),
            xtc_probability: within("xtc_probability", self.xtc_probability, 0.0, 1.0)?,
            xtc_threshold: within("xtc_threshold", self.xtc_threshold, 0.0, 1.0)?,
            repeat_penalty: within("repeat_penalty", self.repeat_penalty, 0.1, 10.0)?,
            repeat_last_n: limits::window("repeat_last_n", self.repeat_last_n)?,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            mirostat: within("mirostat", self.mirostat, 0, 2)?,
            mirostat_tau: within("mirostat_tau", self.mirostat_tau, 0.0, 100.0)?,
            mirostat_eta: within("mirostat_eta", self.mirostat_eta, 0.0, 1.0)?,
            // Seeds of 64 bits are taken by their lower half.
            seed: self.seed.map(|seed| seed as u32),
        })
    }
}

/// Tokens that are made more or less likely: their numbers, as texts, with what is added to their logits.
pub(super) fn logit_bias(bias: Option<BTreeMap<String, f32>>) -> Result<Vec<LogitBias>> {
    let bias = bias.unwrap_or_default();
    if bias.len() > limits::LOGIT_BIAS {
        return Err(ApiError::field("logit_bias", format!("must have at most {} tokens", limits::LOGIT_BIAS)));
    }
    let read = |(token, bias): (String, f32)| {
        let wrong = || ApiError::field("logit_bias", "must map the numbers of tokens to biases from -100 to 100");
        let Ok(token) = token.parse() else { return Err(wrong()) };
        if (-100.0..=100.0).contains(&bias) { Ok(LogitBias { token, bias }) } else { Err(wrong()) }
    };
    bias.into_iter().map(read).collect()
}

/// What an answer must look like.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub(super) struct ResponseFormat {
    /// `text`, `json_object` or `json_schema`.
    r#type: String,
    /// For the last one.
    json_schema: Option<JsonSchema>,
}

/// A schema with its name.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub(super) struct JsonSchema {
    /// The schema.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
}

impl ResponseFormat {
    pub(super) fn read(format: Option<Self>) -> Result<Option<Form>> {
        let Some(format) = format else { return Ok(None) };
        match (format.r#type.as_str(), format.json_schema) {
            ("text", _) => Ok(None),
            ("json_object", _) => limits::json_object("response_format").map(Some),
            ("json_schema", Some(JsonSchema { schema: Some(schema) })) => {
                limits::schema("response_format.json_schema.schema", &schema).map(Some)
            }
            ("json_schema", _) => Err(ApiError::field("response_format.json_schema.schema", "is missing")),
            _ => Err(ApiError::field("response_format.type", "must be one of text, json_object, json_schema")),
        }
    }
}

/// How likely tokens were, in the two shapes that there are.
pub(super) struct Logprobs;

impl Logprobs {
    /// As chat completions have it, with so many of the likeliest each.
    pub(super) fn chat(tokens: &[Token], n_top: usize) -> Vec<Value> {
        let entry = |bytes: &[u8], logprob: f64| json!({"token": String::from_utf8_lossy(bytes), "bytes": bytes, "logprob": logprob});
        let one = |token: &Token| {
            let mut all = entry(&token.bytes, logprob(token));
            let top = token.top_logprobs.iter().take(n_top);
            let top: Vec<Value> = top.map(|top| entry(&top.bytes, ln(top.probability))).collect();
            all["top_logprobs"] = json!(top);
            all
        };
        tokens.iter().map(one).collect()
    }

    /// As completions have it. The first token begins at this offset of the text in characters, which becomes that behind
    /// the last.
    pub(super) fn legacy(tokens: &[Token], n_top: usize, offset: &mut usize) -> Value {
        let (mut texts, mut logprobs, mut tops, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for token in tokens {
            let text = String::from_utf8_lossy(&token.bytes).into_owned();
            let top = token.top_logprobs.iter().take(n_top);
            let top: serde_json::Map<String, Value> =
                top.map(|top| (String::from_utf8_lossy(&top.bytes).into_owned(), json!(ln(top.probability)))).collect();
            logprobs.push(logprob(token));
            offsets.push(*offset);
            *offset += text.chars().count();
            texts.push(text);
            tops.push(top);
        }
        json!({"tokens": texts, "token_logprobs": logprobs, "top_logprobs": tops, "text_offset": offsets})
    }
}

/// How likely the token was that came.
fn logprob(token: &Token) -> f64 {
    let own = token.top_logprobs.iter().find(|top| top.bytes == token.bytes);
    own.map_or(UNLIKELY, |own| ln(own.probability))
}

/// JSON has no infinity.
fn ln(probability: f32) -> f64 {
    f64::from(probability).ln().max(UNLIKELY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::TopLogprob;

    fn token(bytes: &[u8], top: &[(&[u8], f32)]) -> Token {
        let top =
            top.iter().map(|(bytes, probability)| TopLogprob { bytes: bytes.to_vec(), probability: *probability });
        Token { bytes: bytes.to_vec(), top_logprobs: top.collect() }
    }

    #[test]
    fn probabilities_have_the_shape_of_their_api() {
        let tokens = [token(b"a\xc3\xa9", &[(b"b", 0.5), (b"a\xc3\xa9", 0.25)]), token(b"\xf0\x9f", &[(b"c", 1.0)])];
        let (half, quarter) = (0.5f64.ln(), 0.25f64.ln());
        assert_eq!(
            json!(Logprobs::chat(&tokens, 1)),
            json!([
                {"token": "aé", "bytes": [97, 195, 169], "logprob": quarter,
                 "top_logprobs": [{"token": "b", "bytes": [98], "logprob": half}]},
                {"token": "\u{fffd}", "bytes": [240, 159], "logprob": UNLIKELY,
                 "top_logprobs": [{"token": "c", "bytes": [99], "logprob": 0.0}]},
            ])
        );
        let mut offset = 3;
        assert_eq!(
            Logprobs::legacy(&tokens, 2, &mut offset),
            json!({
                "tokens": ["aé", "\u{fffd}"],
                "token_logprobs": [quarter, UNLIKELY],
                "top_logprobs": [{"b": half, "aé": quarter}, {"c": 0.0}],
                "text_offset": [3, 5],
            })
        );
        assert_eq!(offset, 6);
    }

    #[test]
    fn formats() {
        for (format, expected) in [
            (json!({"type": "text"}), Ok(false)),
            (json!({"type": "json_object"}), Ok(true)),
            (json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}), Ok(true)),
            (json!({"type": "json_schema"}), Err("response_format.json_schema.schema")),
            (
                json!({"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}),
                Err("response_format.json_schema.schema"),
            ),
            (json!({"type": "xml"}), Err("response_format.type")),
        ] {
            let read = ResponseFormat::read(Some(serde_json::from_value(format.clone()).unwrap()));
            let is_held = read.map(|form| form.is_some()).map_err(|error| error.field.unwrap());
            assert_eq!(is_held, expected.map_err(str::to_owned), "{format}");
        }
    }
}
