//! The worker's life: greet, read requests, carry them out, end.
//!
//! Two threads. The reader parses requests and answers at once what needs no engine (ping, cancel, threads); it ends the
//! process when its input closes, whatever llama.cpp is doing. The engine's thread, the first one, does the rest in order.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use llama_cpp_2::llama_backend::LlamaBackend;
use wire::{Event, Failure, FailureKind, Generate, Hello, Load, Measure, Query, Request, Score};

use crate::control::{CONTROL, MAX_PARALLEL, MAX_QUERIES};
use crate::gather::Gather;
use crate::note::note;
use crate::out::Out;
use crate::scheduler::{self, Scheduler};
use crate::{Options, backend, log, process};

/// Requests that wait for the engine: a load, a generation for each sequence, queries, and some to clear the cache.
const MAX_WAITING: usize = MAX_PARALLEL as usize + MAX_QUERIES + 16;

/// What the engine's thread carries out.
enum Task {
    Load(Box<Load>),
    Generate(Box<Generate>, Instant),
    Measure(Measure),
    Score(Box<Score>),
    Query(Query),
    ClearCache,
    Shutdown,
}

impl Task {
    /// The id of the request that was admitted for it.
    fn id(&self) -> Option<u64> {
        match self {
            Self::Generate(generate, _) => Some(generate.id),
            Self::Measure(measure) => Some(measure.id),
            Self::Score(score) => Some(score.id),
            Self::Query(query) => Some(query.id),
            Self::Load(_) | Self::ClearCache | Self::Shutdown => None,
        }
    }
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match start(options) {
        Ok(code) => code,
        Err(error) => {
            note(&format!("the worker could not start: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> io::Result<ExitCode> {
    let out: &'static Out = Box::leak(Box::new(Out::new(process::take_stdout()?)));
    process::confine(options.memory_limit)?;
    log::capture(options.verbose);
    let llama = LlamaBackend::init().map_err(io::Error::other)?;
    out.send(&Event::Hello(Hello {
        version: wire::VERSION,
        pid: std::process::id(),
        engine: backend::version(),
        devices: backend::devices(),
    }));
    let (to_engine, tasks) = sync_channel(MAX_WAITING);
    let path = options.path.clone();
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let _stop = StopAtEnd;
        read(out, &to_engine, path.as_deref());
    })?;
    Ok(work(&llama, out, &tasks))
}

/// Stops the engine when the reader ends, by a panic: nothing else would wake it.
struct StopAtEnd;

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        CONTROL.stop();
    }
}

/// Read requests until the input ends, and then end the process.
fn read(out: &Out, to_engine: &SyncSender<Task>, path: Option<&Path>) {
    let mut decoder = wire::Decoder::default();
    let mut buffer = vec![0; 1 << 16];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut buffer) {
            // After a shutdown, which has its own bound.
            Ok(0) if CONTROL.is_stopping() && CONTROL.finishes() => return,
            Ok(0) => process::end(0),
            Ok(n) => decoder.push(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                note(&format!("the supervisor can't be read: {error}"));
                process::end(1);
            }
        }
        loop {
            match decoder.next() {
                Ok(Some(Request::Load(load))) => {
                    let path = path.map_or(load.path, Path::to_owned);
                    take(Request::Load(Load { path, ..load }), out, to_engine);
                }
                Ok(Some(request)) => take(request, out, to_engine),
                Ok(None) => break,
                Err(error) => {
                    let message = format!("a request can't be read: {error}");
                    let hint = "supervisor and worker must be of the same build";
                    out.send(&Event::Failed(backend::fail(FailureKind::Request, message, hint)));
                    process::end(2);
                }
            }
        }
    }
}

fn take(request: Request, out: &Out, to_engine: &SyncSender<Task>) {
    let task = match request {
        Request::Ping { nonce } => {
            return out.send(&Event::Pong { nonce, n_decodes: CONTROL.n_decodes(), n_steps: CONTROL.n_steps() });
        }
        Request::Cancel { id } => return CONTROL.cancel(id),
        Request::Continue { id, n_tokens } => return CONTROL.add_credits(id, n_tokens),
        Request::Threads { n_threads } => return CONTROL.set_threads(n_threads),
        Request::Load(load) => {
            // Here, so that a change that comes during the load isn't overwritten.
            CONTROL.set_threads(load.n_threads);
            CONTROL.set_parallel(load.n_parallel);
            CONTROL.set_finishes(load.kept_prompts.is_some());
            Task::Load(Box::new(load))
        }
        Request::Generate(generate) if CONTROL.begin(generate.id) => {
            CONTROL.add_credits(generate.id, generate.credits.unwrap_or(0));
            Task::Generate(Box::new(generate), Instant::now())
        }
        Request::Generate(generate) => return refuse(out, generate.id),
        Request::Measure(measure) if CONTROL.begin_alone(measure.id) => Task::Measure(measure),
        Request::Measure(measure) => return refuse(out, measure.id),
        Request::Score(score) if CONTROL.begin_alone(score.id) => Task::Score(Box::new(score)),
        Request::Score(score) => return refuse(out, score.id),
        Request::Query(query) if CONTROL.begin_query(query.id) => Task::Query(query),
        Request::Query(query) => return refuse(out, query.id),
        Request::ClearCache => Task::ClearCache,
        Request::Shutdown => {
            CONTROL.stop();
            end_soon();
            Task::Shutdown
        }
    };
    match to_engine.try_send(task) {
        // A shutdown that doesn't fit in is seen in `CONTROL`.
        Ok(()) | Err(TrySendError::Full(Task::Shutdown)) => {}
        Err(TrySendError::Full(task)) => match task.id() {
            Some(id) => {
                CONTROL.end(id);
                refuse(out, id);
            }
            None => note("a request was dropped: too many wait"),
        },
        Err(TrySendError::Disconnected(_)) => process::end(0),
    }
    CONTROL.notify();
}

