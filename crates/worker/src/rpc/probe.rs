//! What an RPC server reports about itself, read with a deadline and not trusted.
//!
//! taffrail's own server answers an HTTP request on the same port with the names of its devices. llama.cpp's protocol
//! has only their number and memory; other servers are probed that way.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::protocol::{Protocol, protocol as ours};

/// How long a server may take to say what it is, connecting included.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Maximum number of devices per server, the same as llama.cpp's limit per model.
pub const MAX_DEVICES: u32 = 16;

/// The longest description of a server that is read, bytes: 16 devices of some hundred each.
const MAX_ANSWER: u64 = 64 << 10;

/// The longest name and description of a device, bytes.
const MAX_NAME: usize = 32;
const MAX_DESCRIPTION: usize = 120;

/// Commands of the protocol, and the length of what a server answers to each; `HELLO` stays what it is in all versions.
const HELLO: u8 = 14;
const DEVICE_COUNT: u8 = 15;
const DEVICE_MEMORY: u8 = 11;
/// What either end of a connection can do besides TCP: nothing.
const CAPABILITIES: [u8; 24] = [0; 24];

/// A device of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcDevice {
    /// Its name in llama.cpp on the server; its number if the server reports no name.
    pub name: String,
    /// A description; empty if the server reports none.
    #[serde(default)]
    pub description: String,
    /// Its memory, bytes; `None` where it reports none.
    #[serde(default)]
    pub total: Option<u64>,
    /// What of it is free, bytes.
    #[serde(default)]
    pub free: Option<u64>,
}

/// What a server reports about itself. It is also the response body of `GET /`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcStatus {
    /// taffrail's version; `None` for another server of the protocol.
    #[serde(rename = "taffrail", default)]
    pub version: Option<String>,
    /// What it speaks.
    pub protocol: Protocol,
    /// What it serves, in the protocol's order.
    pub devices: Vec<RpcDevice>,
}

/// Why a server can't be used, as a clause that goes on from its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Nothing takes the connection.
    #[error("is not there: {0}")]
    Absent(String),
    /// The connection was accepted, but no answer came.
    #[error("takes the connection and says nothing for {} s", PATIENCE.as_secs())]
    Silent,
    /// It ended the connection.
    #[error("closed the connection: it speaks another version of the protocol, or is not an RPC server")]
    Closed,
    /// Something else is on that port.
    #[error("answers what no RPC server would: {0}")]
    Garbage(String),
    /// Another version of llama.cpp.
    #[error("speaks version {theirs} of the protocol, and this program {ours}")]
    Version {
        /// What the server speaks.
        theirs: Protocol,
        /// What this build speaks.
        ours: Protocol,
    },
}

impl ProbeError {
    /// What could be done about it, for a server at this address.
    pub fn hint(&self, address: SocketAddrV4) -> String {
        let port = address.port();
        match self {
            Self::Absent(_) => format!(
                "run `taffrail rpc-serve` on that machine, and here the tunnel to it: `ssh -N -L {port}:127.0.0.1:50052 HOST`"
            ),
            Self::Silent => {
                "it may be busy with another client, for llama.cpp's own server takes one at a time, or hang: restart it"
                    .to_owned()
            }
            Self::Closed | Self::Version { .. } => {
                "use the same version of taffrail, or of llama.cpp, on both machines".to_owned()
            }
            Self::Garbage(_) => format!("look which program has port {port}, and name another one in [rpc]"),
        }
    }
}

/// Ask the server at an address what it is and what it has. Takes [`PATIENCE`] at most.
pub fn probe(address: SocketAddrV4) -> Result<RpcStatus, ProbeError> {
    let deadline = Instant::now() + PATIENCE;
    let described = Talk::begin(address, deadline)?.describe()?;
    let status = match described {
        Some(status) => status,
        None => bare(address, deadline)?,
    };
    checked(status)
}

/// Ask by llama.cpp's protocol alone. Its devices have numbers for names.
pub fn probe_bare(address: SocketAddrV4) -> Result<RpcStatus, ProbeError> {
    bare(address, Instant::now() + PATIENCE).and_then(checked)
}

/// Refuse a version that differs.
fn checked(status: RpcStatus) -> Result<RpcStatus, ProbeError> {
    let theirs = status.protocol;
    match ours() {
        Some(ours) if theirs.major != ours.major || theirs.minor > ours.minor => {
            Err(ProbeError::Version { theirs, ours })
        }
        _ => Ok(status),
    }
}

fn bare(address: SocketAddrV4, deadline: Instant) -> Result<RpcStatus, ProbeError> {
    let mut talk = Talk::begin(address, deadline)?;
    let mut status = RpcStatus { version: None, protocol: talk.hello()?, devices: Vec::new() };
    // What follows may be different in another version.
    if ours().is_some_and(|ours| ours.major != status.protocol.major) {
        return Ok(status);
    }
    let count = u32::from_le_bytes(talk.ask(DEVICE_COUNT, &[])?);
    if count == 0 || count > MAX_DEVICES {
        return Err(ProbeError::Garbage(format!("that it has {count} devices")));
    }
    for device in 0..count {
        let answer: [u8; 16] = talk.ask(DEVICE_MEMORY, &device.to_le_bytes())?;
        let [free, total] = [0, 8].map(|at| answer[at..at + 8].try_into().map_or(0, u64::from_le_bytes));
        let told = |bytes| (total > 0 && free <= total).then_some(bytes);
        status.devices.push(RpcDevice {
            name: device.to_string(),
            description: String::new(),
            total: told(total),
            free: told(free),
        });
    }
    Ok(status)
}

