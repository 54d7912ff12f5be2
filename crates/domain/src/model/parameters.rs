//! The parameters that a store wants a model to be run with.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::Sampling;

use crate::settings::SessionSettings;

/// The most stop texts that are taken, and the longest of them in bytes.
const MAX_STOPS: usize = 32;

const MAX_STOP: usize = 200;

/// Parameters about the machine, or about nothing here: that they are not used needs no word.
const OF_NO_USE: [&str; 12] = [
    "num_gpu",
    "main_gpu",
    "num_thread",
    "num_batch",
    "num_gqa",
    "num_keep",
    "use_mmap",
    "use_mlock",
    "low_vram",
    "f16_kv",
    "vocab_only",
    "numa",
];

/// What is set, each where it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Preset {
    /// The samplers.
    pub sampling: Sampling,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Context length in tokens.
    pub context: Option<u32>,
    /// Most tokens of one answer.
    pub max_tokens: Option<u32>,
    /// What is set and has no effect here, by name.
    pub unused: Vec<String>,
}

impl Preset {
    /// From the parameters of an Ollama model. What is out of range counts as not used.
    pub fn of_ollama(parameters: &Map<String, Value>) -> Self {
        let mut preset = Self::default();
        // The settings' own parser checks the range.
        let mut settings = SessionSettings::default();
        for (name, value) in parameters {
            let ours = match name.as_str() {
                "temperature" | "top_k" | "top_p" | "min_p" | "repeat_penalty" | "seed" => name.as_str(),
                "num_ctx" => "context",
                "num_predict" => "max_tokens",
                "stop" => {
                    preset.stop = stops(value);
                    continue;
                }
                name if OF_NO_USE.contains(&name) => continue,
                // No settings of a session.
                name if sampler(name, value, &mut preset.sampling) => continue,
                _ => "",
            };
            // Below 0 they leave it open.
            let is_open = matches!(ours, "seed" | "max_tokens") && value.as_i64().is_some_and(|value| value < 0);
            if !is_open && (ours.is_empty() || settings.set(ours, &text(value)).is_err()) {
                preset.unused.push(gguf::clean(name, 40));
            }
        }
        preset.sampling = over(settings.sampling, &preset.sampling);
        preset.max_tokens = settings.max_tokens;
        preset.context = settings.is_context_chosen.0.then_some(settings.context).filter(|context| *context > 0);
        preset
    }

    /// What of it is in force over these settings, by name and as text.
    pub fn in_force(&self, settings: &SessionSettings) -> Vec<(&'static str, String)> {
        let own = &settings.sampling;
        let mut all = Vec::new();
        let mut add = |name, is_open: bool, value: Option<String>| {
            if let Some(value) = value.filter(|_| is_open) {
                all.push((name, value));
            }
        };
        let float = |value: Option<f32>| value.map(|value| value.to_string());
        let whole = |value: Option<u32>| value.map(|value| value.to_string());
        add("temperature", own.temperature.is_none(), float(self.sampling.temperature));
        add("top-k", own.top_k.is_none(), whole(self.sampling.top_k));
        add("top-p", own.top_p.is_none(), float(self.sampling.top_p));
        add("min-p", own.min_p.is_none(), float(self.sampling.min_p));
        add("typical-p", own.typical_p.is_none(), float(self.sampling.typical_p));
        add("repeat penalty", own.repeat_penalty.is_none(), float(self.sampling.repeat_penalty));
        add("frequency penalty", own.frequency_penalty.is_none(), float(self.sampling.frequency_penalty));
        add("presence penalty", own.presence_penalty.is_none(), float(self.sampling.presence_penalty));
        let window = self.sampling.repeat_last_n.map(|n| if n == u32::MAX { "all".to_owned() } else { n.to_string() });
        add("repeat last n", own.repeat_last_n.is_none(), window);
        add("mirostat", own.mirostat.is_none(), whole(self.sampling.mirostat));
        add("mirostat tau", own.mirostat_tau.is_none(), float(self.sampling.mirostat_tau));
        add("mirostat eta", own.mirostat_eta.is_none(), float(self.sampling.mirostat_eta));
        add("seed", own.seed.is_none(), whole(self.sampling.seed));
        add("max tokens", settings.max_tokens.is_none(), whole(self.max_tokens));
        add("context", !settings.is_context_chosen.0, whole(self.context));
        all
    }
}

