//! The Unix socket between a server and the dashboards and commands of the same user.
//!
//! Owned here: where the socket is, what is said on it, both of its ends, and when a server ends by itself. Absent: the
//! domain's driver (`App`), the HTTP server, and what a dashboard makes of it (`attached`).

mod bridge;
mod clients;
mod frames;
mod link;
mod place;
mod protocol;
mod questions;
mod queue;
mod service;

pub use bridge::bridge;
pub(super) use clients::Publisher;
pub(super) use link::Link;
pub use link::{LinkError, Target, ask, sessions, stop};
pub use place::{PlaceError, socket};
pub use protocol::{Answer, FromServer, Hello, Purpose, Status};
pub(super) use protocol::{FromClient, Question, first_command};
pub use service::{Service, SocketEvent, Wanted};
