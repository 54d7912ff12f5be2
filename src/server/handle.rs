//! The way from the server to the program, and back.
//!
//! The program's loop owns the domain. What the server wants is a [`Call`] on a bounded channel; what becomes of a request is
//! an [`Answer`], whose events wait in memory until they are taken, up to a bound in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot};

use super::energy::{Metered, Wanted};
use domain::Domain;
use domain::ask::Ask;
use domain::command::{Cause, Refused, Value, What};
use domain::download::hub::{Failure, RemoteFile};
use domain::model::Model;
use domain::query::{Query, QueryError};
use domain::request::{Figures, RequestId};
use domain::session::End;

/// Calls that may wait for the loop; behind them their callers wait.
const MAX_CALLS: usize = 1024;

/// Bytes of one answer's events that may wait for a client that reads slowly. Some answers are that long, so most clients
/// may read as slowly as they like; one that reads nothing at all is let go by the connection's write timeout before that.
const MAX_PENDING: usize = 8 << 20;

/// What the server wants of the program.
pub enum Call {
    /// A command.
    Command(What, oneshot::Sender<Result<Value, Refused>>),
    /// A prompt to be answered: its events go to the sender, the request's id or a refusal to the second.
    Ask(MakeAsk, AnswerSender, oneshot::Sender<Result<RequestId, Refused>>),
    /// A short job beside answers: what came of it goes to the sender, once.
    Query(Box<Query>, mpsc::Sender<QueryEnd>),
    /// The files of a repository of the hub, `owner/name`, at a revision.
    ListFiles(String, String, oneshot::Sender<Result<Vec<RemoteFile>, Failure>>),
    /// Models to be deleted as the Library deletes them: a sentence of what came of it, or why it was refused.
    DeleteModels(Vec<Arc<Model>>, oneshot::Sender<Result<String, Refused>>),
    /// Something that is known.
    Read(Box<dyn FnOnce(&Domain) + Send>),
}

/// Makes a request of what is known when it is asked.
pub(crate) type MakeAsk = Box<dyn FnOnce(&Domain) -> Result<Ask, Refused> + Send>;

/// What came of a query, or why it was refused.
pub type QueryEnd = Result<Result<Box<wire::QueryResult>, QueryError>, Refused>;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerEvent {
    /// Its prompt is counted, and its samplers are known.
    Started(wire::Started),
    /// More of the answer.
    Text {
        /// Its text by channel, in order.
        pieces: Vec<wire::Piece>,
        /// More of the calls of tools.
        tool_calls: Vec<wire::ToolCallDelta>,
        /// Its tokens, where they were asked for.
        tokens: Vec<wire::Token>,
        /// The figures so far.
        counters: wire::Counters,
    },
    /// It has ended; nothing follows.
    Ended(Box<Ending>),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// How.
    pub end: End,
    /// What kind of failure it was, where the worker said so.
    pub kind: Option<wire::FailureKind>,
    /// The text that ended it, where one did and it is known.
    pub stop: Option<String>,
    /// Its figures.
    pub figures: Figures,
    /// What it took of energy, where its client wants to know.
    pub metered: Option<Metered>,
}

impl Default for Ending {
    fn default() -> Self {
        Self::of(End::Finished(wire::Finish::Stop))
    }
}

impl Ending {
    /// This end, of which nothing else is known.
    pub fn of(end: End) -> Self {
        Self { end, kind: None, stop: None, figures: Figures::default(), metered: None }
    }

    /// A failure for this reason.
    pub fn failed(reason: &str) -> Self {
        Self::of(End::failed(reason))
    }
}

impl AnswerEvent {
    /// About so many bytes in memory.
    fn n_bytes(&self) -> usize {
        let inside = match self {
            Self::Text { pieces, tool_calls, tokens, .. } => {
                let likely = |token: &wire::Token| token.bytes.len() + token.top_logprobs.len() * 48 + 64;
                let calls = tool_calls.iter().map(|call| call.arguments.len() + 128).sum::<usize>();
                calls
                    + pieces.iter().map(|piece| piece.text.len() + 32).sum::<usize>()
                    + tokens.iter().map(likely).sum::<usize>()
            }
            Self::Started(_) | Self::Ended(_) => 0,
        };
        size_of::<Self>() + inside
    }
}

/// The end of an answer that the program holds.
#[derive(Debug, Clone)]
pub struct AnswerSender {
    // Bounded by the bytes that wait.
    events: mpsc::UnboundedSender<AnswerEvent>,
    pending: Arc<AtomicUsize>,
}

/// Whether an event found a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It did.
    Yes,
    /// Whoever asked is gone.
    Gone,
    /// Too much waits already: the reader is too slow.
    Full,
}

impl AnswerSender {
    /// Hand an event over. The last one is never refused for being too much.
    pub fn send(&self, event: AnswerEvent) -> Sent {
        let n_bytes = event.n_bytes();
        let is_last = matches!(event, AnswerEvent::Ended(_));
        if self.pending.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes > MAX_PENDING && !is_last {
            return Sent::Full;
        }
        self.events.send(event).map_or(Sent::Gone, |()| Sent::Yes)
    }

    /// Wait until whoever asked is gone.
    pub async fn closed(&self) {
        self.events.closed().await;
    }
}

/// Where the energy of an answer comes from.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) handle: Handle,
    pub(super) is_asked: bool,
}

