//! The version of llama.cpp's RPC, and whether this build has it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How to fix a build without RPC.
pub const NO_RPC: &str = "this build has no RPC: run `cargo clean -p llama-cpp-sys-2`, and build taffrail again";

/// A version of the protocol. Servers and clients of another major version don't understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Protocol {
    /// What must be the same at both ends.
    pub major: u8,
    /// What a server may not have more of than its client.
    pub minor: u8,
    /// What does not matter.
    pub patch: u8,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        protocol.to_string()
    }
}

impl TryFrom<String> for Protocol {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<u8> = text.split('.').map_while(|part| part.parse().ok()).collect();
        let [major, minor, patch] = parts[..] else { return Err(format!("`{text}` is not a version of the protocol")) };
        Ok(Self { major, minor, patch })
    }
}

/// The version of the protocol that this build speaks; `None` where RPC is not built in.
pub fn protocol() -> Option<Protocol> {
    option_env!("TAFFRAIL_RPC").filter(|_| cfg!(all(feature = "llama", has_rpc)))?.parse().ok()
}
