//! The screens, one file each.

pub(super) mod fleet;
pub(super) mod hub;
pub(super) mod library;
pub(super) mod machine;
pub(super) mod top;
pub(super) mod usage;
