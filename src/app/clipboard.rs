//! The clipboard, through the terminal: OSC 52, which also works over SSH.

use std::io::{self, Write};

use data_encoding::BASE64;

/// The most bytes that are sent; terminals drop longer sequences.
const MAX_BYTES: usize = 74_000;

/// Ask the terminal to put text on the clipboard. Whether it does can't be known.
pub fn copy(to: &mut impl Write, text: &str) -> io::Result<()> {
    let text = text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or_default();
    write!(to, "\x1b]52;c;{}\x07", BASE64.encode(text.as_bytes()))?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes() {
        for (text, sequence) in
            [("foo", "\x1b]52;c;Zm9v\x07"), ("foob", "\x1b]52;c;Zm9vYg==\x07"), ("", "\x1b]52;c;\x07")]
        {
            let mut out = Vec::new();
            copy(&mut out, text).unwrap();
            assert_eq!(out, sequence.as_bytes());
        }
    }
}
