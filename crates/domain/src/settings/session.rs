//! How one session runs, and its fields by name.

use serde::{Deserialize, Serialize};
use wire::{CacheType, FlashAttention, Sampling};

use super::devices::Devices;
use super::place::Place;
use crate::keep_alive::{KeepAlive, NoTime};
use crate::units::Bytes;

/// How one session runs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SessionSettings {
    /// Context length in tokens, at most what the model was trained for; 0 takes that.
    pub context: u32,
    /// Whether the user chose it: the store's value for the model is then ignored.
    pub is_context_chosen: Chosen,
    /// Tokens per call of llama.cpp.
    pub batch: u32,
    /// Tokens computed at once.
    pub ubatch: u32,
    /// Maximum number of concurrent answers, each with its own context.
    pub parallel: u32,
    /// One KV cache for all answers of the session rather than one for each.
    pub kv_unified: bool,
    /// The most memory for the states of prompts that had to leave their place in the KV cache.
    pub prompt_cache: Bytes,
    /// Threads; `None` takes the session's share of the budget.
    pub threads: Option<u32>,
    /// Layers on GPUs; `None` puts there what fits.
    pub gpu_layers: Option<u32>,
    /// The devices that these layers are divided among.
    #[serde(default)]
    pub devices: Devices,
    /// Type of the keys in the KV cache.
    pub cache_type_k: CacheType,
    /// Type of the values in the KV cache.
    pub cache_type_v: CacheType,
    /// Flash attention.
    pub flash_attention: FlashAttention,
    /// Map the file rather than read it.
    pub mmap: bool,
    /// Lock the weights in memory.
    pub mlock: bool,
    /// Most tokens of one answer; `None` goes on until the context is full.
    pub max_tokens: Option<u32>,
    /// What a conversation does that no longer fits the context.
    pub context_full: ContextFull,
    /// The samplers; what is `None` comes from the file, then from llama.cpp's defaults.
    pub sampling: Sampling,
    /// How long the model stays loaded.
    pub residence: Residence,
    /// Where its worker runs.
    #[serde(default)]
    pub on: Place,
}

/// How long a model stays loaded. It says nothing of how a session runs, so it makes no two settings differ.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Residence {
    /// How long without being asked; `None` takes [`KeepAlive::DEFAULT`] where a request loaded it, and for ever else.
    pub keep_alive: Option<KeepAlive>,
    /// Neither idle time nor another model unloads it.
    pub pinned: bool,
}

impl PartialEq for Residence {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The fields of [`Residence`], which say nothing of an answer.
pub const RESIDENCE: [&str; 2] = ["keep_alive", "pinned"];

/// The most memory that prompts may be kept in, MiB: a tebibyte, more than any machine of this kind has.
const MAX_PROMPT_CACHE_MIB: u32 = 1 << 20;

/// The most answers of one session at once: what llama.cpp can decode together at most.
pub const MAX_PARALLEL: u32 = 256;

/// Whether a setting was chosen rather than left at its default. It says nothing of how a session runs, so it makes no two
/// settings differ.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Chosen(pub bool);

impl PartialEq for Chosen {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a conversation does that no longer fits the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextFull {
    /// The oldest turns are left out of the prompt. They stay on the screen and in the history.
    #[default]
    DropOldest,
    /// The same; and an answer that fills the context goes on, without the older half of what stands behind the beginning.
    Shift,
    /// The prompt goes back to the editor.
    Stop,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            context: 8192,
            is_context_chosen: Chosen(false),
            batch: 2048,
            ubatch: 512,
            parallel: 1,
            kv_unified: false,
            prompt_cache: Bytes(256 << 20),
            threads: None,
            gpu_layers: None,
            devices: Devices::Auto,
            cache_type_k: CacheType::F16,
            cache_type_v: CacheType::F16,
            flash_attention: FlashAttention::Auto,
            mmap: true,
            mlock: false,
            max_tokens: None,
            context_full: ContextFull::default(),
            sampling: Sampling::default(),
            residence: Residence::default(),
            on: Place::Here,
        }
    }
}

