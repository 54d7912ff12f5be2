//! What a machine says: one JSON object on each line. Every version reads the first line and the figures; the rest needs
//! the same version of the protocol.

use domain::machine::Sample;
use domain::machine::remote::RemoteFigures;
use domain::session::SessionStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol: the form of samples and models belongs to it.
pub(super) const PROTOCOL: u32 = 1;

/// The most bytes of a line: a library of ten thousand models is below.
pub(super) const MAX_LINE: u64 = 64 << 20;

/// The most models of a machine that are shown.
pub(super) const MAX_MODELS: usize = 20_000;

/// The most sessions of a machine's server that are shown.
pub(super) const MAX_SESSIONS: usize = 256;

/// Who speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Hello {
    /// Always `taffrail`.
    pub(super) program: String,
    /// [`PROTOCOL`] there.
    pub(super) protocol: u32,
    /// The version of the program there.
    pub(super) version: String,
    /// The version of the protocol that its workers speak.
    pub(super) wire: u32,
}

impl Hello {
    /// This process.
    pub(super) fn own() -> Self {
        Self {
            program: "taffrail".to_owned(),
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            wire: wire::VERSION,
        }
    }

    /// Why no model can be started there, or its library be read.
    pub(super) fn difference(&self, name: &str) -> Option<String> {
        let own = Self::own();
        if (self.protocol, self.wire) == (own.protocol, own.wire) {
            return None;
        }
        let theirs = gguf::clean(&self.version, 40);
        let build = if self.version == own.version { " of another build" } else { "" };
        Some(format!("{name} runs taffrail {theirs}{build}, and this is {}: update one of them", own.version))
    }
}

/// A line of a machine. What this version does not know is passed over.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hello: Option<Hello>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub(super) figures: Option<RemoteFigures>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub(super) sample: Option<Box<Sample>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub(super) sessions: Option<Vec<SessionStatus>>,
    /// Each is read on its own.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub(super) models: Option<Vec<Value>>,
}

/// What can't be read is absent, and the rest of the line counts.
fn lenient<'de, T: serde::de::DeserializeOwned, D: serde::Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

/// What is said to a machine.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Order {
    /// Processes to be watched in its samples.
    pub(super) watch: Option<Vec<u32>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_differ_are_told_and_what_can_be_read_is() {
        let own = Hello::own();
        assert_eq!(own.difference("desk"), None);
        let other = Hello { version: "9.9.9".to_owned(), wire: own.wire + 1, ..own.clone() };
        assert_eq!(
            other.difference("desk"),
            Some(format!("desk runs taffrail 9.9.9, and this is {}: update one of them", own.version))
        );
        assert!(Hello { protocol: 2, ..own.clone() }.difference("desk").unwrap().contains("of another build"));
        let line = r#"{"dance": 1, "figures": {"cpu": 0.5, "memory": [1, 2], "later": {}}, "sample": 3, "models": {}}"#;
        let line: Line = serde_json::from_str(line).unwrap();
        let figures = line.figures.unwrap();
        assert_eq!(figures.cpu.map(|cpu| cpu.0), Some(0.5));
        assert!(figures.power.is_none() && line.sample.is_none() && line.models.is_none() && line.hello.is_none());
    }
}
