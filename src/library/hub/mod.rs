//! The hub: searching it, and fetching models from it into the Hugging Face cache.
//!
//! Owned here: where the hub is and with which token it is asked ([`HubAccess`]), the client, the transfer and the cache's
//! layout as far as it is written. Absent: what is fetched and when, which the core decides.
//!
//! `hf-hub` says where a repository and its snapshots lie in the cache. Its transfer neither resumes nor verifies, and its
//! requests take answers of any length; so requests are sent from here, bounded, and the token goes to the endpoint alone
//! (docs/decisions/0026).

mod api;
mod cache;
mod client;
#[cfg(test)]
#[expect(unreachable_pub, reason = "tests of the program and an example include it")]
pub(crate) mod fake;
mod journal;
mod lock;
mod names;
mod part;
mod place;
mod problem;
mod queue;
#[cfg(test)]
mod tests;
mod transfer;

use std::io;

use super::env::Env;
use domain::download::Order;

pub use client::Client;
pub use journal::{discard, interrupted};
pub use names::check_repository;
pub use place::{HubAccess, Patience, Token};
pub use problem::HubError;
pub use transfer::{Reporter, TransferCommand, fetch};

/// Write down the downloads that were ordered and have not begun.
pub fn keep_queue(orders: &[Order]) -> io::Result<()> {
    queue::place(&Env::read()).map_or(Ok(()), |place| queue::write(&place, orders))
}

/// The downloads that an earlier run was asked for and did not begin.
pub fn kept_queue() -> Vec<Order> {
    queue::place(&Env::read()).as_deref().map(queue::read).unwrap_or_default()
}
