//! What became of files that were tried although something speaks against them: whether they ran, were refused by
//! llama.cpp, or ended their worker.
//!
//! Owned here: the file that remembers it, `tries.json` in the data folder. A try is of one file: another size or time of
//! change makes it another file, of which nothing is known. Absent: when something is tried, and when it is worth keeping,
//! which the core decides.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::env::{Env, read_text};
use crate::atomic_file;
use domain::model::{Model, Outcome, Status, Tried};

/// The longest file that is read.
const MAX_BYTES: u64 = 4 << 20;
/// Tries that are kept; the oldest go first.
const MAX_TRIES: usize = 1000;
/// The longest reason that is kept, characters.
const REASON_CHARS: usize = 400;

/// One file as it was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Try {
    /// The first part's.
    path: String,
    /// Of all parts, bytes.
    size: u64,
    /// When one of the parts changed last, seconds since 1970.
    modified: i64,
    tried: Tried,
}

/// All that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Tries {
    tries: Vec<Try>,
}

impl Tries {
    /// What is remembered; nothing where the file is not there or not ours.
    pub(super) fn read(env: &Env) -> Self {
        let text = place(env).and_then(|place| read_text(&place, MAX_BYTES));
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Put down on a model what became of its files. One that ran although the check refuses it can be run.
    pub(super) fn apply(&self, model: &mut Model) {
        if self.tries.is_empty() {
            return;
        }
        let Some((path, size, modified)) = key(model) else { return };
        let same = |one: &&Try| one.path == path && one.size == size && one.modified == modified;
        model.tried = self.tries.iter().find(same).map(|one| one.tried.clone());
        let has_run = model.tried.as_ref().is_some_and(|tried| tried.outcome == Outcome::Ran);
        if has_run && model.can_be_tried() {
            model.overridden = Some(model.status.to_string());
            model.status = Status::Runnable;
        }
    }
}

/// Remember what became of a model's files.
pub fn remember(model: &Model, tried: Tried, env: &Env) -> io::Result<()> {
    let (Some(place), Some((path, size, modified))) = (place(env), key(model)) else { return Ok(()) };
    let mut all = Tries::read(env).tries;
    all.retain(|one| one.path != path);
    let outcome = match tried.outcome {
        Outcome::Ran => Outcome::Ran,
        Outcome::Refused(reason) => Outcome::Refused(gguf::clean(&reason, REASON_CHARS)),
        Outcome::Died(reason) => Outcome::Died(gguf::clean(&reason, REASON_CHARS)),
    };
    all.push(Try { path, size, modified, tried: Tried { outcome, ..tried } });
    let first = all.len().saturating_sub(MAX_TRIES);
    all.drain(..first);
    let bytes = serde_json::to_vec_pretty(&Tries { tries: all }).map_err(io::Error::other)?;
    atomic_file::replace(&place, &bytes)
}

fn place(env: &Env) -> Option<PathBuf> {
    Some(env.data.as_ref()?.join("tries.json"))
}

/// What tells a model's files from others; `None` without a file.
fn key(model: &Model) -> Option<(String, u64, i64)> {
    let path = model.path()?.to_str().filter(|path| !path.is_empty())?.to_owned();
    let modified = model.files.iter().map(|file| file.modified).max()?;
    Some((path, model.files.iter().map(|file| file.size.0).sum(), modified))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::model::ModelFile;
    use domain::testing::model;
    use domain::units::Bytes;

    fn damaged(path: &str, size: u64) -> Model {
        let file = ModelFile { path: path.into(), size: Bytes(size), modified: 7, digest: None };
        Model { files: vec![file], status: Status::Damaged("odd".to_owned()), ..model(path) }
    }

    #[test]
    fn a_file_that_ran_can_be_run_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let env = Env { data: Some(folder.path().to_owned()), ..Env::default() };
        let after = |path: &str, size| {
            let mut model = damaged(path, size);
            Tries::read(&env).apply(&mut model);
            model
        };
        assert_eq!(after("/a", 1).tried, None);
        let died = Tried { outcome: Outcome::Died("killed by signal 6: \u{1b}assert".to_owned()), at: 5 };
        remember(&damaged("/a", 1), died, &env).unwrap();
        let model = after("/a", 1);
        assert!(!model.is_runnable());
        let words = Outcome::Died("killed by signal 6: assert".to_owned());
        assert_eq!(model.tried, Some(Tried { outcome: words, at: 5 }));
        let ran = Tried { outcome: Outcome::Ran, at: 6 };
        remember(&damaged("/a", 1), ran.clone(), &env).unwrap();
        let model = after("/a", 1);
        assert_eq!((model.is_runnable(), model.overridden.as_deref(), model.tried), (true, Some("odd"), Some(ran)));
        // Another file of this name, and another name.
        assert_eq!(after("/a", 2).tried, None);
        assert!(!after("/b", 1).is_runnable());
    }

    #[test]
    fn it_is_bounded_and_survives_a_broken_file() {
        let folder = tempfile::tempdir().unwrap();
        let env = Env { data: Some(folder.path().to_owned()), ..Env::default() };
        let tries = (0..MAX_TRIES).map(|number| Try {
            path: format!("/{number}"),
            size: 1,
            modified: 7,
            tried: Tried { outcome: Outcome::Ran, at: 1 },
        });
        let bytes = serde_json::to_vec(&Tries { tries: tries.collect() }).unwrap();
        std::fs::write(folder.path().join("tries.json"), bytes).unwrap();
        remember(&damaged("/new", 1), Tried { outcome: Outcome::Ran, at: 2 }, &env).unwrap();
        let read = Tries::read(&env).tries;
        assert_eq!((read.len(), read[0].path.as_str(), read[MAX_TRIES - 1].path.as_str()), (MAX_TRIES, "/1", "/new"));
        std::fs::write(folder.path().join("tries.json"), b"{\"tries\": 3").unwrap();
        assert_eq!(Tries::read(&env), Tries::default());
        // Without a folder nothing is kept.
        remember(&damaged("/a", 1), Tried { outcome: Outcome::Ran, at: 2 }, &Env::default()).unwrap();
    }
}
