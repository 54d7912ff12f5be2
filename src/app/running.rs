//! What a server has loaded, on the disk as long as it runs: where it is killed, the next one can say what was lost.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::App;
use crate::atomic_file;
use crate::library::Env;
use domain::units::counted;

/// The most bytes of the file that are read: thousands of names.
const MAX_BYTES: u64 = 1 << 20;

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    /// The server's process.
    pid: u32,
    /// The names of its sessions.
    sessions: Vec<String>,
}

fn place(data: Option<&Path>) -> Option<PathBuf> {
    Some(data?.join("server.json"))
}

/// What a server that did not end in order has lost, in a sentence. Told once.
pub fn take_lost() -> Option<String> {
    lost(&place(Env::read().data.as_deref())?)
}

fn lost(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let _ = std::fs::remove_file(path);
    let Running { pid, sessions } = serde_json::from_str(&text).ok()?;
    let count = counted(sessions.len(), "session");
    let names = sessions.join(", ");
    Some(format!(
        "the server that ran before (pid {pid}) ended unexpectedly and lost {count}: {names}; chats are in the history, \
         requests of other programs are not"
    ))
}

impl App {
    /// Write down what is loaded, where that has changed.
    pub(super) fn note_running(&mut self) {
        let live = self.state.domain.sessions.iter().filter(|session| session.is_live());
        let sessions: Vec<String> = live.map(|session| session.name.clone()).collect();
        if sessions == self.noted {
            return;
        }
        self.noted.clone_from(&sessions);
        let Some(path) = place(self.data.as_deref()) else { return };
        self.write("what is loaded", move || {
            let written = if sessions.is_empty() {
                std::fs::remove_file(&path)
            } else {
                let running = Running { pid: std::process::id(), sessions };
                serde_json::to_vec(&running).map_err(Into::into).and_then(|text| atomic_file::replace(&path, &text))
            };
            // It is a convenience of the next start, and the log's business otherwise.
            if let Err(error) = written {
                tracing::warn!("what is loaded can't be written down: {error}");
            }
            None
        });
    }

    /// The server ends in order, and loses nothing.
    pub(super) fn forget_running(&mut self) {
        self.noted.clear();
        if let Some(path) = place(self.data.as_deref()) {
            self.write("what is loaded", move || {
                let _ = std::fs::remove_file(path);
                None
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = place(Some(folder.path())).unwrap();
        assert_eq!(lost(&path), None);
        let running = Running { pid: 7, sessions: vec!["a".to_owned(), "b".to_owned()] };
        atomic_file::replace(&path, &serde_json::to_vec(&running).unwrap()).unwrap();
        let sentence = lost(&path).unwrap();
        assert!(sentence.contains("(pid 7) ended unexpectedly and lost 2 sessions: a, b;"), "{sentence}");
        assert_eq!(lost(&path), None);
        atomic_file::replace(&path, b"{").unwrap();
        assert_eq!(lost(&path), None);
    }
}
