//! How a process that serves devices is started, and what it prints first.

use super::probe::RpcDevice;
use super::protocol::Protocol;

/// How devices are served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServeOptions {
    /// Threads of the processor, where it is one of the devices.
    pub n_threads: u32,
    /// The devices by llama.cpp's names; none takes the GPUs, or the processor where there is no GPU.
    pub devices: Vec<String>,
    /// Log everything from llama.cpp instead of just warnings and errors.
    pub verbose: bool,
}

/// What a process that serves devices prints once, as one line of JSON, before it serves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "serves")]
pub enum Opened {
    /// It listens, or is about to.
    On {
        /// The port, on the loopback interface.
        port: u16,
        /// What it speaks.
        protocol: Protocol,
        /// What it serves, in the protocol's order.
        devices: Vec<RpcDevice>,
    },
    /// It can't.
    Nothing {
        /// Why, in one clause.
        reason: String,
    },
}
