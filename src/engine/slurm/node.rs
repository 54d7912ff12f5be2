//! The node's side: a worker as on any machine, behind a port that only who knows the job's token may use.
//!
//! Whoever is connected talks to the worker as over its pipes. When the connection ends, what was asked is cancelled and the
//! model stays loaded: who connects next is told what the worker said first, and goes on. Without anybody for a while, or
//! with Slurm's word, all ends.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use domain::event::WorkerEvent;
use domain::session::WorkerId;
use domain::settings::{SchedulingPolicy, WaitPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use wire::{Decoder, Event, Failure, FailureKind, Request};

use super::folder::{self, Listening, Record};
use super::link::{self, FromNode, Token};
use crate::engine::program::Program;
use crate::engine::{process, supervise};

/// Connections that prove themselves at once. Where there are more, the oldest is ended: who knows the token needs a moment,
/// and no one keeps others out by connections that say nothing.
const MAX_PROVING: usize = 16;

/// Frames that wait to be written to who is connected, and requests that wait for the worker.
const MAX_FRAMES: usize = 256;

/// How long who is connected may read nothing: then the connection is ended, and the worker is not held up.
const MAX_STALL: Duration = Duration::from_secs(30);

/// How long the worker may take to stop when asked.
const STOP: Duration = Duration::from_secs(3);

/// Be the node of the job in this folder; gives the job's exit code.
pub async fn serve(folder: &Path, program: &Program) -> ExitCode {
    let restart = std::env::var("SLURM_RESTART_COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    match start(folder, restart, program).await {
        Ok(node) => node.run().await,
        Err((reason, hint)) => {
            tracing::error!(reason, "the job's worker is not started");
            // Where nobody can be told, the job's end and its output tell.
            let _ = folder::tell(folder, restart, &Listening::Refused { reason, hint });
            ExitCode::FAILURE
        }
    }
}

/// Why nothing is started, and what could be done.
type Refusal = (String, Option<String>);

async fn start(folder: &Path, restart: u32, program: &Program) -> Result<Node, Refusal> {
    let plain = |what: &str, error: std::io::Error| (format!("{what}: {error}"), None);
    let record = folder::read_record(folder).map_err(|error| plain("the job can't be read", error))?;
    let own = folder::host_name();
    if let Err(error) = std::fs::File::open(&record.load.path) {
        let hint = "put the model on a file system that all nodes have, such as your home";
        let path = gguf::clean(&record.load.path.display().to_string(), 300);
        return Err((format!("{path} can't be read on {own}: {error}"), Some(hint.to_owned())));
    }
    // Where taffrail runs on this very node, nobody else needs to reach it.
    let address = if own == record.host { "127.0.0.1:0" } else { "0.0.0.0:0" };
    let listener = TcpListener::bind(address).await.map_err(|error| plain("no port can be had", error))?;
    let port = listener.local_addr().map_err(|error| plain("no port can be had", error))?.port();
    let token = Token::random().map_err(|error| plain("no token can be had", error))?;
    let scheduling = SchedulingPolicy { wait_policy: WaitPolicy::Brief, nice: 0 };
    let mut child = process::spawn(program, scheduling).map_err(|error| plain("the worker did not start", error))?;
    let (Some(input), Some(output), Some(log)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(("worker has no pipes".to_owned(), None));
    };
    let hosts = if own == record.host {
        vec!["127.0.0.1".to_owned()]
    } else {
        let slurms = std::env::var("SLURMD_NODENAME").ok();
        [Some(own.clone()), slurms.filter(|name| *name != own)].into_iter().flatten().collect()
    };
    let at = Listening::At { hosts, port, token: token.text() };
    folder::tell(folder, restart, &at).map_err(|error| plain("its folder can't be written", error))?;
    let (news, log_lines) = mpsc::channel(MAX_FRAMES);
    let log = tokio::spawn(supervise::read_log(WorkerId(0), log, news));
    Ok(Node {
        keep: Duration::from_secs(record.keep_s),
        record,
        child,
        requests: requests(input),
        output,
        log,
        log_lines,
        arrivals: arrivals(listener, token),
        hello: None,
        loaded: None,
        load: None,
        open: BTreeSet::new(),
        connection: None,
        next: None,
        alone_since: Instant::now(),
    })
}

/// A task that takes connections, and passes on those that have proved themselves.
fn arrivals(listener: TcpListener, token: Token) -> mpsc::Receiver<TcpStream> {
    let (sender, arrivals) = mpsc::channel(1);
    let token = Arc::new(token);
    tokio::spawn(async move {
        let mut proving = VecDeque::<AbortHandle>::new();
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                // Out of file handles: some are given back soon.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            proving.retain(|one| !one.is_finished());
            if proving.len() >= MAX_PROVING
                && let Some(oldest) = proving.pop_front()
            {
                oldest.abort();
            }
            let (token, sender) = (Arc::clone(&token), sender.clone());
            let proof = tokio::spawn(async move {
                match link::admit(&mut stream, &token).await {
                    Ok(()) => drop(sender.send(stream).await),
                    Err(error) => tracing::warn!(%error, "a connection was refused"),
                }
            });
            proving.push_back(proof.abort_handle());
        }
    });
    arrivals
}

