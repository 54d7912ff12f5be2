//! llama.cpp's RPC: devices of other machines for layers of a model, and devices of this one for others.
//!
//! Owned here: checking a server before llama.cpp connects to it, since it aborts the process if the server is missing
//! ([`probe()`]); a server's devices as devices of a model; and the server itself. Absent: access control for a
//! server, and restarting one that died; both are up to the supervisor.

#[cfg(not(all(feature = "llama", has_rpc)))]
mod absent;
#[cfg(all(feature = "llama", has_rpc))]
mod client;
#[cfg(feature = "llama")]
mod devices;
mod opened;
mod probe;
mod protocol;
#[cfg(all(feature = "llama", has_rpc))]
mod serve;
#[cfg(all(feature = "llama", has_rpc, target_os = "linux"))]
mod watch;

#[cfg(not(all(feature = "llama", has_rpc)))]
pub use absent::serve;
#[cfg(feature = "llama")]
pub(crate) use devices::{reworded, shown, with_devices};
pub use opened::{Opened, ServeOptions};
pub use probe::{MAX_DEVICES, PATIENCE, ProbeError, RpcDevice, RpcStatus, probe, probe_bare};
pub use protocol::{NO_RPC, Protocol, protocol};
#[cfg(all(feature = "llama", has_rpc))]
pub use serve::serve;
