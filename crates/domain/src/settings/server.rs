//! The server process, and how other programs are served.

// The type of an address alone; nothing here listens.
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// Default port of the server.
pub const DEFAULT_PORT: u16 = 11437;

/// How other programs are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct Server {
    /// Whether a dashboard attaches to this user's server, starting one where none runs.
    pub attach: bool,
    /// Where the HTTP APIs listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Names that a request may give in `Host`, besides those of this machine.
    pub hosts: Vec<String>,
    /// Web pages whose scripts may ask, each as the exact text of `Origin`.
    pub origins: Vec<String>,
    /// Whether clients on this machine need a key as well. Others always do.
    pub require_key: bool,
    /// Whether clients on other machines may load, unload, pull and delete models, with a key of that scope.
    pub remote_admin: bool,
    /// Whether all clients are given the energy of their answers, not only those that ask for it.
    pub usage_energy: bool,
    /// The longest body of a request.
    pub max_body: Bytes,
    /// Connections at once; more wait until one is closed.
    pub max_connections: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            attach: true,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
            hosts: Vec::new(),
            origins: Vec::new(),
            require_key: false,
            remote_admin: false,
            usage_energy: false,
            max_body: Bytes(64 << 20),
            max_connections: 512,
        }
    }
}
