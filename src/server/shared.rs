//! What all addresses share.

use super::blobs::Blobs;
use super::handle::Handle;
use super::keys;
use domain::settings;

/// What all addresses share.
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) settings: settings::Server,
    pub(super) keys: keys::Keys,
    /// Files that clients give; none where there is no place for them.
    pub(super) blobs: Option<Blobs>,
    /// Whether other machines can reach it.
    pub(super) is_network: bool,
    /// This machine's name, by which others on its network call it.
    pub(super) host_name: Option<String>,
    /// Makes ids of answers unique over restarts.
    pub(super) instance: String,
}
