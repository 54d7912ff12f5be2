//! Other machines whose devices sessions may use, as they were last asked.

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// A server of llama.cpp's RPC: `[rpc.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RpcMachine {
    /// What the user calls it.
    pub name: String,
    /// Where it is reached.
    pub address: String,
    /// The version of taffrail there; `None` for another server of the protocol.
    pub version: Option<String>,
    /// What it serves; none where it can't be used.
    pub devices: Vec<RpcDevice>,
    /// Why it can't be used, as a clause that goes on from its name; `None` where it can.
    pub problem: Option<String>,
    /// What could be done about that.
    pub remedy: Option<String>,
}

/// A device of such a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RpcDevice {
    /// Its name in llama.cpp there; its number if the server doesn't report a name.
    pub name: String,
    /// Its description; empty if the server doesn't report one.
    pub description: String,
    /// Its memory; `None` where it is not reported.
    pub total: Option<Bytes>,
    /// What of it is free; `None` where it is not reported.
    pub free: Option<Bytes>,
}

impl RpcDevice {
    /// Its memory in words.
    pub fn memory(&self) -> String {
        match (self.free, self.total) {
            (Some(free), Some(total)) => format!("{free} of {total} free"),
            (None, Some(total)) => format!("{total}, free not reported"),
            (_, None) => "memory not reported".to_owned(),
        }
    }
}

impl RpcMachine {
    /// One line per device with its name and description, or the reason why there is none.
    pub fn lines(&self) -> Vec<(String, String)> {
        if let Some(problem) = &self.problem {
            return vec![(self.name.clone(), format!("{} {problem}", self.address))];
        }
        let line = |device: &RpcDevice| {
            let description = if device.description.is_empty() { &self.address } else { &device.description };
            (format!("{}:{}", self.name, device.name), format!("{description} · {}", device.memory()))
        };
        self.devices.iter().map(line).collect()
    }
}
