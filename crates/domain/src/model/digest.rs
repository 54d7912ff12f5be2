//! The hash that a store keeps of a file.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

/// The hash of a file's content, as its store records it without reading the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Digest {
    /// SHA-256 of the content.
    Sha256([u8; 32]),
    /// SHA-1 of git's blob: of `blob SIZE\0` and the content.
    GitSha1([u8; 20]),
}

impl std::str::FromStr for Digest {
    type Err = NoDigest;

    /// From hexadecimal digits, with `sha256:` or `sha256-` before them or not: 64 are SHA-256, 40 are git's SHA-1.
    fn from_str(text: &str) -> Result<Self, NoDigest> {
        fn bytes<const N: usize>(hex: &[u8]) -> Option<[u8; N]> {
            let mut bytes = [0; N];
            HEXLOWER_PERMISSIVE.decode_mut(hex, &mut bytes).ok()?;
            Some(bytes)
        }
        let hex = text.strip_prefix("sha256").and_then(|rest| rest.strip_prefix([':', '-'])).unwrap_or(text).as_bytes();
        match hex.len() {
            64 => bytes(hex).map(Self::Sha256),
            40 => bytes(hex).map(Self::GitSha1),
            _ => None,
        }
        .ok_or(NoDigest)
    }
}

impl Digest {
    /// What it is called before its digits.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::GitSha1(_) => "git-sha1",
        }
    }
}

/// The text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither 64 nor 40 hexadecimal digits")]
pub struct NoDigest;

impl std::fmt::Display for Digest {
    /// Only the hexadecimal digits, as many as the precision.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: &[u8] = match self {
            Self::Sha256(bytes) => bytes,
            Self::GitSha1(bytes) => bytes,
        };
        f.pad(&HEXLOWER.encode(bytes))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NoDigest;

    fn try_from(text: String) -> Result<Self, NoDigest> {
        text.parse()
    }
}
