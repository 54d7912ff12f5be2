//! The history on a thread of its own, so that nothing waits for a disk or for another process.
//!
//! The file is opened at the first wish. What goes wrong is said once; the program goes on without a history. A record is
//! a draft on the disk until the history has it, so whatever locks or fills the history, the next start adds the record.

mod command;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

pub(super) use self::command::HistoryCommand;
use self::command::grant;
use crate::history::drafts::{self, Drafts};
pub use crate::history::{ExportError, Format, History, HistoryError};
use crate::library::Env;
use crate::ui;
use domain::Effect;
use domain::event::HistoryEvent;
use domain::record::{Latest, Record};

/// Wishes that may wait while the file is locked: some minutes of answers. One more record is refused, and that is said.
const MAX_WAITING: usize = 256;

/// How long a locked history is left alone before a record is offered again.
const RETRY: Duration = Duration::from_secs(1);

/// How long the program waits for the history when it ends.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Where the history is; `None` on a system that tells no folder for data.
pub fn place() -> Option<PathBuf> {
    Some(Env::read().data?.join("history.db"))
}

/// The history for a command that looks; `None` where nothing was kept yet. What a run that was killed left is in it.
pub fn open_existing() -> Result<Option<History>, HistoryError> {
    let Some(path) = place() else { return Ok(None) };
    let has_drafts = std::fs::read_dir(drafts::folder(&path)).is_ok_and(|mut entries| entries.next().is_some());
    let opened =
        if has_drafts && !path.exists() { History::open(&path).map(Some) } else { History::open_existing(&path) };
    let mut opened = opened?;
    if let Some(history) = &mut opened
        && has_drafts
    {
        // What can't be taken in now, for a lock or a full disk, is at the next start.
        let _ = drafts::take_in(history);
    }
    Ok(opened)
}

/// What was measured last of each model, for a command that looks; nothing where the history can't be read, which
/// `taffrail history` explains.
pub fn measured() -> HashMap<String, Latest> {
    let measured = open_existing().ok().flatten().and_then(|mut history| history.measured().ok());
    measured.unwrap_or_default().into_iter().collect()
}

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct HistoryWriter {
    commands: Option<SyncSender<HistoryCommand>>,
    answers: mpsc::UnboundedSender<HistoryEvent>,
    events: mpsc::UnboundedReceiver<HistoryEvent>,
    /// Closed when the thread has ended.
    ended: Option<Receiver<()>>,
    path: Option<PathBuf>,
}

impl HistoryWriter {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        // One answer for each wish, and wishes are bounded.
        let (answers, events) = mpsc::unbounded_channel();
        Self { commands: None, answers, events, ended: None, path }
    }

    /// Ask for something; the answer comes as an event.
    pub(super) fn ask(&mut self, command: HistoryCommand) {
        if self.commands.is_none() {
            let (commands, inbox) = sync_channel(MAX_WAITING);
            let (ending, ended) = sync_channel(0);
            let (path, answers) = (self.path.clone(), self.answers.clone());
            let thread = move || {
                let _ending: SyncSender<()> = ending;
                HistoryThread::new(path, answers).run(&inbox);
            };
            if std::thread::Builder::new().name("history".to_owned()).spawn(thread).is_ok() {
                self.ended = Some(ended);
            }
            self.commands = Some(commands);
        }
        let Some(commands) = &self.commands else { return };
        let (command, reason) = match commands.try_send(command) {
            // The next version of a draft comes soon.
            Ok(()) | Err(TrySendError::Full(HistoryCommand::Draft { .. })) => return,
            Err(TrySendError::Full(command)) => {
                (command, "the history has been locked for too long: new records are not kept")
            }
            Err(TrySendError::Disconnected(command)) => (command, "the history has stopped: new records are not kept"),
        };
        let _ = self.answers.send(refused(command.ask(), reason.to_owned()));
    }

    /// Do what the domain wants of a conversation.
    pub(super) fn ask_of(&mut self, effect: Effect) {
        match effect {
            Effect::SaveConversation(conversation) => self.ask(HistoryCommand::PutConversation(conversation)),
            Effect::NameConversation { key, name } => self.ask(HistoryCommand::NameConversation { key, name }),
            Effect::DeleteConversation(key) => self.ask(HistoryCommand::DeleteConversation(key)),
            _ => {}
        }
    }

    /// Ask for what a screen wants of the conversations.
    pub(super) fn ask_for(&mut self, asked: ui::Effect) {
        match asked {
            ui::Effect::ListConversations { generation, words, rows } => {
                self.ask(HistoryCommand::Conversations { generation, words, rows });
            }
            ui::Effect::GetConversation(key) => self.ask(HistoryCommand::Conversation(key)),
            _ => {}
        }
    }

    /// The next answer. Never ends while this lives, since it holds a sender itself.
    pub(super) async fn next(&mut self) -> Option<HistoryEvent> {
        self.events.recv().await
    }

    pub(super) fn try_next(&mut self) -> Option<HistoryEvent> {
        self.events.try_recv().ok()
    }

    /// Wait until all that was wished is done, for a second at most. Gives why something is not.
    pub(super) fn close(&mut self) -> Option<String> {
        self.commands = None;
        let waited = self.ended.take()?.recv_timeout(LAST_WAIT);
        (waited == Err(RecvTimeoutError::Timeout)).then(|| {
            "the history is locked by another process: what is not in it yet is added at the next start".to_owned()
        })
    }
}

