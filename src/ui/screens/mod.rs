//! The screens, one file each.

pub(super) mod bench;
pub(super) mod chats;
pub(super) mod fleet;
mod history;
pub(super) mod hub;
pub(super) mod library;
pub(super) mod machine;
pub(super) mod race;
pub(super) mod requests;
mod suite;
pub(super) mod top;
pub(super) mod usage;
