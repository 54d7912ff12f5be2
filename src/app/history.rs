//! The history on a thread of its own, so that nothing waits for a disk or for another process.
//!
//! The file is opened at the first wish. What goes wrong is said once; the program goes on without a history.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::core::event::HistoryEvent;
use crate::core::history::{Filter, Latest, Page, Record};
pub use crate::history::{ExportError, Format, History, Problem};
use crate::library::Env;

/// Wishes that may wait while the file is locked: some minutes of answers. One more record is refused, and that is said.
const MAX_WAITING: usize = 256;

/// How often a record is offered to a history that another process locks. Each try waits two seconds: half a minute.
const MAX_TRIES: usize = 15;

/// What the history is asked.
#[derive(Debug)]
pub(super) enum Wish {
    /// Keep a record; for each of its figures the earlier ones are told.
    Keep { ask: u64, record: Box<Record> },
    /// Tell what was measured last of each model.
    Measured,
    /// Tell all votes.
    Votes,
    /// Tell a page of the list.
    List { generation: u64, filter: Filter, page: Page },
    /// Delete a record.
    Delete(i64),
    /// Tell the names of a blind race.
    Reveal(i64),
}

impl Wish {
    /// The question that a record comes with.
    fn ask(&self) -> Option<u64> {
        match self {
            Self::Keep { ask, .. } => Some(*ask),
            _ => None,
        }
    }
}

/// Where the history is; `None` on a system that tells no folder for data.
pub fn place() -> Option<PathBuf> {
    Some(Env::read().data?.join("history.db"))
}

/// The history for a command that looks; `None` where nothing was kept yet.
pub fn open_existing() -> Result<Option<History>, Problem> {
    place().map_or(Ok(None), |path| History::open_existing(&path))
}

/// What was measured last of each model, for a command that looks; nothing where the history can't be read, which
/// `taffrail history` explains.
pub fn measured() -> HashMap<String, Latest> {
    let measured = open_existing().ok().flatten().and_then(|mut history| history.measured().ok());
    measured.unwrap_or_default().into_iter().collect()
}

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct Keeper {
    wishes: Option<SyncSender<Wish>>,
    answers: mpsc::UnboundedSender<HistoryEvent>,
    events: mpsc::UnboundedReceiver<HistoryEvent>,
    thread: Option<JoinHandle<()>>,
    path: Option<PathBuf>,
}

impl Keeper {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        // One answer for each wish, and wishes are bounded.
        let (answers, events) = mpsc::unbounded_channel();
        Self { wishes: None, answers, events, thread: None, path }
    }

    /// Ask for something; the answer comes as an event.
    pub(super) fn ask(&mut self, wish: Wish) {
        if self.wishes.is_none() {
            let (wishes, inbox) = sync_channel(MAX_WAITING);
            let (path, answers) = (self.path.clone(), self.answers.clone());
            self.thread = std::thread::Builder::new()
                .name("history".to_owned())
                .spawn(move || keep(path.as_deref(), &inbox, &answers))
                .ok();
            self.wishes = Some(wishes);
        }
        let Some(wishes) = &self.wishes else { return };
        let (wish, reason) = match wishes.try_send(wish) {
            Ok(()) => return,
            Err(TrySendError::Full(wish)) => (wish, "the history is locked for too long: what comes now is not kept"),
            Err(TrySendError::Disconnected(wish)) => (wish, "the history has ended: what comes now is not kept"),
        };
        let _ = self.answers.send(refused(wish.ask(), reason.to_owned()));
    }

    /// The next answer. Never ends while this lives, since it holds a sender itself.
    pub(super) async fn next(&mut self) -> Option<HistoryEvent> {
        self.events.recv().await
    }

    pub(super) fn try_next(&mut self) -> Option<HistoryEvent> {
        self.events.try_recv().ok()
    }

    /// Wait until all that was wished is done.
    pub(super) fn close(&mut self) {
        self.wishes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(path: Option<&Path>, wishes: &Receiver<Wish>, answers: &mpsc::UnboundedSender<HistoryEvent>) {
    let mut history: Option<History> = None;
    // A file that can't be opened is said once, however often it is tried.
    let mut said = None;
    while let Ok(wish) = wishes.recv() {
        if history.is_none() {
            let open =
                |path: &Path| if wish.ask().is_some() { patient(|| History::open(path)) } else { History::open(path) };
            match path.map(open) {
                Some(Ok(opened)) => history = Some(opened),
                Some(Err(problem)) => {
                    let is_new = said.as_ref() != Some(&problem);
                    if is_new || wish.ask().is_some() {
                        let _ = answers.send(refused(wish.ask(), sentence(&problem)));
                    }
                    said = Some(problem);
                    continue;
                }
                None => {
                    let text = "this system tells no folder for data: there is no history".to_owned();
                    let _ = answers.send(refused(wish.ask(), text));
                    continue;
                }
            }
        }
        let Some(history) = &mut history else { continue };
        let ask = wish.ask();
        let answer = grant(history, wish).unwrap_or_else(|problem| refused(ask, sentence(&problem)));
        let _ = answers.send(answer);
    }
}

/// Try again while another process locks the history, so that what was measured is not lost.
fn patient<T>(mut attempt: impl FnMut() -> Result<T, Problem>) -> Result<T, Problem> {
    for _ in 1..MAX_TRIES {
        match attempt() {
            Err(Problem::Locked { .. }) => {}
            done => return done,
        }
    }
    attempt()
}

fn grant(history: &mut History, wish: Wish) -> Result<HistoryEvent, Problem> {
    Ok(match wish {
        Wish::Keep { ask, record } => patient(|| {
            let earlier = record
                .figures
                .iter()
                .map(|figure| history.earlier(&figure.series, &figure.what))
                .collect::<Result<_, _>>()?;
            Ok(HistoryEvent::Kept { ask, id: history.add(&record)?, earlier })
        })?,
        Wish::Measured => HistoryEvent::Measured(history.measured()?),
        Wish::Votes => HistoryEvent::Votes(history.votes()?),
        Wish::List { generation, filter, page } => {
            let entries = history.list(&filter, page)?;
            let more = entries.len() == page.rows;
            HistoryEvent::Listed { generation, entries, more }
        }
        Wish::Reveal(id) => {
            history.reveal(id)?;
            HistoryEvent::Revealed(id)
        }
        Wish::Delete(id) => {
            let vote = history.vote(id)?;
            history.delete(&[id])?;
            HistoryEvent::Forgotten { id, vote }
        }
    })
}

/// Why a wish is not granted.
fn refused(ask: Option<u64>, reason: String) -> HistoryEvent {
    match ask {
        Some(ask) => HistoryEvent::NotKept { ask, reason },
        None => HistoryEvent::Trouble(reason),
    }
}

fn sentence(problem: &Problem) -> String {
    problem.hint().map_or_else(|| problem.to_string(), |hint| format!("{problem}: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_history_is_tried_again_and_not_for_ever() {
        for (n_locked, expected, n_tries) in [(0, Some(7), 1), (2, Some(7), 3), (99, None, MAX_TRIES)] {
            let mut tries = 0;
            let done = patient(|| {
                tries += 1;
                if tries <= n_locked { Err(Problem::Locked { path: PathBuf::new() }) } else { Ok(7) }
            });
            assert_eq!((done.ok(), tries), (expected, n_tries));
        }
        let mut tries = 0;
        let full: Result<(), _> = patient(|| {
            tries += 1;
            Err(Problem::Full { path: PathBuf::new() })
        });
        assert!(full.is_err() && tries == 1, "what waiting does not mend is said at once");
    }
}
