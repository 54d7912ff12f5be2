//! What can go wrong with the hub, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::download::hub::{Failure, FailureKind};
use domain::model::Digest;
use domain::units::{Bytes, span};

/// Why something of the hub failed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The user's environment forbids the network.
    #[error("HF_HUB_OFFLINE is set, so the hub is not asked")]
    Offline,
    /// The endpoint is no address.
    #[error("`{0}` is not the address of a hub")]
    Endpoint(String),
    /// The token holds characters that no token has.
    #[error("the token holds characters that no token has")]
    Token,
    /// A name that would leave its place.
    #[error("`{}` is not a {what} that can be fetched", gguf::clean(.name, 200))]
    Name {
        /// Of what.
        what: &'static str,
        /// As it was given.
        name: String,
    },
    /// No connection came about.
    #[error("{host} can't be reached: {reason}")]
    NoConnection {
        /// Whose.
        host: String,
        /// The system's reason.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("{host} did not answer in time")]
    Timeout {
        /// Whose answer.
        host: String,
    },
    /// The connection ended before the file did.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// A token is needed, or was not accepted.
    #[error("{repository} is not open to {}", if *.with_token { "your token" } else { "all" })]
    Unauthorized {
        /// `owner/name`.
        repository: String,
        /// Whether one was sent.
        with_token: bool,
    },
    /// Another host that the endpoint redirects to wants a token, and gets none.
    #[error("{host}, where the hub's address redirects to, does not open {repository}: the token is not sent there")]
    TokenWithheld {
        /// `owner/name`.
        repository: String,
        /// Where it redirects to.
        host: String,
    },
    /// The owner's terms must be accepted first.
    #[error("{repository} is gated: its owner asks for consent first")]
    Gated {
        /// `owner/name`.
        repository: String,
        /// Where the terms are.
        page: String,
    },
    /// There is no such thing.
    #[error("there is no {what} on the hub")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The hub asks for fewer requests.
    #[error("the hub asks to wait for {}", .0.map_or_else(|| "a while".to_owned(), span))]
    TooMany(Option<Duration>),
    /// Another status.
    #[error("the hub answered with status {0}")]
    Status(u16),
    /// An answer that makes no sense.
    #[error("the hub's answer can't be understood: {}", gguf::clean(.0, 300))]
    Answer(String),
    /// A redirect that is not followed.
    #[error("{}", gguf::clean(.0, 300))]
    Redirect(String),
    /// The file has another length than was promised.
    #[error("{file} is not as long as the hub says")]
    Length {
        /// The file.
        file: String,
    },
    /// The file is not what was promised.
    #[error("{file} does not match the hash {expected}, so it was discarded")]
    Hash {
        /// The file.
        file: String,
        /// What the hub promised.
        expected: Digest,
    },
    /// There is no room.
    #[error("{needed} are needed in {}, where {free} are free", .folder.display())]
    Space {
        /// What is missing of the files.
        needed: Bytes,
        /// What the disk has.
        free: Bytes,
        /// Where.
        folder: PathBuf,
    },
    /// The disk became full.
    #[error("the disk is full: {}", .0.display())]
    Full(PathBuf),
    /// The file system refused.
    #[error("{}: {error}", .path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl HubError {
    /// What the file system refused at a path.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Disk { path, error },
        }
    }

    /// Whether trying again soon may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::NoConnection { .. } | Self::Timeout { .. } | Self::Broken(_) | Self::TooMany(_) => true,
            Self::Status(status) => *status >= 500 || *status == 408,
            _ => false,
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Offline => "unset HF_HUB_OFFLINE to search and to fetch".to_owned(),
            Self::Endpoint(_) => {
                "set HF_ENDPOINT or `endpoint` under [hub] to an address such as https://huggingface.co".to_owned()
            }
            Self::Token => "set HF_TOKEN, or write the file again with `hf auth login`".to_owned(),
            Self::Name { what: "repository", .. } => {
                "a repository is written as OWNER/NAME, such as `Qwen/Qwen3-8B-GGUF`".to_owned()
            }
            Self::NoConnection { .. } | Self::Timeout { .. } => {
                "check the network, or name a mirror with HF_ENDPOINT".to_owned()
            }
            Self::Broken(_) | Self::Status(500..) => "try again; what was downloaded is kept".to_owned(),
            Self::Unauthorized { with_token: false, .. } => {
                "it may be private, gated or not exist: set HF_TOKEN, or log in with `hf auth login`".to_owned()
            }
            Self::Unauthorized { .. } => {
                "the token may have expired or lack the right to read; create another in the hub's settings".to_owned()
            }
            Self::TokenWithheld { host, .. } => {
                format!("if {host} may have the token, set HF_ENDPOINT or `endpoint` under [hub] to its address")
            }
            Self::Redirect(_) => "set HF_ENDPOINT or `endpoint` under [hub] to where it leads in the end".to_owned(),
            Self::Gated { page, .. } => {
                format!("accept the terms at {page}, and set HF_TOKEN to a token of that account")
            }
            Self::NotFound { .. } => "check the spelling; private repositories need HF_TOKEN".to_owned(),
            Self::TooMany(None) => "try again later; a token allows more requests".to_owned(),
            Self::TooMany(Some(_)) => "try again then; a token allows more requests".to_owned(),
            Self::Length { .. } | Self::Hash { .. } => {
                "it was changed in transit or on the hub; try again, and if this persists, contact the repository's owner"
                    .to_owned()
            }
            Self::Space { .. } => {
                "make room, choose a smaller quantization, or set HF_HUB_CACHE to another disk".to_owned()
            }
            Self::Full(_) => "free some space, then resume: what was downloaded is kept".to_owned(),
            _ => return None,
        })
    }

    /// For the core.
    pub fn failure(&self) -> Failure {
        let kind = match self {
            Self::NotFound { .. } | Self::Name { .. } => FailureKind::NotFound,
            Self::Unauthorized { .. }
            | Self::TokenWithheld { .. }
            | Self::Gated { .. }
            | Self::Space { .. }
            | Self::Offline => FailureKind::Refused,
            _ => FailureKind::Failed,
        };
        Failure { reason: self.to_string(), hint: self.hint(), kind }
    }
}
