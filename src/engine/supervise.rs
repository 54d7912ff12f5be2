//! The life of one worker, from start to end, in one task.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use wire::{Decoder, Event as Said, Load, Request};

use super::command::{Command, News};
use super::lost;
use super::process;
use super::program::Program;
use domain::event::WorkerEvent;
use domain::session::WorkerId;
use domain::settings::{Engine as Settings, SchedulingPolicy};

/// Time between two pings.
const PING: Duration = Duration::from_secs(1);

/// How long the last words of a worker that has ended are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The longest line of a worker's log that is kept, in bytes.
const MAX_LINE: usize = 2048;

/// Frames that may wait to be written to a worker that does not read.
const MAX_FRAMES: usize = 64;

/// Start a worker, carry messages both ways, and tell how it ended.
pub(super) async fn supervise(
    worker: WorkerId,
    program: &Program,
    (settings, scheduling): (&Settings, SchedulingPolicy),
    load: Load,
    inbox: mpsc::Receiver<Command>,
    news: &News,
) -> WorkerEvent {
    match process::spawn(program, scheduling) {
        Ok(child) => run(worker, child, (settings, program.machine.as_deref()), load, inbox, news).await,
        Err(error) => ended(format!("worker did not start: {error}")),
    }
}

/// An end that was not asked for and that nothing is known against.
fn ended(reason: impl Into<String>) -> WorkerEvent {
    WorkerEvent::Exited { reason: reason.into(), expected: false, hint: None }
}

/// What the loop below woke up for.
enum Wake {
    Bytes(std::io::Result<usize>),
    Command(Option<Command>),
    Ping,
    Deadline,
}

async fn run(
    worker: WorkerId,
    mut child: Child,
    (settings, machine): (&Settings, Option<&str>),
    load: Load,
    mut inbox: mpsc::Receiver<Command>,
    news: &News,
) -> WorkerEvent {
    let pid = child.id().unwrap_or_default();
    let _ = news.send((worker, WorkerEvent::Spawned { pid })).await;
    let (Some(input), Some(output), Some(log)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return ended("worker has no pipes");
    };
    let log = tokio::spawn(read_log(worker, log, news.clone()));
    let servers = lost::servers(&load);
    let Ended { verdict, asked, .. } = converse(worker, (output, input), settings, load, &mut inbox, news).await;
    let asked_to_stop = asked.is_some();

    if verdict.is_some() {
        let _ = child.start_kill();
    }
    let status = if let Ok(status) = timeout(settings.stop_timeout, child.wait()).await {
        status
    } else {
        // It has closed its output and lives on: it is of no use any more.
        let _ = child.start_kill();
        child.wait().await
    };
    let last_words = timeout(LAST_WORDS, log).await.ok().and_then(Result::ok).unwrap_or_default();
    if let (None, Ok(_), false) = (&verdict, &status, asked_to_stop)
        && let Some((reason, hint)) = lost::lost(&servers, &last_words).await
    {
        return WorkerEvent::Exited { reason, expected: false, hint: Some(hint) };
    }
    match (verdict, status) {
        (Some(reason), _) => {
            let hint = lost::hint(&servers).filter(|_| !asked_to_stop);
            WorkerEvent::Exited { reason, expected: asked_to_stop, hint }
        }
        (None, _) if asked_to_stop => WorkerEvent::Exited { reason: "stopped".to_owned(), expected: true, hint: None },
        (None, Ok(status)) => WorkerEvent::Exited {
            reason: machine
                .map_or_else(|| process::describe(status), |machine| process::describe_remote(machine, status)),
            expected: false,
            hint: out_of_memory(&last_words)
                .or_else(|| process::hint(status).filter(|_| machine.is_none()))
                .or_else(|| last_words.back().cloned()),
        },
        (None, Err(error)) => ended(format!("worker was lost: {error}")),
    }
}

/// How talking with a worker came to its end.
pub(super) struct Ended {
    /// Why it is of no use any more; `None` where it closed its output.
    pub(super) verdict: Option<String>,
    /// It said nothing any more.
    pub(super) is_silent: bool,
    /// What was asked of it last.
    pub(super) asked: Option<Asked>,
}

