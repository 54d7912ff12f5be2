//! The little of YAML that other tools write beside models: a mapping of names to words or lists of words.
//!
//! Absent: all else. Nested mappings but those asked for by name, anchors and blocks of text are passed over, and nothing
//! is an error.

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

/// The entries of the mapping that stands under this name of the outermost one, in their order.
pub(super) fn nested(text: &str, name: &str) -> Vec<(String, Value)> {
    let is_name = |line: &&str| line.strip_suffix(':').is_some_and(|line| unquoted(line.trim_end()) == name);
    let head = |line: &str| line.split(" #").next().unwrap_or_default().trim_end().to_owned();
    let mut lines = text.lines().skip_while(|line| !is_name(&&*head(line)));
    lines.next();
    let is_blank = |line: &&str| matches!(line.trim_start().chars().next(), None | Some('#'));
    let inner: Vec<_> = lines.take_while(|line| line.starts_with(' ') || is_blank(line)).collect();
    let first = inner.iter().find(|line| !is_blank(line));
    let indent: String = first.into_iter().flat_map(|line| line.chars().take_while(|c| *c == ' ')).collect();
    let outer: Vec<_> = inner.iter().map(|line| line.strip_prefix(&indent).unwrap_or(line)).collect();
    mapping(&outer.join("\n"))
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

    #[test]
    fn a_mapping_in_a_mapping() {
        let text = "name: outer\nparameters: # of drawing\n\n  # a note\n  model: \"a.gguf\"\n  stop:\n  - x\n  \
                    deeper:\n    model: b\n  top_p: 0.9\nmodel: c\nempty:\nlast: 1\n";
        let word = |name: &str, word: &str| (name.to_owned(), Value::Word(word.to_owned()));
        let list = ("stop".to_owned(), Value::List(vec!["x".to_owned()]));
        assert_eq!(nested(text, "parameters"), [word("model", "a.gguf"), list, word("top_p", "0.9")]);
        for name in ["deeper", "empty", "name", "absent"] {
            assert_eq!(nested(text, name), [], "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([a-z\"'-]{0,5}[:#\\[\\]| -]{0,3}\\PC{0,6}\n?){0,20}") {
            let _ = mapping(&text);
            let _ = nested(&text, "a");
        }
    }
}
