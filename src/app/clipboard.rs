//! The clipboard, through the terminal: OSC 52, which also works over SSH.

use std::io::{self, Write};

/// The most bytes that are sent; terminals drop longer sequences.
const MAX_BYTES: usize = 74_000;

/// Ask the terminal to put text on the clipboard. Whether it does can't be known.
pub fn copy(to: &mut impl Write, text: &str) -> io::Result<()> {
    let text = text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or_default();
    write!(to, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
    to.flush()
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(LETTERS[(group >> (18 - 6 * place) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes() {
        // RFC 4648, section 10.
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        let mut out = Vec::new();
        copy(&mut out, "foo").unwrap();
        assert_eq!(out, b"\x1b]52;c;Zm9v\x07");
    }
}
