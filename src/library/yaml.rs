//! The little of YAML that other tools write beside models: a mapping of names to words or lists of words.
//!
//! Absent: all else. Nested mappings, anchors and blocks of text are passed over, and nothing is an error.

/// Entries that are kept; a model card has some dozens.
const MAX_ENTRIES: usize = 256;
/// Words of one list.
const MAX_ITEMS: usize = 256;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Word(String),
    List(Vec<String>),
}

impl Value {
    /// The word, or the first of a list.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::List(words) => words.first().map(String::as_str),
        }
    }

    /// All words.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Word(word) => vec![word.clone()],
            Self::List(words) => words.clone(),
        }
    }
}

/// The entries of the outermost mapping, in their order; empty values are left out.
pub(super) fn mapping(text: &str) -> Vec<(String, Value)> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    // The name whose list may follow on lines of its own.
    let mut open: Option<String> = None;
    for line in text.lines() {
        let content = line.trim_start();
        let is_indented = content.len() < line.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(item) = content.strip_prefix("- ").or_else(|| (content == "-").then_some("")) {
            if let (Some(name), Some(word)) = (&open, scalar(item)) {
                match entries.last_mut() {
                    Some((last, Value::List(words))) if last == name => {
                        if words.len() < MAX_ITEMS {
                            words.push(word);
                        }
                    }
                    _ => entries.push((name.clone(), Value::List(vec![word]))),
                }
            }
            continue;
        }
        if is_indented {
            continue;
        }
        open = None;
        if entries.len() >= MAX_ENTRIES {
            break;
        }
        let Some((name, value)) = content.split_once(':') else { continue };
        let (name, value) = (unquoted(name.trim()).to_owned(), value.trim());
        if value.is_empty() || value.starts_with('#') {
            open = Some(name);
        } else if let Some(list) = value.strip_prefix('[').and_then(|list| list.split_once(']')) {
            let words: Vec<_> = list.0.split(',').filter_map(scalar).take(MAX_ITEMS).collect();
            entries.push((name, Value::List(words)));
        } else if let Some(word) = scalar(value) {
            entries.push((name, Value::Word(word)));
        }
    }
    entries
}

/// A word, without quotes and without what stands behind it; `None` where it is none.
fn scalar(text: &str) -> Option<String> {
    let text = text.trim();
    let word = match text.chars().next()? {
        quote @ ('"' | '\'') => text.get(1..)?.split(quote).next()?,
        // Blocks of text, nested mappings and lists, anchors.
        '|' | '>' | '{' | '[' | '&' | '*' | '!' => return None,
        _ => text.split(" #").next()?.trim_end(),
    };
    let is_nothing = word.is_empty() || word == "null" || word == "~";
    (!is_nothing).then(|| word.to_owned())
}

fn unquoted(text: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_tools_write() {
        let text = r#"
# a card
license: apache-2.0   # as given
"license_name": 'my licence'
base_model:
- Qwen/Qwen3-8B
  # between
- "meta-llama/Llama-3.1-8B"
tags: [a, "b c", ]
empty:
nothing: null
language:
  - en
  - fr
text: |
  line: one
model-index:
- name: x
  results:
  - task: y
size_bytes: 42
link: https://example.org/a#b
"#;
        let list = |words: &[&str]| Value::List(words.iter().map(|word| (*word).to_owned()).collect());
        let word = |word: &str| Value::Word(word.to_owned());
        let expected = [
            ("license", word("apache-2.0")),
            ("license_name", word("my licence")),
            ("base_model", list(&["Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B"])),
            ("tags", list(&["a", "b c"])),
            ("language", list(&["en", "fr"])),
            ("model-index", list(&["name: x", "task: y"])),
            ("size_bytes", word("42")),
            ("link", word("https://example.org/a#b")),
        ];
        assert_eq!(mapping(text), expected.map(|(name, value)| (name.to_owned(), value)));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([a-z\"'-]{0,5}[:#\\[\\]| -]{0,3}\\PC{0,6}\n?){0,20}") {
            let _ = mapping(&text);
        }
    }
}
