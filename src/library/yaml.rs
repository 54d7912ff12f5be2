//! What other tools write in YAML beside models: a mapping of names to words or lists of words.
//!
//! The reading itself is a crate's; here is what of a document is wanted. Absent: nested mappings but those asked for by
//! name, aliases (so that none can multiply), and errors: of a document that ends in nonsense, what stands before it
//! counts.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

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
    let mut entries = Vec::new();
    let text = printable(text);
    if let Some(mut nodes) = Nodes::of_mapping(&text) {
        nodes.entries(&mut |name, nodes| {
            if let Some(value) = nodes.value() {
                entries.push((name, value));
            }
        });
    }
    entries
}

/// The entries of the mapping that stands under this name of the outermost one, in their order.
pub(super) fn nested(text: &str, wanted: &str) -> Vec<(String, Value)> {
    let mut entries = Vec::new();
    let text = printable(text);
    if let Some(mut nodes) = Nodes::of_mapping(&text) {
        nodes.entries(&mut |name, nodes| match nodes.next() {
            Some(Event::MappingStart(..)) if name == wanted => nodes.entries(&mut |name, nodes| {
                if let Some(value) = nodes.value() {
                    entries.push((name, value));
                }
            }),
            Some(node) => nodes.skip(&node),
            None => {}
        });
    }
    entries
}

/// A text without control characters, which YAML does not allow and which would end it there.
fn printable(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.contains(is_odd) { text.replace(is_odd, "").into() } else { text.into() }
}

/// The nodes of a document, one after the other. They end at its end, and where it stops being YAML.
struct Nodes<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Nodes<'a> {
    /// Those behind the beginning of a document's outermost mapping; `None` where it is none.
    fn of_mapping(text: &'a str) -> Option<Self> {
        let mut nodes = Self(Parser::new_from_str(text.trim_start_matches('\u{feff}')));
        matches!(nodes.next()?, Event::MappingStart(..)).then_some(nodes)
    }

    /// The next node, or the end of one.
    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            match self.0.next()?.ok()?.0 {
                Event::StreamEnd | Event::DocumentEnd => return None,
                node @ (Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd) => return Some(node),
                _ => {}
            }
        }
    }

    /// Give each name of the mapping that has begun to `take`, which takes the node of its value.
    fn entries(&mut self, take: &mut dyn FnMut(String, &mut Self)) {
        let mut n_entries = 0;
        while let Some(key) = self.next() {
            match key {
                Event::MappingEnd => return,
                Event::Scalar(name, ..) if n_entries < MAX_ENTRIES => {
                    n_entries += 1;
                    take(name.into_owned(), self);
                }
                key => {
                    self.skip(&key);
                    let Some(value) = self.next() else { return };
                    self.skip(&value);
                }
            }
        }
    }

    /// The value that comes next; `None` where it says nothing, or is no word and no list of words.
    fn value(&mut self) -> Option<Value> {
        match self.next()? {
            Event::Scalar(text, style, ..) => word(&text, style).map(Value::Word),
            Event::SequenceStart(..) => {
                let mut words = Vec::new();
                while let Some(item) = self.next() {
                    match item {
                        Event::SequenceEnd => break,
                        Event::Scalar(text, style, ..) => {
                            words.extend(word(&text, style).filter(|_| words.len() < MAX_ITEMS));
                        }
                        item => self.skip(&item),
                    }
                }
                (!words.is_empty()).then_some(Value::List(words))
            }
            node => {
                self.skip(&node);
                None
            }
        }
    }

    /// Pass over what a node that has begun holds.
    fn skip(&mut self, node: &Event<'_>) {
        let is_begin = |node: &Event<'_>| matches!(node, Event::SequenceStart(..) | Event::MappingStart(..));
        let is_end = |node: &Event<'_>| matches!(node, Event::SequenceEnd | Event::MappingEnd);
        let mut depth = usize::from(is_begin(node));
        while depth > 0 {
            let Some(inner) = self.next() else { return };
            depth = depth + usize::from(is_begin(&inner)) - usize::from(is_end(&inner));
        }
    }
}

/// A word; `None` where it says that there is none.
fn word(text: &str, style: ScalarStyle) -> Option<String> {
    let text = text.trim();
    let is_null = style == ScalarStyle::Plain && matches!(text, "null" | "Null" | "NULL" | "~");
    (!text.is_empty() && !is_null).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(word: &str) -> Value {
        Value::Word(word.to_owned())
    }

    fn list(words: &[&str]) -> Value {
        Value::List(words.iter().map(|word| (*word).to_owned()).collect())
    }

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
quoted: "null"
language:
  - en
  - fr
link: >-
  https://example.org
  /a
escaped: "a\u00e9\"b"
single: 'it''s'
long: [a,
  b]
model-index:
- name: x
  results:
  - task: y
inner: {a: 1}
size_bytes: 42
version: 3.0
shared: &one word
again: *one
link_2: https://example.org/a#b
"#;
        let expected = [
            ("license", word("apache-2.0")),
            ("license_name", word("my licence")),
            ("base_model", list(&["Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B"])),
            ("tags", list(&["a", "b c"])),
            ("quoted", word("null")),
            ("language", list(&["en", "fr"])),
            ("link", word("https://example.org /a")),
            ("escaped", word("aé\"b")),
            ("single", word("it's")),
            ("long", list(&["a", "b"])),
            ("size_bytes", word("42")),
            ("version", word("3.0")),
            ("shared", word("word")),
            ("link_2", word("https://example.org/a#b")),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(mapping(text), expected);
        assert_eq!(mapping(&text.replace('\n', "\r\n")), expected);
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
        assert_eq!(nested("parameters: {model: a.gguf}", "parameters"), [word("model", "a.gguf")]);
    }

    #[test]
    fn what_stands_before_nonsense_counts() {
        for text in ["a: 1\nb: [1, 2\n", "a: 1\n}\n", "a: 1\nb: \"x\n"] {
            assert_eq!(mapping(text).first(), Some(&("a".to_owned(), word("1"))), "{text:?}");
        }
        for text in ["", "- a\n- b\n", "word", "{", "]", "\u{feff}", "? [a]\n: b"] {
            assert_eq!(mapping(text), [], "{text:?}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("a: {}", "[".repeat(100_000));
        assert!(mapping(&deep).len() <= 1);
        let long = (0..1000).map(|number| format!("k{number}: 1")).collect::<Vec<_>>().join("\n");
        assert_eq!(mapping(&long).len(), MAX_ENTRIES);
        let list = format!("a: [{}]", "x,".repeat(1000));
        assert_eq!(mapping(&list)[0].1.words().len(), MAX_ITEMS);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([a-z\"'-]{0,5}[:#\\[\\]|{}&*!? -]{0,3}\\PC{0,6}\n?){0,20}") {
            let _ = mapping(&text);
            let _ = nested(&text, "a");
        }
    }
}