/// One setting of a session by name: how forms, the palette and the command line change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in config.toml's `[session]`.
    pub name: &'static str,
    /// What it is, in one clause.
    pub help: &'static str,
}

/// The settings of a session, in the order of a form.
pub const SESSION_FIELDS: &[Field] = &[
    Field { name: "context", help: "context length in tokens; 0 takes what the model was trained for" },
    Field { name: "threads", help: "threads; auto uses the session's share of the budget" },
    Field { name: "gpu_layers", help: "layers to offload to the GPU; auto offloads as many as fit" },
    Field {
        name: "device",
        help: "devices for these layers: auto, none, or names such as CUDA0 here and NAME:CPU of [rpc.NAME], with commas",
    },
    Field { name: "cache_type_k", help: "type of the keys in the KV cache: f16, q8_0, q4_0 …" },
    Field { name: "cache_type_v", help: "type of the values in the KV cache: f16, q8_0, q4_0 …" },
    Field { name: "flash_attention", help: "flash attention: auto, on or off" },
    Field { name: "mmap", help: "map the file rather than read it: true or false" },
    Field { name: "mlock", help: "lock the weights in memory: true or false" },
    Field { name: "batch", help: "logical batch size, tokens" },
    Field { name: "ubatch", help: "physical batch size, tokens" },
    Field { name: "parallel", help: "most answers at once, each with a context of its own" },
    Field {
        name: "kv_unified",
        help: "one KV cache for all answers: more tokens per second at once, but an answer then depends on what else runs",
    },
    Field {
        name: "prompt_cache_mib",
        help: "memory that keeps prompts for later answers to go on from, MiB; 0 keeps only those of the last answers",
    },
    Field { name: "max_tokens", help: "longest answer in tokens; auto goes on until the context is full" },
    Field { name: "context_full", help: "when a conversation no longer fits: drop_oldest, shift or stop" },
    Field { name: "temperature", help: "sampling temperature; 0 is greedy; auto uses the file's" },
    Field { name: "top_k", help: "keep the k most likely tokens; 0 keeps all; auto uses the file's" },
    Field { name: "top_p", help: "keep the most likely tokens that together reach p; auto uses the file's" },
    Field { name: "min_p", help: "keep tokens at least p times as likely as the most likely; auto uses the file's" },
    Field {
        name: "repeat_penalty",
        help: "repetition penalty over the last 64 tokens; 1 disables it; auto uses the file's",
    },
    Field { name: "seed", help: "random seed; auto draws a new one each time" },
    Field {
        name: "keep_alive",
        help: "unload after so long without a request: 10m, 0, forever; auto: 5m if a request loaded it",
    },
    Field { name: "pinned", help: "never unload for another model or for being idle: true or false" },
    Field { name: "on", help: "where it runs: here, slurm or slurm:PARTITION" },
];

/// The word for a setting that is left to the file, the model or the budget.
pub(super) const AUTO: &str = "auto";