/// What ends a worker's work on our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was to stop.
    Stop,
    /// It was to be left alone.
    Leave,
}

/// Carry messages both ways until the worker's output ends, or it is of no use any more. It greets first.
pub(super) async fn converse(
    worker: WorkerId,
    (mut output, input): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin + Send + 'static),
    settings: &Settings,
    load: Load,
    inbox: &mut mpsc::Receiver<Command>,
    news: &News,
) -> Ended {
    let frames = writer(input);
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 << 10];
    let mut watch = Watch::new(settings);
    let mut pings = interval(PING);
    // After a pause of our own (a suspended machine, a stopped terminal) nothing is owed for the time that was missed.
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut load = Some(load);
    let (mut asked_to_stop, mut is_silent) = (false, false);

    let verdict = loop {
        let wake = tokio::select! {
            biased;
            read = output.read(&mut buffer) => Wake::Bytes(read),
            command = inbox.recv(), if !asked_to_stop => Wake::Command(command),
            () = sleep_until(watch.deadline) => Wake::Deadline,
            _ = pings.tick() => Wake::Ping,
        };
        match wake {
            Wake::Bytes(Ok(0) | Err(_)) => break None,
            Wake::Bytes(Ok(count)) => {
                decoder.push(buffer.get(..count).unwrap_or_default());
                if let Some(verdict) = listen(worker, &mut decoder, &mut watch, &mut load, &frames, news).await {
                    break Some(verdict);
                }
            }
            Wake::Command(Some(Command::Tell(request))) => {
                if frames.try_send(Frame::Request(request)).is_err() {
                    break Some("worker does not read its input".to_owned());
                }
            }
            Wake::Command(Some(Command::Kill)) => {
                break Some("worker was killed: it did not cancel in time".to_owned());
            }
            Wake::Command(Some(Command::Leave)) => {
                return Ended { verdict: None, is_silent: false, asked: Some(Asked::Leave) };
            }
            // Without a caller there is nobody to work for.
            Wake::Command(Some(Command::Stop) | None) => {
                asked_to_stop = true;
                watch.stopping(settings);
                let _ = frames.try_send(Frame::Request(Box::new(Request::Shutdown)));
                let _ = frames.try_send(Frame::Close);
            }
            Wake::Ping => {
                if let Some(silence) = watch.missed() {
                    is_silent = true;
                    break Some(format!("worker stopped answering for {} s and was killed", silence.as_secs()));
                }
                let _ = frames.try_send(Frame::Request(Box::new(Request::Ping { nonce: watch.next_ping() })));
            }
            Wake::Deadline if asked_to_stop => break Some("worker was killed: it did not stop when asked".to_owned()),
            Wake::Deadline => {
                let seconds = settings.start_timeout.as_secs();
                break Some(format!("worker was killed: loading made no progress for {seconds} s"));
            }
        }
    };
    Ended { verdict, is_silent, asked: asked_to_stop.then_some(Asked::Stop) }
}

/// What could be done where the last words tell of memory that was not to be had.
fn out_of_memory(last_words: &VecDeque<String>) -> Option<String> {
    let is_so = |line: &String| line.contains("bad_alloc") || line.contains("memory allocation of");
    let hint = "it was not given more memory: a smaller context, or a simpler grammar or schema, needs less";
    last_words.iter().any(is_so).then(|| hint.to_owned())
}

/// Take all whole messages. Gives the reason where the worker must be ended.
async fn listen(
    worker: WorkerId,
    decoder: &mut Decoder,
    watch: &mut Watch,
    load: &mut Option<Load>,
    frames: &mpsc::Sender<Frame>,
    news: &News,
) -> Option<String> {
    loop {
        let said = match decoder.next::<Said>() {
            Ok(Some(said)) => said,
            Ok(None) => return None,
            Err(error) => return Some(format!("worker was killed: {error}")),
        };
        if let Said::Pong { n_steps, .. } = &said {
            watch.heard();
            if let Some(stuck) = watch.stepped(*n_steps) {
                return Some(format!("worker made no progress for {} s and was killed", stuck.as_secs()));
            }
            continue;
        }
        watch.heard();
        match &said {
            Said::Hello(hello) if hello.version != wire::VERSION => {
                let (theirs, ours) = (hello.version, wire::VERSION);
                return Some(format!("worker speaks protocol {theirs}, this program {ours}"));
            }
            Said::Hello(_) => {
                if let Some(load) = load.take() {
                    let _ = frames.try_send(Frame::Request(Box::new(Request::Load(load))));
                }
            }
            Said::Loading { .. } => watch.progress(),
            Said::Loaded(_) => watch.loaded(),
            _ => {}
        }
        let _ = news.send((worker, WorkerEvent::Message(said))).await;
    }
}

