//! The server's end of the socket: who comes, who is attached, and what each is sent.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::frames::{self, MAX_FRAME, MAX_HELLO};
use super::place::{self, Place, PlaceError};
use super::protocol::{FromClient, Hello, Question, ToClient, client_of};
use super::questions::Questions;
use super::queue::{Frame, Queue, queue};
use domain::command::Command;
use domain::settings::Settings;
use domain::{Event, Moment, StateMachine};

/// Clients at once: more screens than a person has, and each costs its queue at most.
const MAX_CLIENTS: usize = 64;

/// Those that have come and not said yet what they want.
const MAX_NEW: usize = 32;

/// How long one of those may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands of all clients that may wait; behind it their sockets do.
const MAX_COMMANDS: usize = 64;

/// Questions of one client that may wait; behind it its socket does.
const MAX_QUESTIONS: usize = 64;

/// How often is looked whether the socket is still there.
const CHECK: Duration = Duration::from_secs(2);

/// How long what clients are told last may take to be written.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// What happened on the socket.
#[derive(Debug)]
pub(crate) enum Happened {
    /// Somebody came and said what it wants.
    Came(Hello, UnixStream),
    /// A client that is attached gave a command.
    Gave(Command),
    /// A client has left.
    Left(u32),
}

/// The socket, and what comes in by it.
#[derive(Debug)]
pub(crate) struct Clients {
    /// `None` while another server has the socket.
    bound: Option<(Place, UnixListener)>,
    check: tokio::time::Interval,
    inbox: mpsc::Receiver<Happened>,
    sender: mpsc::Sender<Happened>,
    new: Arc<Semaphore>,
}

impl Clients {
    /// Become this user's server. Needs a tokio runtime.
    pub(crate) fn open() -> Result<Self, PlaceError> {
        let bound = Some(Place::take(place::folder())?);
        let (sender, inbox) = mpsc::channel(MAX_COMMANDS);
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { bound, check, inbox, sender, new: Arc::new(Semaphore::new(MAX_NEW)) })
    }

    /// Wait for the next thing to happen. It may be dropped halfway.
    pub(crate) async fn next(&mut self) -> Happened {
        loop {
            tokio::select! {
                Some(happened) = self.inbox.recv() => return happened,
                accepted = accept(self.bound.as_ref()) => match accepted {
                    Ok(stream) => self.greet(stream),
                    // The system is out of descriptors for now.
                    Err(error) => {
                        tracing::warn!("a client could not be accepted: {error}");
                        tokio::time::sleep(HELLO_TIMEOUT / 10).await;
                    }
                },
                _ = self.check.tick() => self.bind_again(),
            }
        }
    }

    /// Take the socket again where somebody removed it.
    fn bind_again(&mut self) {
        if self.bound.as_ref().is_some_and(|(place, _)| place.is_there()) {
            return;
        }
        // Its lock would be in the way of the next one.
        let was_bound = self.bound.take().is_some();
        match Place::take(place::folder()) {
            Ok(bound) => {
                tracing::warn!("the socket was removed and is created again: {}", bound.0.path().display());
                self.bound = Some(bound);
            }
            Err(error) if was_bound => tracing::warn!("the socket was removed, and can't be created again: {error}"),
            Err(_) => {}
        }
    }

    /// Hear what a new one wants.
    fn greet(&self, mut stream: UnixStream) {
        // The folder keeps others out; this says so once more.
        let is_own = stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::getuid().as_raw());
        let Some(permit) = Arc::clone(&self.new).try_acquire_owned().ok().filter(|_| is_own) else { return };
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let hello = timeout(HELLO_TIMEOUT, read_hello(&mut stream)).await;
            drop(permit);
            if let Ok(Ok(hello)) = hello {
                let _ = sender.send(Happened::Came(hello, stream)).await;
            }
        });
    }

    /// Attach a client: it gets the domain as it is now, and from here on every event.
    pub(crate) fn attach(
        &self,
        stream: UnixStream,
        now: Moment,
        machine: &StateMachine,
        publisher: &mut Publisher,
    ) -> io::Result<u32> {
        let id = publisher.next_client();
        let hello = Hello { client: id, ..Hello::own(super::Purpose::Attach) };
        let (from, to) = stream.into_split();
        let (queue, outlet) = queue();
        for frame in [frames::encode_hello(&hello)?, frames::encode(&ToClient::Snapshot(now, machine))?] {
            let _ = queue.push(frame.into());
        }
        let (questions, asked) = mpsc::channel(MAX_QUESTIONS);
        let answers = tokio::spawn(answer(machine.settings.clone(), asked, queue.clone())).abort_handle();
        let reader = tokio::spawn(listen(id, from, self.sender.clone(), questions)).abort_handle();
        let sender = self.sender.clone();
        let writer = tokio::spawn(async move {
            let _ = outlet.run(to).await;
            let _ = sender.send(Happened::Left(id)).await;
        });
        publisher.clients.insert(id, Client { queue, writer, tasks: [answers, reader] });
        Ok(id)
    }
}