/// How long the engine may take to stop. It normally stops within one step; one that is stuck never does.
const STOP: Duration = Duration::from_millis(500);

/// How long keeping prompts for the next load may take: what has been written whole by then is kept. A supervisor waits
/// longer.
const FINISH: Duration = Duration::from_secs(2);

/// End the process soon, whatever the engine does meanwhile.
fn end_soon() {
    // Without a thread the supervisor ends the process, somewhat later.
    let _ = std::thread::Builder::new().name("end".to_owned()).spawn(|| {
        let since = Instant::now();
        let limit = if CONTROL.finishes() { FINISH } else { STOP };
        while let Some(left) = limit.checked_sub(since.elapsed()) {
            std::thread::park_timeout(left);
        }
        process::end(0);
    });
}

fn refuse(out: &Out, id: u64) {
    out.send(&Event::Failed(Failure { id: Some(id), ..scheduler::busy() }));
}

/// Carry out tasks in order, and between them what the requests that run need.
fn work(llama: &LlamaBackend, out: &'static Out, tasks: &Receiver<Task>) -> ExitCode {
    let mut scheduler: Option<Scheduler> = None;
    let mut gather = Gather::default();
    loop {
        let seen = CONTROL.n_changes();
        loop {
            let n_running = scheduler.as_ref().map_or(0, Scheduler::n_running);
            match next(tasks, gather.patience(n_running, Instant::now())) {
                Ok(task) => {
                    if let Some(code) = carry_out(task, llama, &mut scheduler, out) {
                        return code;
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if CONTROL.is_stopping() && CONTROL.finishes() => break,
                // The reader is gone.
                Err(TryRecvError::Disconnected) => return ExitCode::FAILURE,
            }
        }
        gather.begin();
        // Where the worker is to stop, this ends all that runs.
        let is_changed = scheduler.as_mut().is_some_and(Scheduler::step);
        if CONTROL.is_stopping() {
            if let Some(scheduler) = scheduler.as_mut().filter(|_| CONTROL.finishes()) {
                CONTROL.begin_finish();
                scheduler.finish();
            }
            return ExitCode::SUCCESS;
        }
        if !is_changed {
            CONTROL.wait_for_change(seen);
        }
    }
}

/// The next task, waiting up to `patience` for it.
fn next(tasks: &Receiver<Task>, patience: Option<Duration>) -> Result<Task, TryRecvError> {
    let Some(patience) = patience else { return tasks.try_recv() };
    tasks.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Timeout => TryRecvError::Empty,
        RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
    })
}

/// Carry out a task; the worker's status where it ends over it.
fn carry_out(
    task: Task,
    llama: &LlamaBackend,
    scheduler: &mut Option<Scheduler>,
    out: &'static Out,
) -> Option<ExitCode> {
    if CONTROL.is_stopping() {
        return None;
    }
    let id = task.id();
    match (task, scheduler) {
        (Task::Load(load), scheduler @ None) => match Scheduler::load(llama, &load, out) {
            Ok((loaded_scheduler, loaded)) => {
                *scheduler = Some(loaded_scheduler);
                out.send(&Event::Loaded(Box::new(loaded)));
            }
            Err(_) if CONTROL.is_stopping() => {}
            Err(failure) => {
                out.send(&Event::Failed(failure));
                return Some(ExitCode::FAILURE);
            }
        },
        (Task::Load(_), Some(_)) => {
            let hint = "start a worker for each model";
            let message = "a worker loads one model only".to_owned();
            out.send(&Event::Failed(backend::fail(FailureKind::Request, message, hint)));
            return Some(ExitCode::FAILURE);
        }
        (Task::Generate(generate, arrived), Some(scheduler)) => scheduler.admit(*generate, arrived),
        (Task::Score(score), Some(scheduler)) => {
            let ended = scheduler.score(&score).unwrap_or_else(Event::Failed);
            // Before the event, because its reader may send the next request immediately.
            CONTROL.end(score.id);
            out.send(&ended);
        }
        (Task::Measure(measure), Some(scheduler)) => {
            let ended = scheduler.measure(&measure).map_or_else(Event::Failed, Event::Measured);
            CONTROL.end(measure.id);
            out.send(&ended);
        }
        (Task::Query(query), Some(scheduler)) => scheduler.query(query),
        (Task::Generate(..) | Task::Measure(_) | Task::Score(_) | Task::Query(_), None) => {
            CONTROL.end(id.unwrap_or_default());
            let failure = backend::fail(FailureKind::Request, "no model is loaded".to_owned(), "load one first");
            out.send(&Event::Failed(Failure { id, ..failure }));
        }
        (Task::ClearCache, Some(scheduler)) => scheduler.clear_cache(),
        (Task::ClearCache, None) | (Task::Shutdown, _) => {}
    }
    None
}
