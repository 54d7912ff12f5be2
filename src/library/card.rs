//! What stands beside the weights: the head of a model card, and texts of a store's own.

use std::path::Path;

use super::index::Stamp;
use super::walk::Walk;
use super::yaml::{self, Value};
use domain::model::Card;

/// A longer model card is cut off: its head comes first.
const MAX_CARD: u64 = 4 << 20;
/// The head itself.
const MAX_HEAD: usize = 128 << 10;
/// The longest word, characters.
const WORD_CHARS: usize = 200;
/// Words of a list.
const MAX_WORDS: usize = 50;
/// The longest template or prompt, characters.
const TEXT_CHARS: usize = 16 << 10;

/// The head of the model card at `path`; `None` where there is none, or it says nothing.
pub(super) fn read(path: &Path, walk: &Walk<'_>) -> Option<Box<Card>> {
    walk.small_file(path, MAX_CARD, |bytes| (parse(bytes), true)).ok()?.map(Box::new)
}

/// The same where what changes with the file, or is it, has this stamp.
pub(super) fn read_as(path: &Path, stamp: Stamp, walk: &Walk<'_>) -> Option<Box<Card>> {
    walk.small_file_as(path, stamp, MAX_CARD, |bytes| (parse(bytes), true)).ok()?.map(Box::new)
}

fn parse(bytes: &[u8]) -> Option<Card> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_HEAD)]);
    let rest = text.trim_start_matches('\u{feff}').strip_prefix("---")?;
    let head = rest.split_once("\n---").map_or("", |(head, _)| head);
    let entries = yaml::mapping(head);
    let find = |name: &str| entries.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    let word = |name: &str| find(name).and_then(Value::word).map(clean);
    let words = |name: &str| {
        let words = find(name).map(Value::words).unwrap_or_default();
        words.iter().take(MAX_WORDS).map(|word| clean(word)).collect::<Vec<_>>()
    };
    let mut tags = words("tags");
    tags.extend(words("language").into_iter().map(|language| format!("language:{language}")));
    tags.truncate(MAX_WORDS);
    let card = Card {
        license: word("license").map(|license| license.to_lowercase()),
        license_name: word("license_name"),
        license_link: word("license_link"),
        base_models: words("base_model"),
        base_relation: word("base_model_relation"),
        datasets: words("datasets"),
        tags,
        ..Card::default()
    };
    (card != Card::default()).then_some(card)
}

/// One line, harmless and bounded.
pub(super) fn clean(text: &str) -> String {
    gguf::clean(text.trim(), WORD_CHARS)
}

/// A text of several lines, harmless and bounded.
pub(super) fn clean_lines(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let room = TEXT_CHARS.saturating_sub(kept.len());
        if room == 0 {
            kept.push('…');
            break;
        }
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(&gguf::clean(line, room));
    }
    kept
}

/// The licence whose text this is, and the first line of it.
pub(super) fn license(text: &str) -> (Option<&'static str>, Option<String>) {
    let head = text.get(..text.floor_char_boundary(2000)).unwrap_or(text).to_lowercase();
    let known = [
        ("apache license", "apache-2.0"),
        ("mit license", "mit"),
        ("permission is hereby granted, free of charge", "mit"),
        ("llama 4 community license", "llama4"),
        ("llama 3.3 community license", "llama3.3"),
        ("llama 3.2 community license", "llama3.2"),
        ("llama 3.1 community license", "llama3.1"),
        ("meta llama 3 community license", "llama3"),
        ("llama 2 community license", "llama2"),
        ("gemma terms of use", "gemma"),
        ("deepseek license agreement", "deepseek"),
    ];
    let name = known.iter().find(|(words, _)| head.contains(words)).map(|(_, name)| *name);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).map(clean);
    (name, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_model_cards() {
        let text = "---\nlicense: Other\nlicense_name: my-licence\nlicense_link: https://example.org/l\nbase_model: a/b\n\
            base_model_relation: quantized\ndatasets:\n- c/d\n- e/f\ntags:\n- gguf\nlanguage: [en, de]\n---\n# Title\n\
            license: not this\n";
        let card = parse(text.as_bytes()).unwrap();
        assert_eq!(card.license.as_deref(), Some("other"));
        assert_eq!(card.license_name.as_deref(), Some("my-licence"));
        assert_eq!(card.license_link.as_deref(), Some("https://example.org/l"));
        assert_eq!(card.base_models, ["a/b"]);
        assert_eq!(card.base_relation.as_deref(), Some("quantized"));
        assert_eq!(card.datasets, ["c/d", "e/f"]);
        assert_eq!(card.tags, ["gguf", "language:en", "language:de"]);
        for nothing in ["", "# Title", "---", "---\nlicense: mit", "---\n---\n", "---\nother: thing\n---\n"] {
            assert_eq!(parse(nothing.as_bytes()), None, "{nothing:?}");
        }
        let hostile = "---\nlicense: \"m\u{1b}[2Jit\u{202e}\"\n---\n";
        assert_eq!(parse(hostile.as_bytes()).unwrap().license.as_deref(), Some("m[2jit"));
    }

    #[test]
    fn texts_of_licences() {
        for (text, expected) in [
            (
                "\n                                 Apache License\n                           Version 2.0",
                Some("apache-2.0"),
            ),
            ("MIT License\n\nCopyright", Some("mit")),
            ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version", Some("llama3.1")),
            ("Do what you want", None),
            ("", None),
        ] {
            assert_eq!(license(text).0, expected, "{text}");
        }
        assert_eq!(license("\n\n Do\u{7} what you want\nmore").1.as_deref(), Some("Do what you want"));
    }
}
