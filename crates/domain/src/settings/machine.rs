//! Another machine with taffrail.

use serde::{Deserialize, Serialize};

/// How another machine is reached: by the user's own ssh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What ssh is given as the destination: a host, `user@host`, or a `Host` of the user's own settings of ssh.
    pub ssh: String,
    /// The program there.
    pub program: String,
    /// The ssh command with options of the user's own, word by word; the program's own options follow.
    pub ssh_command: Vec<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self { ssh: String::new(), program: "taffrail".to_owned(), ssh_command: vec!["ssh".to_owned()] }
    }
}

impl Machine {
    /// Maximum number of machines: each needs a connection.
    pub const MAX: usize = 64;

    /// Maximum length of a name, in bytes: it is shown before every model of the machine.
    pub const MAX_NAME: usize = 24;

    /// What a name is, in a clause.
    pub const NAME_RULE: &str = "1 to 24 letters, digits, `-` or `_`, and not `here`, which is this machine";

    /// Whether a machine may be called so.
    pub fn is_name(name: &str) -> bool {
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (1..=Self::MAX_NAME).contains(&name.len()) && is_word && name != "here"
    }

    /// Whether ssh can be given this as a destination: one that begins with a dash would be an option.
    pub fn is_destination(text: &str) -> bool {
        !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_whitespace() || c.is_control())
    }
}
