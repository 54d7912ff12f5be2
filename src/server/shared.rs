//! What all addresses share.

use super::handle::Handle;
use super::keys;
use domain::settings;

/// What all addresses share.
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) settings: settings::Server,
    pub(super) keys: keys::Keys,
    /// Whether other machines can reach it.
    pub(super) is_network: bool,
    /// This machine's name, by which others on its network call it.
    pub(super) host_name: Option<String>,
    /// Makes ids of answers unique over restarts.
    pub(super) instance: String,
}
