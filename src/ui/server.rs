//! The server that a screen is attached to, as far as the screen knows it.

use domain::command::CommandId;

use crate::ui::Ui;

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

impl Ui {
    /// The id of the next command to the server; `None` where it is lost.
    pub fn next_command(&mut self) -> Option<CommandId> {
        let server = self.server.as_ref().filter(|server| !server.is_lost)?;
        self.n_commands += 1;
        Some(CommandId(server.first_command + self.n_commands))
    }

    /// Whether a server goes on with what runs when this screen is left.
    pub(super) fn is_attached(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.is_lost)
    }
}
