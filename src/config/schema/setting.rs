//! One setting: its name, how it is read and how it is shown.

use std::time::Duration;

use super::choices::{GRAPHS, ON_QUIT, WAIT_POLICIES};
use crate::config::value::Value;
use domain::settings::{CACHE_TYPES, CONTEXT_FULL, Settings};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its name there.
    pub key: &'static str,
    pub(super) get: fn(&Settings, &str) -> Value,
    pub(super) set: fn(&mut Settings, &str, &Value) -> Result<(), String>,
}

impl Setting {
    /// The value in force.
    pub fn get(&self, settings: &Settings) -> Value {
        (self.get)(settings, self.key)
    }

    /// Change it. The error is a clause that says what would be right.
    pub(in crate::config) fn set(&self, settings: &mut Settings, value: &Value) -> Result<(), String> {
        (self.set)(settings, self.key, value)
    }

    /// `section.key`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The words it takes, where they can be counted.
    pub fn choices(&self) -> Vec<&'static str> {
        fn names<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
            choices.iter().map(|(name, _)| *name).collect()
        }
        match (self.section, self.key) {
            ("ui", "graphs") => names(GRAPHS),
            ("ui", "on_quit") => names(ON_QUIT),
            ("engine" | "bench", "wait_policy") => names(WAIT_POLICIES),
            ("session", "cache_type_k" | "cache_type_v") => names(CACHE_TYPES),
            ("session", "flash_attention" | "reasoning") => vec!["auto", "on", "off"],
            ("session", "context_full") => names(CONTEXT_FULL),
            _ => Vec::new(),
        }
    }
}

/// A value that may be left to the program.
pub(super) fn auto<T>(value: Option<T>, show: impl FnOnce(T) -> Value) -> Value {
    value.map_or_else(|| Value::Text("auto".to_owned()), show)
}

/// A time.
pub(super) fn seconds(time: Duration) -> Value {
    Value::Number(time.as_secs().to_string())
}

/// Take a value that was read, leave the old one where it was wrong.
pub(super) fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}
