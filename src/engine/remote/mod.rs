//! Engines of other programs: asked over HTTP, they answer as a worker would.
//!
//! Owned here: the address and the key, what an engine is and has, and a task for each session that turns requests for a
//! worker into requests over HTTP and what comes back into a worker's messages. Absent: what should happen next, as with
//! workers. Everything that an engine says is bounded and taken for hostile.

mod answer;
mod client;
mod events;
mod find;
mod key;
mod lines;
mod list;
mod load;
mod measure;
mod metrics;
mod prometheus;
mod question;
mod session;
mod watch;

use domain::model::remote::{EngineKind, Remote};
use domain::settings::{KeySource, RemoteEngine, Settings};

pub use find::{Found, find, find_blocking, look_blocking};
pub(super) use session::serve;
pub use watch::{Wanted, watch};

/// An engine, and how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// What it is.
    pub kind: EngineKind,
    /// Where its key comes from.
    pub key: Option<KeySource>,
    /// Whether it was found on this machine rather than named in config.toml.
    pub is_discovered: bool,
}

impl Access {
    /// The engine of a section.
    pub fn configured(name: &str, engine: &RemoteEngine) -> Self {
        let RemoteEngine { url, kind, key, .. } = engine;
        Self { name: name.to_owned(), url: url.clone(), kind: *kind, key: key.clone(), is_discovered: false }
    }

    /// The engine of a model. The key is that of the section with its name, and only where the address is the section's.
    pub fn of(remote: &Remote, settings: &Settings) -> Self {
        let section = settings.remotes.get(&remote.engine).filter(|engine| engine.url == remote.url);
        Self {
            name: remote.engine.clone(),
            url: remote.url.clone(),
            kind: remote.kind,
            key: section.and_then(|engine| engine.key.clone()),
            is_discovered: section.is_none(),
        }
    }
}

/// Why an engine does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    /// One clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
    /// The status of its answer, where it gave one that tells of no success.
    pub status: Option<u16>,
}

impl RemoteError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None, status: None }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

#[cfg(test)]
mod harm_tests;
#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;
