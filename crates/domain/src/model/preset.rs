//! The settings that a store has for a model: the parameters, the system prompt and the first messages of an Ollama model.
//!
//! The user's own settings take precedence over it, and it takes precedence over the model file's and llama.cpp's defaults.

use std::borrow::Cow;

pub use super::parameters::{Preset, over};
use wire::{Message, Role};

use crate::model::{Model, Store};
use crate::settings::SessionSettings;

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

/// Texts as a line shows them: quoted, control characters escaped.
pub(crate) fn quoted(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| gguf::clean(&format!("{:?}", text.as_ref()), 60)).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Card;

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
}
