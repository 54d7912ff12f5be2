//! The devices that a session's layers are divided among, and the machines that have them.

// The type of an address alone; nothing here connects.
use core::net::SocketAddrV4;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// The most characters of the list: settings of a session are copied often, and are of a fixed size.
const MAX_TEXT: usize = 96;
/// The most devices of a session: as many as llama.cpp takes.
const MAX_DEVICES: usize = 16;
/// The longest name of a machine, and of a device there.
const MAX_NAME: usize = 32;

/// Servers of llama.cpp's RPC by the user's names: `[rpc.NAME]`.
pub type RpcServers = BTreeMap<String, SocketAddrV4>;

/// The most servers: as many as llama.cpp connects to.
pub const MAX_RPC_SERVERS: usize = 16;

/// Whether a server may be called so: the name stands before the device's with a colon between them.
pub fn is_rpc_name(name: &str) -> bool {
    is_name(name)
}

/// What a name of a server must be.
pub const RPC_NAME_RULE: &str = "1 to 32 letters, digits, `-`, `_` or `.`";

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The devices for a session's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Devices {
    /// The GPUs of this machine.
    #[default]
    Auto,
    /// None: everything stays on the processor.
    None,
    /// These, as the user wrote them: `CUDA0,box:CPU`.
    Named(ArrayString<MAX_TEXT>),
}

/// A device by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceName<'a> {
    /// The server that has it; `None` for this machine.
    pub server: Option<&'a str>,
    /// What llama.cpp calls it there.
    pub name: &'a str,
}

impl fmt::Display for DeviceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server {
            Some(server) => write!(f, "{server}:{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

impl<'a> DeviceName<'a> {
    /// Read one, without a check.
    fn read(text: &'a str) -> Self {
        let (server, name) = text.split_once(':').map_or((None, text), |(server, name)| (Some(server), name));
        Self { server, name }
    }
}

impl Devices {
    /// The devices, in order; none where they are not named.
    pub fn iter(&self) -> impl Iterator<Item = DeviceName<'_>> {
        let text = match self {
            Self::Named(text) => text.as_str(),
            Self::Auto | Self::None => "",
        };
        text.split(',').filter(|name| !name.is_empty()).map(DeviceName::read)
    }

    /// Those on other machines.
    pub fn elsewhere(&self) -> impl Iterator<Item = DeviceName<'_>> {
        self.iter().filter(|device| device.server.is_some())
    }

    /// Whether layers may go to a GPU of this machine.
    pub fn may_be_local(&self) -> bool {
        *self == Self::Auto || self.iter().any(|device| device.server.is_none())
    }

    /// What a worker is told: each device with its server; `None` where llama.cpp chooses. One of a server that is not in
    /// the settings is left out, which [`Devices::unknown`] has told before.
    pub fn to_load(&self, servers: &RpcServers) -> Option<Vec<wire::LoadDevice>> {
        let load = |device: DeviceName<'_>| {
            let server = match device.server {
                None => None,
                Some(name) => Some(wire::RpcServer { name: name.to_owned(), address: *servers.get(name)? }),
            };
            Some(wire::LoadDevice { name: device.name.to_owned(), server })
        };
        (*self != Self::Auto).then(|| self.iter().filter_map(load).collect())
    }

    /// A server that is named here and not in the settings.
    pub fn unknown(&self, servers: &RpcServers) -> Option<&str> {
        self.elsewhere().filter_map(|device| device.server).find(|name| !servers.contains_key(*name))
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Named(text) => text,
        })
    }
}

impl FromStr for Devices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let wrong = || {
            "must be auto, none, or devices separated by commas: CUDA0 for one here, NAME:CUDA0 for one of [rpc.NAME]"
                .to_owned()
        };
        let all: Vec<&str> = text.split(',').map(str::trim).collect();
        let is_device = |text: &&str| {
            let DeviceName { server, name } = DeviceName::read(text);
            is_name(name) && server.is_none_or(is_name)
        };
        if !all.iter().all(is_device) {
            return Err(wrong());
        }
        if all.len() > MAX_DEVICES {
            return Err(format!("must be {MAX_DEVICES} devices at most"));
        }
        if let Some(twice) = all.iter().enumerate().find(|(place, name)| all[..*place].contains(name)) {
            return Err(format!("has {} twice", twice.1));
        }
        let text = all.join(",");
        let fitting = ArrayString::from(&text).ok();
        fitting.map(Self::Named).ok_or_else(|| format!("must be {MAX_TEXT} characters at most"))
    }
}

impl From<Devices> for String {
    fn from(devices: Devices) -> Self {
        devices.to_string()
    }
}

impl TryFrom<String> for Devices {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written() {
        let long: Vec<String> = (0..4).map(|number| format!("{number:032}")).collect();
        let long = long.join(",");
        for (text, expected) in [
            ("auto", Ok("auto")),
            (" none ", Ok("none")),
            ("CUDA0", Ok("CUDA0")),
            ("CUDA0, box:CPU", Ok("CUDA0,box:CPU")),
            ("box:0,box:1", Ok("box:0,box:1")),
            ("", Err("must be auto")),
            ("box:", Err("must be auto")),
            (":CPU", Err("must be auto")),
            ("a:b:c", Err("must be auto")),
            ("CPU,,CUDA0", Err("must be auto")),
            ("CPU\u{1b}[m", Err("must be auto")),
            ("box:CPU,box:CPU", Err("has box:CPU twice")),
            (&*long, Err("96 characters")),
            ("0,1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g", Err("16 devices")),
        ] {
            let read = text.parse::<Devices>();
            match expected {
                Ok(shown) => {
                    let devices = read.unwrap();
                    assert_eq!(devices.to_string(), shown);
                    assert_eq!(serde_json::from_value::<Devices>(serde_json::json!(shown)).unwrap(), devices);
                }
                Err(wrong) => assert!(read.unwrap_err().contains(wrong), "{text}"),
            }
        }
    }

    #[test]
    fn a_worker_is_told_the_servers() {
        let address: SocketAddrV4 = "127.0.0.1:50052".parse().unwrap();
        let servers = RpcServers::from([("box".to_owned(), address)]);
        let devices: Devices = "CUDA0,box:CPU".parse().unwrap();
        let load = devices.to_load(&servers).unwrap();
        assert_eq!(load.iter().map(ToString::to_string).collect::<Vec<_>>(), ["CUDA0", "box:CPU"]);
        assert_eq!(load[1].server.as_ref().unwrap().address, address);
        assert_eq!((Devices::Auto.to_load(&servers), Devices::None.to_load(&servers)), (None, Some(Vec::new())));
        assert_eq!((devices.unknown(&servers), devices.unknown(&RpcServers::new())), (None, Some("box")));
        assert!(devices.may_be_local() && Devices::Auto.may_be_local() && !Devices::None.may_be_local());
    }
}
