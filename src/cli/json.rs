//! JSON for standard output: one document, harmless on a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

/// Write one JSON document and a line break. What a terminal would obey is escaped: JSON itself lets DEL, the C1 controls
/// and the bidirectional controls stand.
pub(super) fn write(out: &mut impl Write, document: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    let mut harmless = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        let is_harmful = match character {
            '\n' | ' '..='~' => false,
            _ => gguf::clean(character.encode_utf8(&mut [0; 4]), 4).is_empty(),
        };
        if is_harmful {
            // Outside strings JSON has no such characters, so this is the escape of one within.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(harmless, "\\u{unit:04x}");
            }
        } else {
            harmless.push(character);
        }
    }
    harmless.push('\n');
    out.write_all(harmless.as_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_is_harmless_and_whole() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{e0041}\n模型 🐳\"";
        let mut out = Vec::new();
        super::write(&mut out, &[text]).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(gguf::clean(&out, usize::MAX), out.replace('\n', " "));
        assert_eq!(serde_json::from_str::<Vec<String>>(&out).unwrap(), [text]);
    }
}
