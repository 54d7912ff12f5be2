//! Bytes of tokens to text, as they come.
//!
//! Owned here: holding back a character that is split over tokens, and U+FFFD for what is none. Absent: control
//! characters, which pass as the model sent them; whoever draws them makes them harmless.

/// Turns pieces of bytes into text. What it gives over all pieces is what [`String::from_utf8_lossy`] gives for the
/// pieces joined.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    /// The begin of a character, at most three bytes.
    held: Vec<u8>,
}

impl Decoder {
    /// Append the text of `bytes` to `text`, as far as its characters are whole.
    pub fn push(&mut self, bytes: &[u8], text: &mut String) {
        if self.held.is_empty()
            && let Ok(whole) = std::str::from_utf8(bytes)
        {
            text.push_str(whole);
            return;
        }
        self.held.extend_from_slice(bytes);
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    // Never lossy: these bytes were just found valid.
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(n_invalid) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[n_invalid..];
                }
            }
        }
        let done = self.held.len() - rest.len();
        self.held.drain(..done);
    }

    /// Append what a character that never became whole is worth: one U+FFFD.
    pub fn finish(&mut self, text: &mut String) {
        if !self.held.is_empty() {
            self.held.clear();
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut decoder, mut text) = (Decoder::default(), String::new());
        for piece in pieces {
            decoder.push(piece, &mut text);
            assert!(decoder.held.len() < 4, "held {} bytes", decoder.held.len());
        }
        decoder.finish(&mut text);
        text
    }

    #[test]
    fn a_split_character_waits_until_it_is_whole() {
        let (mut decoder, mut text) = (Decoder::default(), String::new());
        let whale = "🐋".as_bytes();
        for byte in &whale[..3] {
            decoder.push(&[*byte], &mut text);
            assert_eq!(text, "");
        }
        decoder.push(&whale[3..], &mut text);
        assert_eq!(text, "🐋");
    }

    proptest! {
        #[test]
        fn any_chunking_equals_the_lossy_whole(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..64),
                ".{0,24}".prop_map(String::into_bytes),
            ],
            size in 1_usize..5,
        ) {
            prop_assert_eq!(decode(bytes.chunks(size)), String::from_utf8_lossy(&bytes));
        }
    }
}