/// The deadlines of a worker.
struct Watch {
    /// When it must have made progress or stopped.
    deadline: Instant,
    start_timeout: Duration,
    loading: bool,
    /// Pings since it was last heard.
    unanswered: u32,
    patience: u32,
    /// Steps of the engine as last told, and how many pongs have told the same.
    steps: (Option<u64>, u32),
    nonce: u64,
}

/// A step may take so many times as long as an answer to a ping: on a GPU a whole batch is one.
const STEP_PATIENCE: u32 = 6;

impl Watch {
    fn new(settings: &Settings) -> Self {
        Self {
            deadline: Instant::now() + settings.start_timeout,
            start_timeout: settings.start_timeout,
            loading: true,
            unanswered: 0,
            patience: (settings.hang_timeout.as_secs() / PING.as_secs()).max(2) as u32,
            steps: (None, 0),
            nonce: 0,
        }
    }

    /// The engine has told its steps; how long they have stood still, once that is too long. One that waits for work takes
    /// none.
    fn stepped(&mut self, n_steps: Option<u64>) -> Option<Duration> {
        let (before, n_same) = self.steps;
        self.steps = if n_steps.is_some() && n_steps == before { (before, n_same + 1) } else { (n_steps, 0) };
        let n_same = self.steps.1;
        (!self.loading && n_same >= self.patience * STEP_PATIENCE).then(|| PING * n_same)
    }

    fn heard(&mut self) {
        self.unanswered = 0;
    }

    fn progress(&mut self) {
        if self.loading {
            self.deadline = Instant::now() + self.start_timeout;
        }
    }

    fn loaded(&mut self) {
        self.loading = false;
        self.deadline = far();
    }

    fn stopping(&mut self, settings: &Settings) {
        self.loading = false;
        self.deadline = Instant::now() + settings.stop_timeout;
    }

    /// The time without an answer, once it is too long. A start has its own deadline.
    fn missed(&self) -> Option<Duration> {
        (!self.loading && self.unanswered >= self.patience).then(|| PING * self.unanswered)
    }

    fn next_ping(&mut self) -> u64 {
        self.unanswered += 1;
        self.nonce += 1;
        self.nonce
    }
}

/// A deadline that never comes.
fn far() -> Instant {
    Instant::now() + Duration::from_hours(24 * 365)
}

/// What goes to a worker's input.
enum Frame {
    Request(Box<Request>),
    Close,
}

/// A task that writes, so that a worker that does not read holds nobody up.
fn writer(mut input: impl AsyncWrite + Unpin + Send + 'static) -> mpsc::Sender<Frame> {
    let (frames, mut outbox) = mpsc::channel(MAX_FRAMES);
    tokio::spawn(async move {
        while let Some(Frame::Request(request)) = outbox.recv().await {
            let Ok(frame) = wire::encode(&request) else { continue };
            if input.write_all(&frame).await.is_err() {
                break;
            }
        }
    });
    frames
}

/// Pass the log on line by line, cleaned and bounded; gives the last lines at its end.
pub(super) async fn read_log(worker: WorkerId, log: impl AsyncRead + Unpin, news: News) -> VecDeque<String> {
    let mut last = VecDeque::new();
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut log).take(MAX_LINE as u64).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = gguf::clean(&String::from_utf8_lossy(&line), MAX_LINE);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if last.len() == 3 {
            last.pop_front();
        }
        last.push_back(text.to_owned());
        let _ = news.send((worker, WorkerEvent::Logged(text.to_owned()))).await;
    }
}
