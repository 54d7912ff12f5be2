//! Has the hub asked and downloads run, on threads of their own: they wait for the network, block on the disk and
//! hash, none of which may hold up a frame. Nothing is made before it is needed, for a client reads certificates.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::library::hub::{
    Client, HubAccess, HubError, Reporter, TransferCommand, discard, fetch, interrupted, kept_queue,
};
use domain::Event;
use domain::download::hub::{Failure, FailureKind, HubEvent, Interrupted, RemoteFile, Sort};
use domain::download::{DownloadEvent, DownloadId, Order};
use domain::settings::Settings;
use domain::units::Bytes;

/// Questions and answers that may wait: one for each row of a search.
const MAX_QUESTIONS: usize = 64;
/// News of downloads that may wait; behind it a download waits.
const MAX_NEWS: usize = 256;
/// Lists of files that are asked for at once, so that the hub is not flooded.
const AT_ONCE: usize = 4;

/// Who waits for the files of a repository.
pub(super) type FilesReply = oneshot::Sender<Result<Vec<RemoteFile>, Failure>>;

/// What the hub is asked.
enum Question {
    FilesFor { repository: String, revision: String, reply: FilesReply },
    Search { generation: u64, text: String, sort: Sort },
    Files { repository: String, revision: String },
}

/// The threads that talk to the hub.
pub(super) struct Hub {
    answers: mpsc::Receiver<HubEvent>,
    answers_sender: mpsc::Sender<HubEvent>,
    news: mpsc::Receiver<(DownloadId, DownloadEvent)>,
    news_sender: mpsc::Sender<(DownloadId, DownloadEvent)>,
    /// Where questions go, once there was one.
    questions: Option<mpsc::Sender<Question>>,
    commands: HashMap<DownloadId, watch::Sender<TransferCommand>>,
}

impl Hub {
    pub(super) fn new() -> Self {
        let (answers_sender, answers) = mpsc::channel(MAX_QUESTIONS);
        let (news_sender, news) = mpsc::channel(MAX_NEWS);
        Self { answers, answers_sender, news, news_sender, questions: None, commands: HashMap::new() }
    }

    /// Wait for the next thing to happen. Never ends without one.
    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            Some((id, event)) = self.news.recv() => Event::Download(id, event),
            Some(event) = self.answers.recv() => Event::Hub(event),
            // We hold a sender of each.
            else => std::future::pending().await,
        }
    }

    /// What has happened already, if anything.
    pub(super) fn try_next(&mut self) -> Option<Event> {
        if let Ok((id, event)) = self.news.try_recv() {
            return Some(Event::Download(id, event));
        }
        self.answers.try_recv().ok().map(Event::Hub)
    }

    pub(super) fn search(&mut self, settings: &Settings, generation: u64, text: String, sort: Sort) {
        self.ask(settings, Question::Search { generation, text, sort });
    }

    pub(super) fn files(&mut self, settings: &Settings, repository: String, revision: String) {
        self.ask(settings, Question::Files { repository, revision });
    }

    /// The same for one who waits for the answer.
    pub(super) fn files_for(&mut self, settings: &Settings, repository: String, revision: String, reply: FilesReply) {
        self.ask(settings, Question::FilesFor { repository, revision, reply });
    }

    fn ask(&mut self, settings: &Settings, question: Question) {
        if self.questions.is_none() {
            let (sender, questions) = mpsc::channel(MAX_QUESTIONS);
            let (settings, answers) = (settings.clone(), self.answers_sender.clone());
            let run = move |runtime: Runtime| runtime.block_on(answer(&settings, questions, answers));
            match spawn(run) {
                Ok(()) => self.questions = Some(sender),
                Err(failure) => return self.refuse(question, failure),
            }
        }
        if let Some(questions) = &self.questions
            && let Err(error) = questions.try_send(question)
        {
            self.refuse(error.into_inner(), failed("too many requests to the hub are waiting".to_owned()));
        }
    }

    /// Answer a question without the hub.
    fn refuse(&self, question: Question, failure: Failure) {
        let _ = question.failed(failure).map(|event| self.answers_sender.try_send(event));
    }

    /// Fetch an order; its news come with this name.
    pub(super) fn download(&mut self, settings: &Settings, id: DownloadId, order: Order) {
        let (command, wished) = watch::channel(TransferCommand::Go);
        self.commands.retain(|_, command| !command.is_closed());
        self.commands.insert(id, command);
        let (settings, reporter) = (settings.clone(), Reporter { id, to: self.news_sender.clone() });
        let run = move |runtime: Runtime| {
            runtime.block_on(async {
                match HubAccess::of_process(&settings) {
                    Ok(place) => fetch(place, &order, wished, &reporter).await,
                    Err(problem) => {
                        let _ = reporter.to.send((id, DownloadEvent::Failed(problem.failure()))).await;
                    }
                }
            });
        };
        if let Err(failure) = spawn(run) {
            let _ = self.news_sender.try_send((id, DownloadEvent::Failed(failure)));
        }
    }

    /// Tell a running download what is wanted of it. One that has ended does not hear it.
    pub(super) fn command(&self, id: DownloadId, command: TransferCommand) {
        if let Some(sender) = self.commands.get(&id) {
            sender.send_replace(command);
        }
    }

    /// Throw away what came of an order that nobody works on.
    pub(super) fn discard(settings: &Settings, order: Order) {
        if let Some(cache) = HubAccess::cache_of_process(settings) {
            // A thread that removes files ends by itself.
            std::thread::spawn(move || discard(&cache, &order));
        }
    }

    /// Look for downloads that earlier runs left unfinished.
    pub(super) fn find_interrupted(&self, settings: &Settings) {
        let (cache, answers) = (HubAccess::cache_of_process(settings), self.answers_sender.clone());
        std::thread::spawn(move || {
            let mut found = cache.as_deref().map(interrupted).unwrap_or_default();
            for order in kept_queue() {
                if !found.iter().any(|known| known.order.is_same(&order)) {
                    found.push(Interrupted { order, done: Bytes(0) });
                }
            }
            let _ = answers.blocking_send(HubEvent::Interrupted(found));
        });
    }
}