impl SessionSettings {
    /// The value of a field as text, as [`SessionSettings::set`] reads it; `None` for an unknown name.
    pub fn get(&self, name: &str) -> Option<String> {
        fn auto(value: Option<impl ToString>) -> String {
            value.map_or_else(|| AUTO.to_owned(), |value| value.to_string())
        }
        Some(match name {
            "context" => self.context.to_string(),
            "batch" => self.batch.to_string(),
            "ubatch" => self.ubatch.to_string(),
            "parallel" => self.parallel.to_string(),
            "kv_unified" => self.kv_unified.to_string(),
            "prompt_cache_mib" => (self.prompt_cache.0 >> 20).to_string(),
            "threads" => auto(self.threads),
            "gpu_layers" => auto(self.gpu_layers),
            "device" => self.devices.to_string(),
            "cache_type_k" => cache_type_name(self.cache_type_k).to_owned(),
            "cache_type_v" => cache_type_name(self.cache_type_v).to_owned(),
            "flash_attention" => match self.flash_attention {
                FlashAttention::Auto => AUTO,
                FlashAttention::On => "on",
                FlashAttention::Off => "off",
            }
            .to_owned(),
            "mmap" => self.mmap.to_string(),
            "mlock" => self.mlock.to_string(),
            "max_tokens" => auto(self.max_tokens),
            "context_full" => {
                let name = CONTEXT_FULL.iter().find(|(_, choice)| *choice == self.context_full);
                name.map_or("drop_oldest", |(name, _)| name).to_owned()
            }
            "temperature" => auto(self.sampling.temperature),
            "top_k" => auto(self.sampling.top_k),
            "top_p" => auto(self.sampling.top_p),
            "min_p" => auto(self.sampling.min_p),
            "repeat_penalty" => auto(self.sampling.repeat_penalty),
            "seed" => auto(self.sampling.seed),
            "keep_alive" => auto(self.residence.keep_alive),
            "pinned" => self.residence.pinned.to_string(),
            "on" => self.on.to_string(),
            _ => return None,
        })
    }

    /// Set a field from text. The error is one clause that names the valid values.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let text = text.trim();
        match name {
            "context" => {
                self.context = whole(text, 0, 1 << 24)?;
                self.is_context_chosen = Chosen(true);
            }
            "batch" => self.batch = whole(text, 1, 1 << 16)?,
            "ubatch" => self.ubatch = whole(text, 1, 1 << 16)?,
            "parallel" => self.parallel = whole(text, 1, MAX_PARALLEL)?,
            "kv_unified" => self.kv_unified = flag(text)?,
            "prompt_cache_mib" => self.prompt_cache = Bytes(u64::from(whole(text, 0, MAX_PROMPT_CACHE_MIB)?) << 20),
            "threads" => self.threads = or_auto(text, |text| whole(text, 1, 1024))?,
            "gpu_layers" => self.gpu_layers = or_auto(text, |text| whole(text, 0, 10_000))?,
            "device" => self.devices = text.parse()?,
            "cache_type_k" => self.cache_type_k = cache_type(text)?,
            "cache_type_v" => self.cache_type_v = cache_type(text)?,
            "flash_attention" => {
                self.flash_attention = match text {
                    AUTO => FlashAttention::Auto,
                    "on" | "true" => FlashAttention::On,
                    "off" | "false" => FlashAttention::Off,
                    _ => return Err("must be auto, on or off".to_owned()),
                }
            }
            "mmap" => self.mmap = flag(text)?,
            "mlock" => self.mlock = flag(text)?,
            "max_tokens" => self.max_tokens = or_auto(text, |text| whole(text, 1, u32::MAX))?,
            "context_full" => {
                // Its short name, as it is typed.
                let text = if text == "drop" { "drop_oldest" } else { text };
                let choice = CONTEXT_FULL.iter().find(|(name, _)| *name == text);
                self.context_full = choice.ok_or("must be drop_oldest, shift or stop")?.1;
            }
            "temperature" => self.sampling.temperature = or_auto(text, |text| number(text, 0.0, 10.0))?,
            "top_k" => self.sampling.top_k = or_auto(text, |text| whole(text, 0, 1_000_000))?,
            "top_p" => self.sampling.top_p = or_auto(text, |text| number(text, 0.0, 1.0))?,
            "min_p" => self.sampling.min_p = or_auto(text, |text| number(text, 0.0, 1.0))?,
            "repeat_penalty" => self.sampling.repeat_penalty = or_auto(text, |text| number(text, 0.1, 10.0))?,
            "seed" => self.sampling.seed = or_auto(text, |text| whole(text, 0, u32::MAX))?,
            "keep_alive" if text == AUTO => self.residence.keep_alive = None,
            "keep_alive" => {
                let time = text.parse().map_err(|error: NoTime| format!("{error}, or auto"))?;
                self.residence.keep_alive = Some(time);
            }
            "pinned" => self.residence.pinned = flag(text)?,
            "on" => self.on = text.parse()?,
            _ => return Err("is not a session setting".to_owned()),
        }
        Ok(())
    }
}

