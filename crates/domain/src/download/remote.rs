//! Files of the hub, and why they can not be had.

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// A file on the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// The path in its repository, with `/`.
    pub path: String,
    /// Its size.
    pub size: Bytes,
}

/// Why something of the hub failed, with what to do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// What happened, in one clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
    /// Of which kind it is.
    pub kind: FailureKind,
}

impl std::fmt::Display for Failure {
    /// The reason, and behind it the hint in brackets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Kinds of failures, as distinguished by exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum FailureKind {
    /// There is no such repository, revision or file.
    NotFound,
    /// It is not allowed, or there is no room for it.
    Refused,
    /// Anything else; trying again may help.
    Failed,
}