impl Question {
    /// The answer where there is none: an event, or a reply to who waits for it.
    fn failed(self, failure: Failure) -> Option<HubEvent> {
        match self {
            Self::Search { generation, .. } => Some(HubEvent::Found { generation, results: Err(failure) }),
            Self::Files { repository, .. } => Some(HubEvent::Files { repository, files: Err(failure) }),
            Self::FilesFor { reply, .. } => {
                let _ = reply.send(Err(failure));
                None
            }
        }
    }
}

/// Answer questions until nobody asks any more. A new search ends what older ones still asked.
async fn answer(settings: &Settings, mut questions: mpsc::Receiver<Question>, answers: mpsc::Sender<HubEvent>) {
    let mut client: Option<Arc<Client>> = None;
    let mut tasks = JoinSet::new();
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(question) = questions.recv().await {
        while tasks.try_join_next().is_some() {}
        if matches!(question, Question::Search { .. }) {
            tasks.abort_all();
            // The token or the network may have changed since.
            client = None;
        }
        let asked = match &client {
            Some(client) => Ok(Arc::clone(client)),
            None => HubAccess::of_process(settings).and_then(Client::new).map(Arc::new),
        };
        let hub = match asked {
            Ok(hub) => hub,
            Err(problem) => {
                if let Some(event) = question.failed(problem.failure()) {
                    let _ = answers.send(event).await;
                }
                continue;
            }
        };
        client = Some(Arc::clone(&hub));
        let (answers, at_once) = (answers.clone(), Arc::clone(&at_once));
        tasks.spawn(async move {
            let failure = |problem: HubError| problem.failure();
            let _turn = at_once.acquire().await;
            let event = match question {
                Question::Search { generation, text, sort } => {
                    HubEvent::Found { generation, results: hub.search(&text, sort).await.map_err(failure) }
                }
                Question::FilesFor { repository, revision, reply } => {
                    let _ = reply.send(hub.files(&repository, &revision).await.map_err(failure));
                    return;
                }
                Question::Files { repository, revision } => {
                    let files = hub.files(&repository, &revision).await.map_err(failure);
                    HubEvent::Files { repository, files }
                }
            };
            let _ = answers.send(event).await;
        });
    }
}

/// Run something on a thread with a runtime of its own. It ends by itself; at the program's end it is left behind,
/// since a transfer may be cut at any instant.
fn spawn(run: impl FnOnce(Runtime) + Send + 'static) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let thread = runtime.and_then(|runtime| std::thread::Builder::new().spawn(move || run(runtime)));
    thread.map(drop).map_err(|error| failed(format!("no thread can be started: {error}")))
}

fn failed(reason: String) -> Failure {
    Failure { reason, hint: None, kind: FailureKind::Failed }
}
