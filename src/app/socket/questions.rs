//! Answers what a screen asks that the domain does not hold: on threads, so that nothing waits for a disk or the network.

use tokio::sync::mpsc;

use super::protocol::{Answer, Question};
use crate::app::{background, history, hub, suites};
use domain::Event;
use domain::settings::Settings;

/// Answers of a thread of its own that may wait: one residency and one list of suites are asked for at a time.
const MAX_WAITING: usize = 8;

/// The most conversations that are told at once: more than anybody scrolls through.
const MAX_CONVERSATIONS: usize = 10_000;

/// The ways to the hub, the history and the disk, of one client. Nothing is started before it is needed.
pub(super) struct Questions {
    settings: Settings,
    hub: hub::Hub,
    history_writer: history::HistoryWriter,
    asides: mpsc::Receiver<Answer>,
    sender: mpsc::Sender<Answer>,
}

impl Questions {
    pub(super) fn new(settings: Settings) -> Self {
        let (sender, asides) = mpsc::channel(MAX_WAITING);
        Self {
            settings,
            hub: hub::Hub::new(),
            history_writer: history::HistoryWriter::new(history::place()),
            asides,
            sender,
        }
    }

    /// Ask; the answer comes by [`Questions::next`].
    pub(super) fn ask(&mut self, question: Question) {
        match question {
            Question::Search { generation, text, sort } => self.hub.search(&self.settings, generation, text, sort),
            Question::Files { repository, revision } => self.hub.files(&self.settings, repository, revision),
            Question::Record(id) => self.history_writer.ask(history::HistoryCommand::Get(id)),
            Question::List { generation, filter, page } => {
                self.history_writer.ask(history::HistoryCommand::List { generation, filter, page });
            }
            Question::Conversations { generation, words, rows } => {
                let rows = rows.min(MAX_CONVERSATIONS);
                self.history_writer.ask(history::HistoryCommand::Conversations { generation, words, rows });
            }
            Question::Conversation(key) => self.history_writer.ask(history::HistoryCommand::Conversation(key)),
            Question::Residency { model, files } => {
                let id = model.clone();
                let look = move || Answer::Residency { model: id, share: background::residency(&files) };
                self.on_thread(look, |reason| Answer::Residency { model, share: Err(reason) });
            }
            Question::Suites => {
                let list = || Answer::Suites(suites::list(suites::own_folder().as_deref()));
                self.on_thread(list, |_| Answer::Suites(suites::list(None)));
            }
        }
    }

    fn on_thread(&self, work: impl FnOnce() -> Answer + Send + 'static, otherwise: impl FnOnce(String) -> Answer) {
        let sender = self.sender.clone();
        let spawned = std::thread::Builder::new().name("question".to_owned()).spawn(move || {
            // Whoever asked may have left meanwhile.
            let _ = sender.blocking_send(work());
        });
        if let Err(error) = spawned {
            let _ = self.sender.try_send(otherwise(error.to_string()));
        }
    }

    /// The next answer. Never ends.
    pub(super) async fn next(&mut self) -> Answer {
        loop {
            tokio::select! {
                event = self.hub.next() => if let Event::Hub(event) = event {
                    return Answer::Hub(event);
                },
                Some(event) = self.history_writer.next() => return Answer::History(event),
                Some(answer) = self.asides.recv() => return answer,
            }
        }
    }
}