/// A connection that ends by a deadline.
struct Talk {
    stream: TcpStream,
    deadline: Instant,
    address: SocketAddrV4,
}

impl Talk {
    fn begin(address: SocketAddrV4, deadline: Instant) -> Result<Self, ProbeError> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let stream = TcpStream::connect_timeout(&address.into(), left).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ProbeError::Silent,
            io::ErrorKind::ConnectionRefused => ProbeError::Absent("nothing listens there".to_owned()),
            _ => ProbeError::Absent(error.to_string()),
        })?;
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, deadline, address })
    }

    /// The status of a taffrail server on that port; `None` if another program closed the connection.
    fn describe(mut self) -> Result<Option<RpcStatus>, ProbeError> {
        let request = format!("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        if self.send(request.as_bytes()).is_err() {
            return Ok(None);
        }
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while answer.len() as u64 <= MAX_ANSWER {
            match self.receive(&mut buffer) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
                Err(ProbeError::Silent) => return Err(ProbeError::Silent),
                Err(_) => break,
            }
        }
        if answer.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&answer);
        if !text.starts_with("HTTP/") {
            return Err(ProbeError::Garbage(shown(&text)));
        }
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let Ok(status) = serde_json::from_str::<RpcStatus>(body) else {
            let first = text.lines().next().unwrap_or_default();
            return Err(ProbeError::Garbage(format!("it is a web server ({})", shown(first))));
        };
        cleaned(status).map(Some)
    }

    fn hello(&mut self) -> Result<Protocol, ProbeError> {
        self.order(HELLO, &CAPABILITIES)?;
        let size = self.size()?;
        // Earlier versions sent theirs without capabilities.
        if !(3..=256).contains(&size) {
            return Err(ProbeError::Garbage(format!("{size} bytes as its version")));
        }
        let mut answer = vec![0; size as usize];
        self.fill(&mut answer)?;
        Ok(Protocol { major: answer[0], minor: answer[1], patch: answer[2] })
    }

    /// Send a command, and take an answer of a fixed size.
    fn ask<const N: usize>(&mut self, command: u8, input: &[u8]) -> Result<[u8; N], ProbeError> {
        self.order(command, input)?;
        let size = self.size()?;
        if size != N as u64 {
            return Err(ProbeError::Garbage(format!("{size} bytes where {N} belong")));
        }
        let mut answer = [0; N];
        self.fill(&mut answer)?;
        Ok(answer)
    }

    fn order(&mut self, command: u8, input: &[u8]) -> Result<(), ProbeError> {
        let mut frame = vec![command];
        frame.extend_from_slice(&(input.len() as u64).to_le_bytes());
        frame.extend_from_slice(input);
        self.send(&frame)
    }

    fn size(&mut self) -> Result<u64, ProbeError> {
        let mut size = [0; 8];
        self.fill(&mut size)?;
        Ok(u64::from_le_bytes(size))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ProbeError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.receive(&mut buffer[filled..])? {
                0 => return Err(ProbeError::Closed),
                count => filled += count,
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ProbeError> {
        let left = self.left()?;
        self.stream
            .set_write_timeout(Some(left))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(|error| ended(&error))
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, ProbeError> {
        let left = self.left()?;
        self.stream.set_read_timeout(Some(left)).map_err(|error| ended(&error))?;
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(|error| ended(&error)),
            }
        }
    }

    /// The time that is left.
    fn left(&self) -> Result<Duration, ProbeError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ProbeError::Silent) } else { Ok(left) }
    }
}

fn ended(error: &io::Error) -> ProbeError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ProbeError::Silent,
        _ => ProbeError::Closed,
    }
}

/// A stranger's text as one short clause.
fn shown(text: &str) -> String {
    gguf::clean(text, 60).trim().to_owned()
}

/// A description that can be shown and used.
fn cleaned(mut status: RpcStatus) -> Result<RpcStatus, ProbeError> {
    if status.devices.is_empty() || status.devices.len() > MAX_DEVICES as usize {
        return Err(ProbeError::Garbage(format!("that it has {} devices", status.devices.len())));
    }
    status.version = status.version.map(|version| gguf::clean(&version, MAX_NAME));
    for (device, place) in status.devices.iter_mut().zip(0..) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if device.name.is_empty() || device.name.len() > MAX_NAME || !device.name.chars().all(is_name) {
            device.name = i32::to_string(&place);
        }
        device.description = gguf::clean(&device.description, MAX_DESCRIPTION);
        if device.free > device.total {
            device.free = None;
        }
    }
    Ok(status)
}
