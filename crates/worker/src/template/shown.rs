//! Whether a prompt shows what was said.
//!
//! Owned here: which messages' texts are missing in what a template made. A text may be trimmed, escaped or written in
//! other letters, and an assistant's reasoning may be left out, as many templates do on purpose; a message may not.

use std::borrow::Cow;

use wire::{Message, Role};

/// Begins the texts that stand in for the messages' own: digits, which no template changes.
const MARK: u64 = 70_710_678_000;
/// What ends an assistant's reasoning.
const REASONING_END: &str = "</think>";

/// The conversation with a mark in place of each text.
pub(super) fn marked(messages: &[Message]) -> Vec<Message> {
    let mark = |(index, message): (usize, &Message)| Message::new(message.role, mark(index));
    messages.iter().enumerate().map(mark).collect()
}

fn mark(index: usize) -> String {
    (MARK + index as u64).to_string()
}

/// Whether a prompt of the [`marked`] conversation shows contents as the lists that they were given as.
pub(super) fn shows_lists(probe: &str) -> bool {
    let mark = mark(0);
    let mark = mark.get(..mark.len() - 4).unwrap_or_default();
    [format!("'text': '{mark}"), format!("\"text\": \"{mark}")].iter().any(|list| probe.contains(list))
}

/// The first message that a prompt doesn't show. `probe` is the same template's prompt of the [`marked`] conversation,
/// where it makes one: a short text may stand in the template's own words by chance, a mark doesn't.
pub(super) fn missing<'a>(messages: &'a [Message], prompt: &str, probe: Option<&str>) -> Option<&'a Message> {
    let prompt = Prompt::new(prompt);
    let is_missing = |(index, message): &(usize, &Message)| {
        let text = said(message);
        if text.trim().is_empty() {
            return false;
        }
        let is_marked = probe.is_none_or(|probe| probe.contains(&mark(*index)));
        // What a template cuts out of an earlier answer is its makers' decision.
        !is_marked || message.role != Role::Assistant && !prompt.shows(&text)
    };
    messages.iter().enumerate().find(is_missing).map(|(_, message)| message)
}

/// A message's text, of an assistant without its reasoning.
fn said(message: &Message) -> Cow<'_, str> {
    let text = message.text();
    match text.rsplit_once(REASONING_END) {
        Some((_, answer)) if message.role == Role::Assistant => Cow::Owned(answer.to_owned()),
        _ => text,
    }
}

struct Prompt<'a> {
    text: &'a str,
    /// The same in small letters and without white space; made when it is needed.
    plain: std::cell::OnceCell<String>,
}

impl<'a> Prompt<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, plain: std::cell::OnceCell::new() }
    }

    fn shows(&self, text: &str) -> bool {
        if self.text.contains(text.trim()) {
            return true;
        }
        let prompt = self.plain.get_or_init(|| plain(self.text));
        let json = serde_json::to_string(text).unwrap_or_default();
        let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default();
        if prompt.contains(&plain(text)) || prompt.contains(&plain(json)) {
            return true;
        }
        // A template may take a few words out, such as its own tags, or write signs in another way.
        let words: Vec<String> = words(text).collect();
        let shown = words.iter().filter(|word| prompt.contains(word.as_str())).count();
        !words.is_empty() && shown * 2 > words.len()
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}
