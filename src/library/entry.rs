//! What a folder has, as far as the folder itself tells.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// What an entry of a folder is, as far as the folder itself tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A folder.
    Directory,
    /// A file, or something that should be one.
    File,
    /// A symbolic link to either.
    Link,
}

/// An entry that matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
}