/// A task that writes to the worker.
fn requests(mut input: ChildStdin) -> mpsc::Sender<Request> {
    let (requests, mut outbox) = mpsc::channel(MAX_FRAMES);
    tokio::spawn(async move {
        while let Some(request) = outbox.recv().await {
            let Ok(frame) = wire::encode(&request) else { continue };
            if input.write_all(&frame).await.is_err() {
                break;
            }
        }
    });
    requests
}

/// Who is connected.
struct Connection {
    frames: mpsc::Sender<FromNode>,
    requests: mpsc::Receiver<Request>,
    writes: tokio::task::JoinHandle<()>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let (input, output) = stream.into_split();
        let (sender, requests) = mpsc::channel(MAX_FRAMES);
        let (frames, outbox) = mpsc::channel(MAX_FRAMES);
        tokio::spawn(read(input, sender));
        Self { frames, requests, writes: tokio::spawn(write(output, outbox)) }
    }
}

async fn read(mut input: OwnedReadHalf, requests: mpsc::Sender<Request>) {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match input.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => decoder.push(buffer.get(..count).unwrap_or_default()),
        }
        loop {
            match decoder.next() {
                Ok(Some(request)) => {
                    if requests.send(request).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

async fn write(mut output: OwnedWriteHalf, mut frames: mpsc::Receiver<FromNode>) {
    while let Some(frame) = frames.recv().await {
        let Ok(frame) = wire::encode(&frame) else { continue };
        if output.write_all(&frame).await.is_err() {
            return;
        }
    }
    let _ = output.shutdown().await;
}

struct Node {
    keep: Duration,
    record: Record,
    child: Child,
    requests: mpsc::Sender<Request>,
    output: tokio::process::ChildStdout,
    log: tokio::task::JoinHandle<VecDeque<String>>,
    log_lines: mpsc::Receiver<(WorkerId, WorkerEvent)>,
    arrivals: mpsc::Receiver<TcpStream>,
    /// What the worker said first, for who connects later.
    hello: Option<Event>,
    loaded: Option<Event>,
    /// How it was told to load.
    load: Option<wire::Load>,
    /// What it was asked and has not ended.
    open: BTreeSet<u64>,
    connection: Option<Connection>,
    /// Who has proved itself, and waits until what the one before asked has ended.
    next: Option<TcpStream>,
    alone_since: Instant,
}

/// What the loop woke up for.
enum Wake {
    Bytes(std::io::Result<usize>),
    Line(WorkerEvent),
    Arrival(TcpStream),
    Request(Option<Request>),
    Alone,
    Signal,
}

/// The next request of who is connected.
async fn next_request(connection: &mut Option<Connection>) -> Option<Request> {
    match connection {
        Some(connection) => connection.requests.recv().await,
        None => std::future::pending().await,
    }
}

impl Node {
    async fn run(mut self) -> ExitCode {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let alone_until = self.alone_since + self.keep;
            let is_alone = self.connection.is_none() && self.next.is_none();
            let wake = tokio::select! {
                read = self.output.read(&mut buffer) => Wake::Bytes(read),
                Some((_, line)) = self.log_lines.recv() => Wake::Line(line),
                Some(stream) = self.arrivals.recv() => Wake::Arrival(stream),
                request = next_request(&mut self.connection) => Wake::Request(request),
                () = sleep_until(alone_until), if is_alone => Wake::Alone,
                _ = terminate.recv() => Wake::Signal,
            };
            match wake {
                Wake::Bytes(Ok(0) | Err(_)) => return self.ended().await,
                Wake::Bytes(Ok(count)) => {
                    decoder.push(buffer.get(..count).unwrap_or_default());
                    loop {
                        match decoder.next::<Event>() {
                            Ok(Some(event)) => self.said(event).await,
                            Ok(None) => break,
                            Err(error) => {
                                tracing::error!(%error, "the worker can't be understood");
                                return self.stop().await;
                            }
                        }
                    }
                }
                Wake::Line(WorkerEvent::Logged(line)) => {
                    // The job's output has it as well, for when nobody is connected.
                    tracing::info!(line, "worker");
                    self.tell(FromNode::Log(line)).await;
                }
                Wake::Line(_) => {}
                Wake::Arrival(stream) => {
                    // Who comes later knows the token as well: the one before is gone, and may not know it yet.
                    self.leave();
                    self.next = Some(stream);
                    self.enter().await;
                }
                Wake::Request(Some(request)) => self.ask(request).await,
                Wake::Request(None) => self.leave(),
                Wake::Alone => {
                    tracing::info!("no taffrail has been in touch with this job for too long");
                    return self.stop().await;
                }
                // The job's time is up, or it was cancelled or has to make room.
                Wake::Signal => return self.stop().await,
            }
        }
    }

    /// Tell who is connected; one that reads nothing for long is left.
    async fn tell(&mut self, frame: FromNode) {
        let Some(connection) = &self.connection else { return };
        if !matches!(timeout(MAX_STALL, connection.frames.send(frame)).await, Ok(Ok(()))) {
            self.leave();
        }
    }

    /// The connection has ended: what was asked over it is for nobody.
    fn leave(&mut self) {
        if self.connection.take().is_some() {
            self.alone_since = Instant::now();
            for id in &self.open {
                let _ = self.requests.try_send(Request::Cancel { id: *id });
            }
        }
    }

    /// Who waits is let in once nothing runs of who came before.
    async fn enter(&mut self) {
        if !self.open.is_empty() {
            return;
        }
        let Some(stream) = self.next.take() else { return };
        self.connection = Some(Connection::new(stream));
        if let Some(hello) = self.hello.clone() {
            self.tell(FromNode::Worker(hello)).await;
        }
    }

    async fn said(&mut self, event: Event) {
        match &event {
            Event::Hello(_) => self.hello = Some(event.clone()),
            Event::Loaded(_) => self.loaded = Some(event.clone()),
            _ => {}
        }
        let ended = match &event {
            Event::Finished { id, .. } | Event::Failed(Failure { id: Some(id), .. }) => Some(*id),
            Event::Scored(scored) => Some(scored.id),
            Event::Measured(measured) => Some(measured.id),
            Event::Queried(queried) => Some(queried.id),
            _ => None,
        };
        if let Some(id) = ended {
            self.open.remove(&id);
        }
        self.tell(FromNode::Worker(event)).await;
        if self.next.is_some() {
            self.enter().await;
        }
    }

    async fn ask(&mut self, request: Request) {
        let request = match request {
            Request::Load(load) => match &self.load {
                None => {
                    self.load = Some(load.clone());
                    // What Slurm gave it counts, not what the asking machine has.
                    Request::Load(wire::Load { n_threads: self.record.cpus.max(1), ..load })
                }
                Some(known) if *known == load => {
                    if let Some(loaded) = self.loaded.clone() {
                        self.tell(FromNode::Worker(loaded)).await;
                    }
                    return;
                }
                Some(_) => {
                    let message = "this job has loaded another model, or otherwise".to_owned();
                    let failure = Failure { id: None, kind: FailureKind::Request, message, hint: None };
                    return self.tell(FromNode::Worker(Event::Failed(failure))).await;
                }
            },
            // Likewise.
            Request::Threads { .. } => return,
            Request::Generate(generate) => {
                self.open.insert(generate.id);
                Request::Generate(generate)
            }
            Request::Score(score) => {
                self.open.insert(score.id);
                Request::Score(score)
            }
            Request::Measure(measure) => {
                self.open.insert(measure.id);
                Request::Measure(measure)
            }
            Request::Query(query) => {
                self.open.insert(query.id);
                Request::Query(query)
            }
            request => request,
        };
        // One that does not read is ended by its supervisor, which gets no answer to its pings.
        if self.requests.try_send(request).is_err() {
            tracing::warn!("the worker does not read its input");
        }
    }

    /// The worker has ended: tell why.
    async fn ended(mut self) -> ExitCode {
        let status = if let Ok(status) = timeout(STOP, self.child.wait()).await {
            status
        } else {
            let _ = self.child.start_kill();
            self.child.wait().await
        };
        let last = timeout(STOP, self.log).await.ok().and_then(Result::ok).unwrap_or_default();
        let (reason, hint, code) = match status {
            Ok(status) if status.success() => ("stopped".to_owned(), None, ExitCode::SUCCESS),
            Ok(status) => {
                let hint = process::hint(status).or_else(|| last.back().cloned());
                (process::describe(status), hint, ExitCode::FAILURE)
            }
            Err(error) => (format!("worker was lost: {error}"), None, ExitCode::FAILURE),
        };
        tracing::info!(reason, "the worker has ended");
        if let Some(connection) = self.connection.take() {
            let _ = connection.frames.try_send(FromNode::Exited { reason, hint });
            drop(connection.frames);
            let _ = timeout(STOP, connection.writes).await;
        }
        code
    }

    /// End the worker, and with it the job.
    async fn stop(mut self) -> ExitCode {
        // Who is connected asks the queue why.
        self.connection = None;
        let _ = self.requests.try_send(Request::Shutdown);
        if timeout(STOP, self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
        }
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_keeps_others_out_by_connections_that_say_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = Token::random().unwrap();
        let hosts = vec!["127.0.0.1".to_owned()];
        let at = Listening::At { hosts, port: address.port(), token: token.text() };
        let mut arrivals = arrivals(listener, token);
        let mut silent = Vec::new();
        for _ in 0..4 * MAX_PROVING {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let (connected, arrived) = tokio::join!(link::connect(&at), arrivals.recv());
        connected.unwrap();
        assert!(arrived.is_some());
        drop(silent);
    }
}
