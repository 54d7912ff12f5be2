//! The server where it is not built in.

use std::io::Write as _;
use std::process::ExitCode;

use super::opened::{Opened, ServeOptions};
use super::protocol::NO_RPC;

/// Say that this build can't serve devices.
pub fn serve(_options: &ServeOptions) -> ExitCode {
    let line = serde_json::to_string(&Opened::Nothing { reason: NO_RPC.to_owned() }).unwrap_or_default();
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    ExitCode::FAILURE
}
