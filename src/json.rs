//! JSON for standard output, harmless on a terminal.
//!
//! Owned here: which characters are escaped, for every document that a command writes. `serde_json` does the escaping that
//! JSON itself asks for. Absent: what the documents hold. A path that is not Unicode is written with U+FFFD in place of
//! what is none (`Model::path_text`).

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Write one JSON document over several lines, and a line break.
pub fn write(out: &mut (impl Write + ?Sized), document: &impl Serialize) -> io::Result<()> {
    with(out, PrettyFormatter::new(), document)?;
    out.write_all(b"\n")
}

/// Write one JSON document on one line, without a line break.
pub fn write_compact(out: &mut (impl Write + ?Sized), document: &impl Serialize) -> io::Result<()> {
    with(out, CompactFormatter, document)
}

fn with(out: &mut (impl Write + ?Sized), layout: impl Formatter, document: &impl Serialize) -> io::Result<()> {
    Ok(document.serialize(&mut Serializer::with_formatter(out, Harmless(layout)))?)
}

/// A layout in which what a terminal would obey is escaped: JSON itself lets DEL, the C1 controls and the bidirectional
/// controls stand.
struct Harmless<F>(F);

impl<F: Formatter> Formatter for Harmless<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| gguf::is_harmful(*character)) {
            let (harmless, behind) = rest.split_at(at);
            self.0.write_string_fragment(writer, harmless)?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = behind.strip_prefix(character).unwrap_or_default();
        }
        self.0.write_string_fragment(writer, rest)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn json_is_harmless_and_whole() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{e0041}\n模型 🐳\"\\";
        let document = json!({ text: [text, 1.5, null, {}, []] });
        for is_compact in [false, true] {
            let mut out = Vec::new();
            if is_compact {
                super::write_compact(&mut out, &document).unwrap();
            } else {
                super::write(&mut out, &document).unwrap();
            }
            let out = String::from_utf8(out).unwrap();
            assert_eq!(gguf::clean(&out, usize::MAX), out.replace('\n', " "));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), document);
            assert!(out.contains("\\u007f\\u009b\\u202e\\udb40\\udc41\\n模型 🐳\\\"\\\\"), "{out}");
        }
    }

    #[test]
    fn the_layout_is_that_of_serde_json() {
        let document = json!({ "a": [1, { "b": [] }], "c": {} });
        let mut out = Vec::new();
        super::write(&mut out, &document).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{document:#}\n"));
    }
}
