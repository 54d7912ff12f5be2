//! The worker's life: greet, read requests, carry them out, end.
//!
//! Two threads. The reader parses requests and answers at once what needs no engine (ping, cancel, threads); it ends the
//! process when its input closes, whatever llama.cpp is doing. The engine's thread, the first one, does the rest in order.

use std::io::{self, Read as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use llama_cpp_2::llama_backend::LlamaBackend;
use wire::{Event, Failure, FailureKind, Generate, Hello, Load, Measure, Request, Score};

use crate::control::CONTROL;
use crate::out::Out;
use crate::session::Session;
use crate::{Options, backend, log, note, process};

/// Requests that wait for the engine: a load, a generation, and some to forget.
const MAX_WAITING: usize = 16;

/// What the engine's thread carries out.
enum Task {
    Load(Box<Load>),
    Generate(Box<Generate>, Instant),
    Measure(Measure),
    Score(Box<Score>),
    Forget,
    Shutdown,
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
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || read(out, &to_engine))?;
    Ok(work(&llama, out, &tasks))
}

/// Read requests until the input ends, and then end the process.
fn read(out: &Out, to_engine: &SyncSender<Task>) {
    let mut decoder = wire::Decoder::default();
    let mut buffer = vec![0; 1 << 16];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut buffer) {
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
        Request::Continue { id, n_tokens } => return CONTROL.go(id, n_tokens),
        Request::Threads { n_threads } => return CONTROL.set_threads(n_threads),
        Request::Load(load) => {
            // Here, so that a change that comes during the load isn't overwritten.
            CONTROL.set_threads(load.n_threads);
            Task::Load(Box::new(load))
        }
        Request::Generate(generate) if CONTROL.begin(generate.id) => {
            CONTROL.go(generate.id, generate.credits.unwrap_or(0));
            Task::Generate(Box::new(generate), Instant::now())
        }
        Request::Generate(generate) => return refuse(out, Some(generate.id)),
        Request::Measure(measure) if CONTROL.begin(measure.id) => Task::Measure(measure),
        Request::Measure(measure) => return refuse(out, Some(measure.id)),
        Request::Score(score) if CONTROL.begin(score.id) => Task::Score(Box::new(score)),
        Request::Score(score) => return refuse(out, Some(score.id)),
        Request::ClearCache => Task::Forget,
        Request::Shutdown => {
            CONTROL.stop();
            end_soon();
            Task::Shutdown
        }
    };
    match to_engine.try_send(task) {
        // A shutdown that doesn't fit in is seen in `CONTROL`.
        Ok(()) | Err(TrySendError::Full(Task::Shutdown)) => {}
        Err(TrySendError::Full(Task::Generate(generate, _))) => {
            CONTROL.end();
            refuse(out, Some(generate.id));
        }
        Err(TrySendError::Full(Task::Measure(measure))) => {
            CONTROL.end();
            refuse(out, Some(measure.id));
        }
        Err(TrySendError::Full(Task::Score(score))) => {
            CONTROL.end();
            refuse(out, Some(score.id));
        }
        Err(TrySendError::Full(_)) => note("a request was dropped: too many wait"),
        Err(TrySendError::Disconnected(_)) => process::end(0),
    }
}

/// How long the engine may take to stop. What it does ends within a step of it; one that is stuck never ends.
const STOP: Duration = Duration::from_millis(500);

/// End the process soon, whatever the engine does meanwhile.
fn end_soon() {
    // Without a thread the supervisor ends the process, somewhat later.
    let _ = std::thread::Builder::new().name("end".to_owned()).spawn(|| {
        let since = Instant::now();
        while let Some(left) = STOP.checked_sub(since.elapsed()) {
            std::thread::park_timeout(left);
        }
        process::end(0);
    });
}

fn refuse(out: &Out, id: Option<u64>) {
    let failure = backend::fail(FailureKind::Busy, "a generation is running".to_owned(), "wait for it, or cancel it");
    out.send(&Event::Failed(Failure { id, ..failure }));
}

fn no_model(out: &Out, id: u64) {
    CONTROL.end();
    let failure = backend::fail(FailureKind::Request, "no model is loaded".to_owned(), "load one first");
    out.send(&Event::Failed(Failure { id: Some(id), ..failure }));
}

/// Wait for the next task; `None` where none can come any more.
fn next(tasks: &Receiver<Task>) -> Option<Task> {
    CONTROL.set_waits(true);
    let task = tasks.recv().ok();
    CONTROL.set_waits(false);
    task
}

/// Carry out tasks in order.
fn work(llama: &LlamaBackend, out: &'static Out, tasks: &Receiver<Task>) -> ExitCode {
    let mut session: Option<Session> = None;
    while let Some(task) = next(tasks) {
        if CONTROL.is_stopping() {
            break;
        }
        match (task, &mut session) {
            (Task::Load(load), None) => match Session::load(llama, &load, out) {
                Ok((loaded_session, loaded)) => {
                    session = Some(loaded_session);
                    out.send(&Event::Loaded(Box::new(loaded)));
                }
                Err(_) if CONTROL.is_stopping() => break,
                Err(failure) => {
                    out.send(&Event::Failed(failure));
                    return ExitCode::FAILURE;
                }
            },
            (Task::Load(_), Some(_)) => {
                let hint = "start a worker for each model";
                let message = "a worker loads one model only".to_owned();
                out.send(&Event::Failed(backend::fail(FailureKind::Request, message, hint)));
                return ExitCode::FAILURE;
            }
            (Task::Generate(generate, arrived), Some(session)) => {
                let ended = session.generate(&generate, arrived, out).unwrap_or_else(Event::Failed);
                // Before the last event: whoever reads it may ask for the next generation.
                CONTROL.end();
                out.send(&ended);
            }
            (Task::Score(score), Some(session)) => {
                let ended = session.score(&score).unwrap_or_else(Event::Failed);
                CONTROL.end();
                out.send(&ended);
            }
            (Task::Measure(measure), Some(session)) => {
                let ended = session.measure(&measure).map_or_else(Event::Failed, Event::Measured);
                CONTROL.end();
                out.send(&ended);
            }
            (Task::Generate(generate, _), None) => no_model(out, generate.id),
            (Task::Measure(measure), None) => no_model(out, measure.id),
            (Task::Score(score), None) => no_model(out, score.id),
            (Task::Forget, Some(session)) => session.forget(),
            (Task::Forget, None) => {}
            (Task::Shutdown, _) => break,
        }
    }
    ExitCode::SUCCESS
}
