//! What to know about a vocabulary without holding it in memory: whether a token occurs twice, and whether it has byte tokens.
//!
//! Owned here: one pass over the tokens. Absent: the tokens themselves. A table keeps the file position of each one;
//! where hashes match, the bytes are read again and compared.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{
    error::Error,
    source::{CHUNK, Cursor, Endian, ReadAt},
};

/// The most tokens that are compared; no vocabulary has a tenth of it. The table takes 8 bytes for each.
const MAX_TOKENS: u64 = 1 << 22;
/// Room that is made before the first token: the rest is made as tokens come, whatever the file declares.
const FIRST_ROOM: u64 = 1 << 19;

/// What was seen of a vocabulary in passing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// The first token that occurs twice, as the index of its second occurrence: llama.cpp asserts that there is none.
    pub(crate) repeated: Option<u64>,
    /// Whether there are tokens such as `<0x0A>`, for bytes without another token.
    pub(crate) has_bytes: bool,
}

/// Position of a token.
#[derive(Clone, Copy)]
struct TokenPosition {
    /// Half of its hash with this table's key, which a file can't know.
    hash: u32,
    /// Offset of its length. A header is shorter than 4 GiB.
    offset: u32,
}

impl TokenPosition {
    /// The table goes by the highest bits and the lowest.
    fn hash(self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

/// Go over a vocabulary of `count` tokens.
pub(crate) fn read<R: ReadAt + ?Sized>(cursor: &mut Cursor<'_, R>, count: u64) -> Result<Tokens, Error> {
    let mut tokens = Tokens::default();
    let again = Again { source: cursor.source(), endian: cursor.endian };
    let is_comparable = count <= MAX_TOKENS;
    let mut table = HashTable::with_capacity(if is_comparable { count.min(FIRST_ROOM) as usize } else { 0 });
    // Empty tokens by their offset, in order: each is called after its number.
    let mut empty: Vec<(u32, u64)> = Vec::new();
    let hasher = DefaultHashBuilder::default();
    let mut next = 0_u64;
    cursor.strings(count, |offset, token| {
        let index = next;
        next += 1;
        // None is longer than a chunk in earnest.
        let (Some(token), Ok(offset)) = (token, u32::try_from(offset)) else { return };
        tokens.has_bytes |= token.len() == 6 && token.starts_with(b"<0x");
        if !is_comparable || tokens.repeated.is_some() {
            return;
        }
        let name;
        let token = match up_to_nul(token) {
            [] => {
                empty.push((offset, index));
                name = name_of_empty(index);
                name.as_slice()
            }
            token => token,
        };
        let place = TokenPosition { hash: hasher.hash_one(token) as u32, offset };
        let is_equal = |other: &TokenPosition| {
            other.hash == place.hash && again.token(*other, &empty).is_some_and(|other| other == token)
        };
        if table.find(place.hash(), is_equal).is_some() {
            tokens.repeated = Some(index);
        } else {
            table.insert_unique(place.hash(), place, |place| place.hash());
        }
    })?;
    Ok(tokens)
}

/// llama.cpp reads a token up to its first NUL.
fn up_to_nul(token: &[u8]) -> &[u8] {
    if !token.contains(&0) {
        return token;
    }
    token.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The name that llama.cpp gives to an empty token.
fn name_of_empty(index: u64) -> Vec<u8> {
    format!("[EMPTY_{index}]").into_bytes()
}

/// Reads tokens again that were gone over before.
struct Again<'a, R: ?Sized> {
    source: &'a R,
    endian: Endian,
}

impl<R: ReadAt + ?Sized> Again<'_, R> {
    /// The token at a place; `None` where the file can't be read any more.
    fn token(&self, place: TokenPosition, empty: &[(u32, u64)]) -> Option<Vec<u8>> {
        let mut length = [0; 8];
        read_exact(self.source, &mut length, place.offset.into())?;
        let mut token = vec![0; usize::try_from(self.endian.u64(length)).ok().filter(|length| *length <= CHUNK)?];
        read_exact(self.source, &mut token, u64::from(place.offset) + 8)?;
        let end = up_to_nul(&token).len();
        token.truncate(end);
        if !token.is_empty() {
            return Some(token);
        }
        let at = empty.binary_search_by_key(&place.offset, |(offset, _)| *offset).ok()?;
        Some(name_of_empty(empty.get(at)?.1))
    }
}

fn read_exact<R: ReadAt + ?Sized>(source: &R, mut buffer: &mut [u8], mut offset: u64) -> Option<()> {
    while !buffer.is_empty() {
        match source.read_at(buffer, offset) {
            Ok(0) => return None,
            Ok(count) => {
                buffer = buffer.get_mut(count..)?;
                offset += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(tokens: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for token in tokens {
            bytes.extend((token.len() as u64).to_le_bytes());
            bytes.extend(token.bytes());
        }
        bytes
    }

    #[test]
    fn what_stands_there_twice() {
        for (tokens, repeated) in [
            (&[][..], None),
            (&["a", "b", "ab", "ba"], None),
            // These two were taken for one by the length and the first byte.
            (&[":ĊĊĊĊĊĊ", ">ĊĊĊĊ"], None),
            (&["a", "b", "a", "b"], Some(2)),
            // Up to the first NUL, as llama.cpp reads them.
            (&["a\0b", "b", "a"], Some(2)),
            (&["a", "\0b", "\0c"], None),
            // Empty ones get generated names, which others may have.
            (&["", "", ""], None),
            (&["", "x", "[EMPTY_0]"], Some(2)),
            (&["[EMPTY_1]", ""], Some(1)),
        ] {
            let bytes = vocabulary(tokens);
            let mut cursor = Cursor::new(bytes.as_slice()).unwrap();
            let read = read(&mut cursor, tokens.len() as u64).unwrap();
            assert_eq!(read.repeated, repeated, "{tokens:?}");
            assert_eq!(cursor.remaining(), 0);
        }
    }

    #[test]
    fn tokens_for_bytes() {
        for (token, has_bytes) in [("<0x0A>", true), ("<0xA>", false), ("0x0A", false)] {
            let bytes = vocabulary(&["a", token]);
            assert_eq!(read(&mut Cursor::new(bytes.as_slice()).unwrap(), 2).unwrap().has_bytes, has_bytes, "{token}");
        }
    }
}