impl Meter {
    /// For a client that wants so much.
    pub(super) fn new(handle: &Handle, wanted: Wanted) -> Option<Self> {
        (wanted != Wanted::No).then(|| Self { handle: handle.clone(), is_asked: wanted == Wanted::Asked })
    }
}

/// An answer that comes. Dropping it cancels the request.
#[derive(Debug)]
pub struct Answer {
    /// Which request.
    pub request: RequestId,
    /// Where its energy comes from, if its client wants to know.
    pub(super) meter: Option<Meter>,
    events: AnswerEvents,
}

#[derive(Debug)]
struct AnswerEvents {
    events: mpsc::UnboundedReceiver<AnswerEvent>,
    pending: Arc<AtomicUsize>,
}

impl Answer {
    /// What happens next; `None` where the program has ended.
    pub async fn next(&mut self) -> Option<AnswerEvent> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, to be polled.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<AnswerEvent>> {
        let event = self.events.events.poll_recv(context);
        if let Poll::Ready(Some(event)) = &event {
            self.events.pending.fetch_sub(event.n_bytes(), Ordering::Relaxed);
        }
        event
    }
}

fn events_channel() -> (AnswerSender, AnswerEvents) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let pending = Arc::new(AtomicUsize::new(0));
    (AnswerSender { events: sender, pending: Arc::clone(&pending) }, AnswerEvents { events: receiver, pending })
}

/// The two ends of an answer.
#[cfg(test)]
pub(super) fn answer_channel(request: RequestId) -> (AnswerSender, Answer) {
    let (sender, events) = events_channel();
    (sender, Answer { request, meter: None, events })
}

/// The way to the program.
#[derive(Debug, Clone)]
pub struct Handle {
    calls: mpsc::Sender<Call>,
}

impl Handle {
    /// A way, with the end that the program serves.
    pub fn channel() -> (Self, mpsc::Receiver<Call>) {
        let (calls, receiver) = mpsc::channel(MAX_CALLS);
        (Self { calls }, receiver)
    }

    /// Give a command.
    pub async fn command(&self, what: What) -> Result<Value, Refused> {
        let (reply, result) = oneshot::channel();
        self.call(Call::Command(what, reply)).await?;
        result.await.ok().ok_or_else(ending)?
    }

    /// Have a prompt answered.
    pub async fn ask(
        &self,
        make: impl FnOnce(&Domain) -> Result<Ask, Refused> + Send + 'static,
    ) -> Result<Answer, Refused> {
        let (reply, result) = oneshot::channel();
        let (sender, events) = events_channel();
        self.call(Call::Ask(Box::new(make), sender, reply)).await?;
        // Whoever gives up waiting here drops `events`, which cancels the request.
        let request = result.await.ok().ok_or_else(ending)??;
        Ok(Answer { request, meter: None, events })
    }

    /// Have a query carried out. Whoever gives up waiting cancels it.
    pub async fn query(&self, query: Query) -> QueryEnd {
        let (sender, mut end) = mpsc::channel(1);
        self.call(Call::Query(Box::new(query), sender)).await?;
        end.recv().await.ok_or_else(ending)?
    }

    /// Ask the hub for the files of a repository.
    pub async fn files(
        &self,
        repository: String,
        revision: String,
    ) -> Result<Result<Vec<RemoteFile>, Failure>, Refused> {
        let (reply, result) = oneshot::channel();
        self.call(Call::ListFiles(repository, revision, reply)).await?;
        result.await.ok().ok_or_else(ending)
    }

    /// Delete models.
    pub async fn delete(&self, models: Vec<Arc<Model>>) -> Result<String, Refused> {
        let (reply, result) = oneshot::channel();
        self.call(Call::DeleteModels(models, reply)).await?;
        result.await.ok().ok_or_else(ending)?
    }

    /// Give a command whose reply nobody waits for, unless too many wait already.
    pub fn give(&self, what: What) {
        let (reply, _) = oneshot::channel();
        drop(self.calls.try_send(Call::Command(what, reply)));
    }

    /// Read what is known.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Domain) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (reply, result) = oneshot::channel();
        let read = move |domain: &Domain| drop(reply.send(read(domain)));
        self.call(Call::Read(Box::new(read))).await?;
        result.await.ok().ok_or_else(ending)
    }

    async fn call(&self, call: Call) -> Result<(), Refused> {
        self.calls.send(call).await.ok().ok_or_else(ending)
    }
}

fn ending() -> Refused {
    Refused::new(Cause::BUSY, "the server is shutting down")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: String) -> AnswerEvent {
        let piece = wire::Piece { channel: wire::Channel::Answer, text };
        AnswerEvent::Text {
            pieces: vec![piece],
            tool_calls: Vec::new(),
            tokens: Vec::new(),
            counters: wire::Counters::default(),
        }
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_bounded_and_one_that_does_is_not() {
        let (sender, mut answer) = answer_channel(RequestId(1));
        let part = || text("x".repeat(MAX_PENDING / 4));
        for _ in 0..20 {
            assert_eq!(sender.send(part()), Sent::Yes);
            assert_eq!(answer.next().await, Some(part()));
        }
        let sent: Vec<Sent> = (0..5).map(|_| sender.send(part())).collect();
        assert_eq!(sent, [Sent::Yes, Sent::Yes, Sent::Yes, Sent::Full, Sent::Full]);
        let ended = AnswerEvent::Ended(Box::new(Ending::failed("slow")));
        assert_eq!(sender.send(ended), Sent::Yes);
        drop(answer);
        sender.closed().await;
        assert_eq!(sender.send(text(String::new())), Sent::Full);
    }
}