/// The samplers of `own`, and where it leaves one open that of `below`.
pub fn over(own: Sampling, below: &Sampling) -> Sampling {
    Sampling {
        temperature: own.temperature.or(below.temperature),
        top_k: own.top_k.or(below.top_k),
        top_p: own.top_p.or(below.top_p),
        min_p: own.min_p.or(below.min_p),
        typical_p: own.typical_p.or(below.typical_p),
        top_n_sigma: own.top_n_sigma.or(below.top_n_sigma),
        xtc_probability: own.xtc_probability.or(below.xtc_probability),
        xtc_threshold: own.xtc_threshold.or(below.xtc_threshold),
        repeat_penalty: own.repeat_penalty.or(below.repeat_penalty),
        frequency_penalty: own.frequency_penalty.or(below.frequency_penalty),
        presence_penalty: own.presence_penalty.or(below.presence_penalty),
        repeat_last_n: own.repeat_last_n.or(below.repeat_last_n),
        mirostat: own.mirostat.or(below.mirostat),
        mirostat_tau: own.mirostat_tau.or(below.mirostat_tau),
        mirostat_eta: own.mirostat_eta.or(below.mirostat_eta),
        seed: own.seed.or(below.seed),
    }
}

/// Take a sampler's parameter; whether it is one, and within its range.
fn sampler(name: &str, value: &Value, sampling: &mut Sampling) -> bool {
    let Ok(number) = text(value).parse::<f32>() else { return false };
    let within = |least: f32, most: f32| (least..=most).contains(&number).then_some(number);
    let (place, number) = match name {
        "typical_p" => (&mut sampling.typical_p, within(0.0, 1.0)),
        "frequency_penalty" => (&mut sampling.frequency_penalty, within(-2.0, 2.0)),
        "presence_penalty" => (&mut sampling.presence_penalty, within(-2.0, 2.0)),
        "mirostat_tau" => (&mut sampling.mirostat_tau, within(0.0, 100.0)),
        "mirostat_eta" => (&mut sampling.mirostat_eta, within(0.0, 1.0)),
        "mirostat" => {
            sampling.mirostat = [(0, "0"), (1, "1"), (2, "2")]
                .into_iter()
                .find(|(_, digit)| *digit == text(value).trim())
                .map(|(version, _)| version);
            return sampling.mirostat.is_some();
        }
        // Below 0 they look at the whole context.
        "repeat_last_n" => {
            sampling.repeat_last_n = Some(if number < 0.0 { u32::MAX } else { number as u32 });
            return true;
        }
        _ => return false,
    };
    *place = number;
    number.is_some()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 40.0 is a whole number as well.
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn stops(value: &Value) -> Vec<String> {
    let texts = match value {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text.as_str()],
        _ => Vec::new(),
    };
    texts
        .into_iter()
        .filter(|text| !text.is_empty() && text.len() <= MAX_STOP)
        .take(MAX_STOPS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_of_ollama() {
        let parameters = json!({
            "temperature": 0.2, "top_k": 20.0, "top_p": 7, "min_p": "0.1", "seed": -1, "num_ctx": 4096, "num_predict": 30,
            "stop": ["<|eot_id|>", "", "\n\n"], "mirostat": 3, "num_gpu": 99, "repeat_penalty": 1.1,
            "repeat_last_n": -1, "presence_penalty": 0.5, "frequency_penalty": 9, "tfs_z": 1,
        });
        let preset = Preset::of_ollama(parameters.as_object().unwrap());
        let sampling = Sampling {
            temperature: Some(0.2),
            top_k: Some(20),
            min_p: Some(0.1),
            repeat_penalty: Some(1.1),
            presence_penalty: Some(0.5),
            repeat_last_n: Some(u32::MAX),
            ..Sampling::OPEN
        };
        let expected = Preset {
            sampling,
            stop: vec!["<|eot_id|>".to_owned(), "\n\n".to_owned()],
            context: Some(4096),
            max_tokens: Some(30),
            unused: ["frequency_penalty", "mirostat", "tfs_z", "top_p"].map(str::to_owned).to_vec(),
        };
        assert_eq!(preset, expected);
        let mut settings = SessionSettings::default();
        settings.set("temperature", "0.9").unwrap();
        settings.set("context", "8192").unwrap();
        let names: Vec<_> = preset.in_force(&settings).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["top-k", "min-p", "repeat penalty", "presence penalty", "repeat last n", "max tokens"]);
    }

    #[test]
    fn nonsense_is_no_preset() {
        for parameters in [json!({}), json!({ "stop": 7 }), json!({ "num_predict": -1, "num_ctx": 0 })] {
            assert_eq!(Preset::of_ollama(parameters.as_object().unwrap()), Preset::default(), "{parameters}");
        }
    }
}
