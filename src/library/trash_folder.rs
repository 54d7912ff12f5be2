//! The folder that takes what is deleted.

/// The folder that takes what is deleted, on each file system. No scan looks into it.
pub(super) const TRASH: &str = ".taffrail-trash";
