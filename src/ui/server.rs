//! The server that a screen is attached to, as far as the screen knows it.

/// The server that a screen is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its machine, where that is another one.
    pub host: Option<String>,
    /// Its process.
    pub pid: u32,
    /// What the ids of this screen's commands begin after.
    pub first_command: u64,
    /// Whether it was lost: its sessions show as they were last.
    pub is_lost: bool,
}
