//! Settings for a conversation's prompt: the system prompt, whether the model reasons, and template variables.
//!
//! Separate from [`SessionSettings`](super::SessionSettings), since it belongs to a conversation and moves with it
//! from one session to another.

use serde::{Deserialize, Serialize};

use super::session::{AUTO, Field};

/// The longest system prompt, and the longest template options, in bytes: more than the largest context holds is of no use.
pub const MAX_SYSTEM: usize = 1 << 20;

/// Settings for a conversation's prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatSettings {
    /// The system prompt; `None` takes that of the model's store, an empty one leaves it out.
    pub system: Option<String>,
    /// Whether the model reasons first, where its template lets that be chosen; `None` leaves it to the template.
    pub reasoning: Option<bool>,
    /// Further variables for the template: a JSON object as text.
    pub template_options: Option<String>,
}

/// The fields of [`ChatSettings`], in the order of a form.
pub const CHAT_FIELDS: &[Field] = &[
    Field { name: "system", help: "system prompt; auto takes the model's own, an empty one none" },
    Field { name: "reasoning", help: "whether the model reasons first: on, off, or auto as its template says" },
    Field { name: "template_options", help: "variables for the chat template as a JSON object; auto sets none" },
];

impl ChatSettings {
    /// The value of a field as text, as [`ChatSettings::set`] reads it; `None` for an unknown name.
    pub fn get(&self, name: &str) -> Option<String> {
        let auto = || AUTO.to_owned();
        Some(match name {
            "system" => self.system.clone().unwrap_or_else(auto),
            "reasoning" => match self.reasoning {
                None => auto(),
                Some(true) => "on".to_owned(),
                Some(false) => "off".to_owned(),
            },
            "template_options" => self.template_options.clone().unwrap_or_else(auto),
            _ => return None,
        })
    }

    /// Set a field from text. The error is one clause that names the valid values.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        if text.len() > MAX_SYSTEM {
            return Err(format!("must be no longer than {MAX_SYSTEM} bytes"));
        }
        let is_auto = text.trim() == AUTO;
        match name {
            "system" => self.system = (!is_auto).then(|| text.to_owned()),
            "reasoning" => {
                self.reasoning = match text.trim() {
                    AUTO => None,
                    "on" | "true" => Some(true),
                    "off" | "false" => Some(false),
                    _ => return Err("must be on, off or auto".to_owned()),
                }
            }
            "template_options" if is_auto || text.trim().is_empty() => self.template_options = None,
            "template_options" => {
                let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(text);
                if object.is_err() {
                    return Err("must be a JSON object such as {\"enable_thinking\": false}, or auto".to_owned());
                }
                self.template_options = Some(text.trim().to_owned());
            }
            _ => return Err("is not a setting of a conversation".to_owned()),
        }
        Ok(())
    }

    /// Whether a setting of this name is one of a conversation.
    pub fn has(name: &str) -> bool {
        CHAT_FIELDS.iter().any(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_what_it_shows() {
        let full = ChatSettings {
            system: Some("Be brief.\nAlways.".to_owned()),
            reasoning: Some(false),
            template_options: Some("{\"a\": 1}".to_owned()),
        };
        for settings in [ChatSettings::default(), full] {
            for field in CHAT_FIELDS {
                let mut copy = settings.clone();
                copy.set(field.name, &settings.get(field.name).unwrap()).unwrap();
                assert_eq!(copy, settings, "{}", field.name);
                assert!(ChatSettings::has(field.name));
            }
        }
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        let mut settings = ChatSettings::default();
        for (name, text, error) in [
            ("reasoning", "maybe", "must be on, off or auto"),
            ("template_options", "[1]", "must be a JSON object such as {\"enable_thinking\": false}, or auto"),
            ("template_options", "{", "must be a JSON object such as {\"enable_thinking\": false}, or auto"),
            ("context", "1", "is not a setting of a conversation"),
        ] {
            assert_eq!(settings.set(name, text).unwrap_err(), error);
        }
        assert!(settings.set("system", &"x".repeat(MAX_SYSTEM + 1)).is_err());
        assert_eq!(settings, ChatSettings::default());
    }

    #[test]
    fn an_empty_system_prompt_is_none_at_all() {
        let mut settings = ChatSettings::default();
        settings.set("system", "").unwrap();
        assert_eq!(settings.system.as_deref(), Some(""));
        settings.set("system", " auto ").unwrap();
        assert_eq!(settings.system, None);
    }
}
