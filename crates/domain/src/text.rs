//! Text from outside: bytes of a file or of standard input.
//!
//! Owned here: byte order marks, UTF-16 where one announces it, and where bytes are no text. Absent: reading them.

/// The mark of UTF-8.
const UTF8: &[u8] = b"\xef\xbb\xbf";

/// Bytes that are no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not UTF-8 at byte {at}, line {line}")]
pub struct NotText {
    /// How many bytes before it are text.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
}

/// The text of a file: UTF-8, or UTF-16 where its byte order mark says so. The mark is no part of it.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    if let Some(text) = utf16(&bytes) {
        return Ok(text);
    }
    let bytes = if bytes.starts_with(UTF8) { bytes[UTF8.len()..].to_vec() } else { bytes };
    exact(bytes)
}

/// The same to the last byte, marks included.
pub fn exact(bytes: Vec<u8>) -> Result<String, NotText> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        NotText { at, line: before.split(|byte| *byte == b'\n').count() }
    })
}

/// Text with the line ends that models know, and without the last one, which a shell or an editor put there.
pub fn as_prompt(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (bytes, is_little) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ => return None,
    };
    let read = |pair: [u8; 2]| if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
    if bytes.len() % 2 != 0 {
        return None;
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_encodings() {
        for (bytes, expected) in [
            (&b"a\nb"[..], Ok("a\nb")),
            (b"\xef\xbb\xbfa", Ok("a")),
            (b"\xff\xfea\x00\xe9\x00", Ok("aé")),
            (b"\xfe\xff\x00a\x00\xe9", Ok("aé")),
            (b"", Ok("")),
            (b"a\nb\xffc", Err(NotText { at: 3, line: 2 })),
            (b"\xff\xfea", Err(NotText { at: 0, line: 1 })),
        ] {
            assert_eq!(decode(bytes.to_vec()).as_deref(), expected.as_ref().map(|text| *text), "{bytes:?}");
        }
        assert_eq!(exact(b"\xef\xbb\xbfa\r\n".to_vec()).unwrap(), "\u{feff}a\r\n");
    }

    #[test]
    fn a_prompt_has_the_line_ends_that_models_know() {
        for (text, expected) in
            [("a\r\nb", "a\nb"), ("a\r\nb\r\n", "a\nb"), ("a\n\n", "a\n"), ("a\rb", "a\rb"), ("", "")]
        {
            assert_eq!(as_prompt(text), expected, "{text:?}");
        }
    }
}