async fn accept(bound: Option<&(Place, UnixListener)>) -> io::Result<UnixStream> {
    match bound {
        Some((_, listener)) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn read_hello(stream: &mut UnixStream) -> io::Result<Hello> {
    let body = frames::read(stream, MAX_HELLO).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Say a last word to one that is not attached.
pub(crate) fn dismiss(mut stream: UnixStream, hello: &Hello) {
    if let Ok(frame) = frames::encode_hello(hello) {
        tokio::spawn(async move { timeout(HELLO_TIMEOUT, stream.write_all(&frame)).await });
    }
}

/// Tell one that waits for the server's end that it comes. The stream is closed with the process.
pub(crate) fn keep_waiting(mut stream: UnixStream, hello: &Hello) {
    if let Ok(mut frame) = frames::encode_hello(hello) {
        // Now: a server without sessions may have ended before a task is run. A socket that nothing was written to has room.
        let n_written = rustix::io::write(&stream, &frame).unwrap_or(0);
        tokio::spawn(async move {
            let _ = stream.write_all(&frame.split_off(n_written)).await;
            std::future::pending::<()>().await;
            drop(stream);
        });
    }
}

/// Hear a client until it leaves, or says what makes no sense.
async fn listen(id: u32, mut from: OwnedReadHalf, sender: mpsc::Sender<Happened>, questions: mpsc::Sender<Question>) {
    loop {
        let said = match frames::read(&mut from, MAX_FRAME).await {
            Ok(Some(body)) => postcard::from_bytes(&body).map_err(io::Error::other),
            Ok(None) => break,
            Err(error) => Err(error),
        };
        let passed_on = match said {
            Ok(FromClient::Command(command)) if client_of(&command) == id => {
                sender.send(Happened::Gave(command)).await.is_ok()
            }
            Ok(FromClient::Ask(question)) => questions.send(question).await.is_ok(),
            Ok(FromClient::Command(_)) => break,
            Err(error) => {
                tracing::warn!(client = id, "a client can't be understood: {error}");
                break;
            }
        };
        if !passed_on {
            break;
        }
    }
    let _ = sender.send(Happened::Left(id)).await;
}

/// Answer a client's questions until it leaves.
async fn answer(settings: Settings, mut asked: mpsc::Receiver<Question>, queue: Queue) {
    let mut questions = Questions::new(settings);
    loop {
        let answer = tokio::select! {
            question = asked.recv() => match question {
                Some(question) => {
                    questions.ask(question);
                    continue;
                }
                None => return,
            },
            answer = questions.next() => answer,
        };
        match frames::encode(&ToClient::Answer(&answer)) {
            Ok(frame) => {
                if queue.push(frame.into()).is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!("an answer can't be sent: {error}"),
        }
    }
}

/// A client that is attached.
#[derive(Debug)]
struct Client {
    queue: Queue,
    writer: JoinHandle<()>,
    tasks: [AbortHandle; 2],
}

impl Drop for Client {
    fn drop(&mut self) {
        self.writer.abort();
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Sends every event to all clients that are attached.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    clients: BTreeMap<u32, Client>,
    n_attached: u32,
}

impl Publisher {
    /// Clients that are attached.
    pub(crate) fn n_clients(&self) -> usize {
        self.clients.len()
    }

    /// Why one more client can't attach, if it can't.
    pub(crate) fn is_full(&self) -> Option<String> {
        (self.clients.len() >= MAX_CLIENTS).then(|| format!("{MAX_CLIENTS} clients are attached already"))
    }

    /// Numbers begin at 1: commands of the server itself have 0.
    fn next_client(&mut self) -> u32 {
        self.n_attached = self.n_attached.checked_add(1).unwrap_or(1);
        self.n_attached
    }

    /// Send an event. A client that does not keep up is dropped; it may attach again.
    pub(crate) fn publish(&mut self, now: Moment, event: &Event) {
        if !self.clients.is_empty() {
            self.send(&ToClient::Event(now, event));
        }
    }

    fn send(&mut self, message: &ToClient<'_>) {
        let frame: Frame = match frames::encode(message) {
            Ok(frame) => frame.into(),
            Err(error) => {
                // Its copy of the domain would not be one any more.
                tracing::error!("an event can't be sent, and all clients are dropped: {error}");
                return self.clients.clear();
            }
        };
        self.clients.retain(|id, client| {
            let kept = client.queue.push(Arc::clone(&frame)).is_ok();
            if !kept {
                tracing::warn!(client = id, "a client does not read, and is dropped");
            }
            kept
        });
    }

    /// A client has left.
    pub(crate) fn remove(&mut self, client: u32) {
        self.clients.remove(&client);
    }

    /// Tell all clients why the server ends, and wait a little until they have been told.
    pub(crate) async fn close(&mut self, reason: &str) {
        self.send(&ToClient::Ending(reason));
        let clients = std::mem::take(&mut self.clients);
        let written = async {
            for mut client in clients.into_values() {
                client.tasks.iter().for_each(AbortHandle::abort);
                client.queue = queue().0;
                let _ = (&mut client.writer).await;
            }
        };
        let _ = timeout(LAST_WAIT, written).await;
    }
}