/// The names of the KV cache types.
pub const CACHE_TYPES: &[(&str, CacheType)] = &[
    ("f32", CacheType::F32),
    ("f16", CacheType::F16),
    ("bf16", CacheType::BF16),
    ("q8_0", CacheType::Q8_0),
    ("q5_1", CacheType::Q5_1),
    ("q5_0", CacheType::Q5_0),
    ("q4_1", CacheType::Q4_1),
    ("q4_0", CacheType::Q4_0),
];

fn cache_type_name(wanted: CacheType) -> &'static str {
    CACHE_TYPES.iter().find(|(_, kind)| *kind == wanted).map_or("f16", |(name, _)| name)
}

fn cache_type(text: &str) -> Result<CacheType, String> {
    let lower = text.to_ascii_lowercase();
    CACHE_TYPES.iter().find(|(name, _)| *name == lower).map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<_> = CACHE_TYPES.iter().map(|(name, _)| *name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn or_auto<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    match text {
        AUTO => Ok(None),
        // Other programs on llama.cpp leave it open by this.
        "-1" => parse(text).map(Some).map_err(|error| {
            let means = if error.contains("whole") { " for what -1 means elsewhere" } else { "" };
            format!("{error}, or auto{means}")
        }),
        _ => parse(text).map(Some).map_err(|error| format!("{error}, or auto")),
    }
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

fn number(text: &str, least: f32, most: f32) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("must be a number from {least} to {most}"))
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().ok().ok_or_else(|| "must be true or false".to_owned())
}

/// The names of what a conversation does that no longer fits.
pub const CONTEXT_FULL: &[(&str, ContextFull)] =
    &[("drop_oldest", ContextFull::DropOldest), ("shift", ContextFull::Shift), ("stop", ContextFull::Stop)];

/// From when on a change of a setting of a session is in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InEffect {
    /// At once.
    Now,
    /// With the next prompt.
    NextPrompt,
    /// With the next answer.
    NextAnswer,
    /// Once the model is loaded again.
    Reload,
}

/// From when on a change of the setting of this name is in effect.
pub fn in_effect(name: &str) -> InEffect {
    match name {
        "threads" | "keep_alive" | "pinned" => InEffect::Now,
        "context_full" => InEffect::NextPrompt,
        "max_tokens" | "temperature" | "top_k" | "top_p" | "min_p" | "repeat_penalty" | "seed" | "system"
        | "reasoning" | "template_options" => InEffect::NextAnswer,
        _ => InEffect::Reload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_what_it_shows() {
        let settings = SessionSettings::default();
        for field in SESSION_FIELDS {
            let text = settings.get(field.name).unwrap();
            let mut copy = settings;
            copy.set(field.name, &text).unwrap();
            assert_eq!(copy, settings, "{}", field.name);
        }
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        let mut settings = SessionSettings::default();
        for (name, text, error) in [
            ("context", "-1", "must be a whole number from 0 to 16777216"),
            ("threads", "0", "must be a whole number from 1 to 1024, or auto"),
            ("cache_type_k", "q6_k", "must be one of f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0"),
            ("top_p", "1.5", "must be a number from 0 to 1, or auto"),
            ("seed", "-1", "must be a whole number from 0 to 4294967295, or auto for what -1 means elsewhere"),
            ("temperature", "-1", "must be a number from 0 to 10, or auto"),
            ("temperature", "NaN", "must be a number from 0 to 10, or auto"),
            ("mmap", "yes", "must be true or false"),
            ("colour", "red", "is not a session setting"),
        ] {
            assert_eq!(settings.set(name, text).unwrap_err(), error);
        }
        assert_eq!(settings, SessionSettings::default());
    }
}