/// What runs on the thread.
struct HistoryThread {
    path: Option<PathBuf>,
    answers: mpsc::UnboundedSender<HistoryEvent>,
    history: Option<History>,
    /// Made with the first draft; the reason where that failed.
    drafts: Option<Result<Drafts, String>>,
    /// What the last failure was, which is said once.
    said: Option<String>,
    /// Records that the history was locked for.
    waiting: VecDeque<HistoryCommand>,
}

impl HistoryThread {
    fn new(path: Option<PathBuf>, answers: mpsc::UnboundedSender<HistoryEvent>) -> Self {
        Self { path, answers, history: None, drafts: None, said: None, waiting: VecDeque::new() }
    }

    /// Do what is wished until nobody can wish any more, and then once more what was waiting.
    fn run(&mut self, commands: &Receiver<HistoryCommand>) {
        loop {
            let command = if self.waiting.is_empty() {
                commands.recv().map_err(RecvTimeoutError::from)
            } else {
                commands.recv_timeout(RETRY)
            };
            match command {
                Ok(command) => {
                    let batch = std::iter::once(command).chain(commands.try_iter().take(MAX_WAITING)).collect();
                    for command in latest(batch) {
                        self.take(command);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.retry(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.retry();
        for command in std::mem::take(&mut self.waiting) {
            let reason = "the history is locked by another process: this record is added at the next start";
            self.say(refused(command.ask(), reason.to_owned()));
        }
    }

    fn take(&mut self, command: HistoryCommand) {
        match command {
            HistoryCommand::Draft { draft, record } => {
                if let Err(reason) = self.put(draft, &record) {
                    self.say_once(&reason);
                }
            }
            HistoryCommand::Discard { draft } => {
                if let Some(Ok(drafts)) = &self.drafts {
                    drafts.remove(draft);
                }
            }
            command => {
                // On the disk before it is tried, so that it is safe whatever the history does.
                if let HistoryCommand::Keep { record, draft: Some(draft), .. } = &command
                    && let Err(reason) = self.put(*draft, record)
                {
                    self.say_once(&reason);
                }
                if self.waiting.is_empty() || !command.is_kept() {
                    self.attempt(command);
                } else {
                    self.waiting.push_back(command);
                }
            }
        }
    }

    /// Offer the history what waits, until it is locked again.
    fn retry(&mut self) {
        for _ in 0..self.waiting.len() {
            let Some(command) = self.waiting.pop_front() else { return };
            let n_waiting = self.waiting.len();
            self.attempt(command);
            if self.waiting.len() > n_waiting {
                // It was put behind the others: to the front again.
                self.waiting.rotate_right(1);
                return;
            }
        }
    }

    /// Grant a wish. A record that the history is locked for waits.
    fn attempt(&mut self, command: HistoryCommand) {
        let ask = command.ask();
        if let Err(problem) = self.open() {
            if command.is_kept() && matches!(problem, HistoryError::Locked { .. }) {
                return self.wait(command);
            }
            let text = sentence(&problem);
            if ask.is_some() {
                self.say(refused(ask, text.clone()));
                self.said = Some(text);
            } else {
                self.say_once(&text);
            }
            return;
        }
        let drafts = self.drafts.as_ref().and_then(|drafts| drafts.as_ref().ok());
        let Some(history) = &mut self.history else {
            return self.say(refused(ask, "no data folder is known on this system: there is no history".to_owned()));
        };
        if let HistoryCommand::Keep { ask, record, draft } = &command {
            return match keep(history, *ask, record, draft.zip(drafts)) {
                Ok(kept) => self.say(kept),
                Err(HistoryError::Locked { .. }) => self.wait(command),
                Err(problem) => self.say(refused(Some(*ask), sentence(&problem))),
            };
        }
        let answer = match grant(history, &command) {
            Err(HistoryError::Locked { .. }) if command.is_kept() => return self.wait(command),
            granted => granted.unwrap_or_else(|problem| refused(ask, sentence(&problem))),
        };
        let damaged = history.take_damaged();
        self.say(answer);
        if let Some(damaged) = damaged {
            self.say_once(&damaged);
        }
    }

    fn wait(&mut self, command: HistoryCommand) {
        if self.waiting.len() < MAX_WAITING {
            return self.waiting.push_back(command);
        }
        let reason = "the history is locked for too long: this record is added at the next start";
        self.say(refused(command.ask(), reason.to_owned()));
    }

    /// Open the history where it is not open yet, and take in what earlier runs left. No error where there is no place
    /// for one.
    fn open(&mut self) -> Result<(), HistoryError> {
        if self.history.is_some() {
            return Ok(());
        }
        let Some(path) = &self.path else { return Ok(()) };
        let mut history = History::open(path)?;
        let taken = drafts::take_in(&mut history);
        self.history = Some(history);
        let taken = taken?;
        if taken.n_records > 0 {
            self.say(HistoryEvent::Recovered(taken.n_records));
        }
        for problem in taken.problems {
            self.say(HistoryEvent::Failed(problem));
        }
        Ok(())
    }

    fn put(&mut self, draft: u64, record: &Record) -> Result<(), String> {
        let Some(path) = &self.path else { return Ok(()) };
        let folder = drafts::folder(path);
        let failed = |error: &std::io::Error| format!("{} can't be written to: {error}", folder.display());
        let drafts = self.drafts.get_or_insert_with(|| Drafts::open(&folder).map_err(|error| failed(&error)));
        drafts.as_ref().map_err(Clone::clone)?.put(draft, record).map_err(|error| failed(&error))
    }

    fn say(&self, event: HistoryEvent) {
        let _ = self.answers.send(event);
    }

    fn say_once(&mut self, reason: &str) {
        if self.said.as_deref() != Some(reason) {
            self.say(HistoryEvent::Failed(reason.to_owned()));
            self.said = Some(reason.to_owned());
        }
    }
}

/// Without the drafts that something later replaces: on a slow disk a draft takes longer than its text takes to come.
fn latest(batch: Vec<HistoryCommand>) -> Vec<HistoryCommand> {
    let (mut replaced, mut conversations) = (HashSet::new(), HashSet::new());
    let mut is_last = |command: &HistoryCommand| match command {
        HistoryCommand::PutConversation(conversation) => conversations.insert(conversation.key),
        HistoryCommand::NameConversation { .. } | HistoryCommand::DeleteConversation(_) => {
            // What comes before these is not what comes behind them.
            conversations.clear();
            true
        }
        HistoryCommand::Draft { draft, .. } => replaced.insert(*draft),
        HistoryCommand::Keep { draft: Some(draft), .. } | HistoryCommand::Discard { draft } => {
            replaced.insert(*draft);
            true
        }
        _ => true,
    };
    let mut last: Vec<HistoryCommand> = batch.into_iter().rev().filter(|command| is_last(command)).collect();
    last.reverse();
    last
}

/// Add a record, in place of its draft.
fn keep(
    history: &mut History,
    ask: u64,
    record: &Record,
    draft: Option<(u64, &Drafts)>,
) -> Result<HistoryEvent, HistoryError> {
    let earlier =
        record.figures.iter().map(|figure| history.earlier(&figure.series, &figure.what)).collect::<Result<_, _>>()?;
    let id = match draft {
        Some((draft, drafts)) => {
            let id = history.add_draft(record, &drafts.key(draft))?;
            drafts.remove(draft);
            id
        }
        None => history.add(record)?,
    };
    Ok(HistoryEvent::Saved { ask, id, earlier })
}

/// Why a wish is not granted.
fn refused(ask: Option<u64>, reason: String) -> HistoryEvent {
    match ask {
        Some(ask) => HistoryEvent::NotSaved { ask, reason },
        None => HistoryEvent::Failed(reason),
    }
}

fn sentence(problem: &HistoryError) -> String {
    problem.hint().map_or_else(|| problem.to_string(), |hint| format!("{problem}: {hint}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use domain::record::{Filter, Page};

    fn record(title: &str) -> Box<Record> {
        Box::new(Record::new(1, title.to_owned(), domain::record::Body::Run(Box::default())))
    }

    fn titles(path: &Path) -> Vec<String> {
        let mut history = History::open(path).unwrap();
        let _ = drafts::take_in(&mut history).unwrap();
        let entries = history.list(&Filter::default(), Page { before: None, rows: 99 }).unwrap();
        entries.into_iter().map(|entry| entry.title).rev().collect()
    }

    #[test]
    fn a_locked_history_holds_nobody_up_and_loses_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        drop(History::open(&path).unwrap());
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let mut history_writer = HistoryWriter::new(Some(path.clone()));
        history_writer.ask(HistoryCommand::Draft { draft: 1, record: record("half") });
        history_writer.ask(HistoryCommand::Keep { ask: 1, record: record("first"), draft: Some(1) });
        history_writer.ask(HistoryCommand::Keep { ask: 2, record: record("second"), draft: Some(2) });
        let since = std::time::Instant::now();
        let reason = history_writer.close();
        assert!(since.elapsed() < 2 * LAST_WAIT, "waited for {:?}", since.elapsed());
        assert!(reason.is_some_and(|reason| reason.contains("next start")));
        // The thread holds the lock of its drafts until it gives up.
        drop(other);
        let waited = std::time::Instant::now();
        while titles(&path).len() < 2 && waited.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        assert_eq!(titles(&path), ["first", "second"]);
    }

    #[test]
    fn a_draft_that_is_replaced_is_not_written() {
        let draft = |draft, text| HistoryCommand::Draft { draft, record: record(text) };
        let keep = |id| HistoryCommand::Keep { ask: id, record: record("whole"), draft: Some(id) };
        let batch = vec![draft(1, "a"), draft(2, "b"), draft(1, "ab"), HistoryCommand::Votes, keep(2), draft(3, "c")];
        let name = |command: &HistoryCommand| match command {
            HistoryCommand::Draft { draft, record } => format!("draft {draft} {}", record.title),
            HistoryCommand::Keep { ask, .. } => format!("keep {ask}"),
            other => format!("{other:?}"),
        };
        let left: Vec<String> = latest(batch).iter().map(name).collect();
        assert_eq!(left, ["draft 1 ab", "Votes", "keep 2", "draft 3 c"]);
    }

    #[test]
    fn a_record_waits_for_a_lock_that_ends() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        drop(History::open(&path).unwrap());
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let mut history_writer = HistoryWriter::new(Some(path.clone()));
        history_writer.ask(HistoryCommand::Keep { ask: 1, record: record("first"), draft: Some(1) });
        other.execute_batch("COMMIT").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let kept =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), history_writer.next()).await });
        assert!(matches!(kept, Ok(Some(HistoryEvent::Saved { ask: 1, .. }))), "{kept:?}");
        assert_eq!(history_writer.close(), None);
        assert_eq!(titles(&path), ["first"]);
        let left: Vec<_> = std::fs::read_dir(drafts::folder(&path)).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
