//! What a store wants a model to be run with: the parameters, the system prompt and the first messages of an Ollama model.
//!
//! The user's own settings go before it, and it goes before what the model's file says and llama.cpp's defaults.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{Message, Role, Sampling};

use crate::model::{Model, Store};
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
        // The settings' own parser says what is in range.
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
                _ => "",
            };
            // Below 0 they leave it open.
            let is_open = matches!(ours, "seed" | "max_tokens") && value.as_i64().is_some_and(|value| value < 0);
            if !is_open && (ours.is_empty() || settings.set(ours, &text(value)).is_err()) {
                preset.unused.push(gguf::clean(name, 40));
            }
        }
        preset.sampling = settings.sampling;
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
        add("repeat penalty", own.repeat_penalty.is_none(), float(self.sampling.repeat_penalty));
        add("seed", own.seed.is_none(), whole(self.sampling.seed));
        add("max tokens", settings.max_tokens.is_none(), whole(self.max_tokens));
        add("context", !settings.is_context_chosen.0, whole(self.context));
        all
    }
}

/// What a model's store wants it to be run with, as far as it is in force and as far as it is not: a line each.
pub fn lines(model: &Model, settings: &SessionSettings, takes_system: bool, takes_stop: bool) -> Vec<String> {
    let Some(preset) = model.preset() else { return Vec::new() };
    // No other store has such.
    let store = Store::Ollama.name();
    let mut parts: Vec<String> =
        preset.in_force(settings).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
    if takes_stop && !preset.stop.is_empty() {
        parts.push(format!("stop {}", quoted(&preset.stop)));
    }
    if let Some(system) = model.system().filter(|_| takes_system) {
        parts.push(format!("system prompt {}", gguf::clean(&format!("{system:?}"), 80)));
    }
    match model.messages().len() {
        0 => {}
        1 => parts.push("1 message before the conversation".to_owned()),
        count => parts.push(format!("{count} messages before the conversation")),
    }
    let mut lines = Vec::new();
    if !parts.is_empty() {
        lines.push(format!("from {store}: {}", parts.join(", ")));
    }
    if !preset.unused.is_empty() {
        lines.push(format!("of {store}'s parameters these are not used: {}", preset.unused.join(", ")));
    }
    lines
}

/// A conversation with what the model's store puts before it: the system prompt, unless the conversation has one (an empty
/// one means none), and the first messages. Further system messages of the store's go behind the system prompt, since
/// many templates take one at the begin alone; and of two messages in a row by one role one is made.
pub fn conversation(model: &Model, own: &[Message]) -> Vec<Message> {
    let is_system = |message: &&Message| message.role == Role::System;
    let mut systems: Vec<Cow<'_, str>> = own.iter().filter(is_system).map(Message::text).collect();
    if systems.is_empty() {
        systems.extend(model.system().map(Cow::Borrowed));
    }
    let first = model.messages();
    systems.extend(first.iter().filter(is_system).map(Message::text));
    systems.retain(|text| !text.is_empty());
    let mut all = Vec::new();
    if !systems.is_empty() {
        all.push(Message::new(Role::System, systems.join("\n\n")));
    }
    for message in first.iter().chain(own).filter(|message| message.role != Role::System) {
        match all.last_mut() {
            Some(last) if last.takes(message) => last.push_text(&message.text()),
            _ => all.push(message.clone()),
        }
    }
    all
}

/// The samplers of `own`, and where it leaves one open that of `below`.
pub fn over(own: Sampling, below: &Sampling) -> Sampling {
    Sampling {
        temperature: own.temperature.or(below.temperature),
        top_k: own.top_k.or(below.top_k),
        top_p: own.top_p.or(below.top_p),
        min_p: own.min_p.or(below.min_p),
        repeat_penalty: own.repeat_penalty.or(below.repeat_penalty),
        seed: own.seed.or(below.seed),
    }
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

/// Texts as a line shows them: quoted, control characters escaped.
pub(super) fn quoted(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| gguf::clean(&format!("{:?}", text.as_ref()), 60)).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Card;

    #[test]
    fn parameters_of_ollama() {
        let parameters = json!({
            "temperature": 0.2, "top_k": 20.0, "top_p": 7, "min_p": "0.1", "seed": -1, "num_ctx": 4096, "num_predict": 30,
            "stop": ["<|eot_id|>", "", "\n\n"], "mirostat": 2, "num_gpu": 99, "repeat_penalty": 1.1,
        });
        let preset = Preset::of_ollama(parameters.as_object().unwrap());
        let sampling = Sampling {
            temperature: Some(0.2),
            top_k: Some(20),
            top_p: None,
            min_p: Some(0.1),
            repeat_penalty: Some(1.1),
            seed: None,
        };
        let expected = Preset {
            sampling,
            stop: vec!["<|eot_id|>".to_owned(), "\n\n".to_owned()],
            context: Some(4096),
            max_tokens: Some(30),
            unused: vec!["mirostat".to_owned(), "top_p".to_owned()],
        };
        assert_eq!(preset, expected);
        let mut settings = SessionSettings::default();
        settings.set("temperature", "0.9").unwrap();
        settings.set("context", "8192").unwrap();
        let names: Vec<_> = preset.in_force(&settings).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["top-k", "min-p", "repeat penalty", "max tokens"]);
    }

    #[test]
    fn messages_of_the_store_go_before_the_conversation() {
        use Role::{Assistant, System, User};
        let said = |said: &[(Role, &str)]| -> Vec<Message> {
            said.iter().map(|&(role, text)| Message::new(role, text)).collect()
        };
        let examples: &[(Role, &str)] = &[(User, "Ahoy"), (Assistant, "Arr")];
        for (system, first, own, expected) in [
            (None, &[][..], &[(User, "Hi")][..], &[(User, "Hi")][..]),
            (Some("S"), examples, &[(User, "Hi")], &[(System, "S"), (User, "Ahoy"), (Assistant, "Arr"), (User, "Hi")]),
            // The user's own system prompt is in place of the store's, and an empty one in place of none.
            (
                Some("S"),
                examples,
                &[(System, "T"), (User, "Hi")],
                &[(System, "T"), (User, "Ahoy"), (Assistant, "Arr"), (User, "Hi")],
            ),
            (Some("S"), &[], &[(System, ""), (User, "Hi")], &[(User, "Hi")]),
            (Some("S"), &[(System, "More")], &[(User, "Hi")], &[(System, "S\n\nMore"), (User, "Hi")]),
            (None, &[(User, "Ahoy")], &[(User, "Hi")], &[(User, "Ahoy\n\nHi")]),
        ] {
            let card = Card { system: system.map(str::to_owned), messages: said(first), ..Card::default() };
            let model = Model { card: Some(Box::new(card)), ..crate::testing::model("m") };
            assert_eq!(conversation(&model, &said(own)), said(expected), "{system:?} {first:?} {own:?}");
        }
    }

    #[test]
    fn nonsense_is_no_preset() {
        for parameters in [json!({}), json!({ "stop": 7 }), json!({ "num_predict": -1, "num_ctx": 0 })] {
            assert_eq!(Preset::of_ollama(parameters.as_object().unwrap()), Preset::default(), "{parameters}");
        }
    }
}
