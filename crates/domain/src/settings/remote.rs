//! Engines of other programs, by their names.

use serde::{Deserialize, Serialize};

use crate::remote_engine::{EngineKind, Price};

/// An engine of another program.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RemoteEngine {
    /// Its address. It holds no credentials.
    pub url: String,
    /// What it is.
    pub kind: EngineKind,
    /// Where its key comes from.
    pub key: Option<KeySource>,
    /// What tokens cost.
    pub price: Price,
    /// What its machine draws while it answers, in watts.
    pub watts: Option<f64>,
}

/// Where a key comes from. The key itself is no setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// A variable of the environment.
    Env(String),
    /// The first line that a command prints.
    Command(String),
}

impl RemoteEngine {
    /// The most engines: each is asked every other second.
    pub const MAX: usize = 64;

    /// What a name is, in a clause.
    pub const NAME_RULE: &str = "1 to 40 letters, digits, - and _";

    /// Whether an engine can have this name.
    pub fn is_name(name: &str) -> bool {
        (1..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    }
}
