//! The far end: what the other machine runs, and what it says of itself.

use std::io::{self, BufRead as _, Read as _, Write};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::joined;
use super::protocol::{Hello, Line, Order};
use crate::app::{Clock, prepare, socket};
use crate::{engine, library, telemetry};
use domain::energy::estimated;
use domain::event::LibraryEvent;
use domain::machine::remote::RemoteFigures;
use domain::model::Model;
use domain::session::SessionStatus;
use domain::settings::{SchedulingPolicy, Settings};

/// The time between two looks at the sessions of this machine's server.
const SESSIONS: Duration = Duration::from_secs(2);

/// The longest line of whoever asks.
const MAX_ORDER: u64 = 64 << 10;

/// The name of the documents that it writes.
const SCHEMA: &str = "taffrail/machine/1";

/// Where lines go.
#[derive(Clone)]
struct Out(Arc<Mutex<io::Stdout>>);

impl Out {
    /// Say a line; whether anybody listens.
    fn say(&self, line: &Line) -> bool {
        let Ok(mut text) = serde_json::to_vec(line) else { return true };
        text.push(b'\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&text).and_then(|()| out.flush()).is_ok()
    }

    fn sessions(&self, sessions: Vec<SessionStatus>) -> bool {
        self.say(&Line { sessions: Some(sessions), ..Line::default() })
    }

    fn models(&self, models: &[Arc<Model>]) -> bool {
        let models = models.iter().filter_map(|model| serde_json::to_value(&**model).ok()).collect();
        self.say(&Line { models: Some(models), ..Line::default() })
    }
}

/// What this machine tells another one.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
}

impl Agent {
    /// By these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Say who this is, then the sessions of the server, what the sensors say at once, and the models, once each.
    pub fn list(&self) {
        let out = hello();
        // Whoever wants these alone has gone by now.
        if !out.sessions(socket::sessions()) {
            return;
        }
        let sample = telemetry::Sampler::new("/".into(), SESSIONS).sample(Clock::start().now(), &[]);
        if !out.say(&Line { sample: Some(Box::new(sample)), ..Line::default() }) {
            return;
        }
        out.models(&library::list(&self.settings.library, &library::Env::read()).models);
    }

    /// Go on as a worker for a model that another machine asks for; gives a sentence where that fails.
    pub fn become_worker(&self, id: &str, is_forced: bool, scheduling: SchedulingPolicy, is_verbose: bool) -> String {
        match self.file(id, is_forced) {
            Ok(path) => {
                format!("the worker can't be started: {}", engine::become_worker(&path, scheduling, is_verbose))
            }
            Err(reason) => reason,
        }
    }

    /// Speak like a worker for the session that this machine's server has of a model, until whoever asks has gone.
    ///
    /// # Errors
    ///
    /// A sentence: why it can't, or how the session ended.
    pub fn join(&self, id: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let ended = runtime.block_on(joined::join(id));
        // A thread that reads standard input would not end before its next byte.
        runtime.shutdown_background();
        ended
    }

    /// The file of a model, checked.
    fn file(&self, id: &str, is_forced: bool) -> Result<PathBuf, String> {
        let models = library::list(&self.settings.library, &library::Env::read()).models;
        let model = models.into_iter().find(|model| model.id == id);
        let model = model.ok_or_else(|| format!("{id} is no longer on this machine"))?;
        let model = if is_forced { model.forced() } else { model };
        let fault = |error: crate::engine::StartError| match error.hint {
            Some(hint) => format!("{}: {hint}", error.reason),
            None => error.reason,
        };
        prepare::prepare(&model, !library::HAS_GPU_ENGINE).map_err(fault)
    }

    /// Say who this is, then what happens on this machine, until whoever asks has gone.
    ///
    /// # Errors
    ///
    /// The system allows no further thread.
    pub fn run(self) -> io::Result<()> {
        let out = hello();
        let clock = Clock::start();
        let (told, energy) = (out.clone(), self.settings.energy.clone());
        let sampler = telemetry::spawn(
            "/".into(),
            (self.settings.telemetry.interval, &self.settings.rpc),
            move || clock.now(),
            move |mut sample| {
                sample.power.extend(estimated(&sample, &energy));
                // The first tells no rates.
                let figures = Some(RemoteFigures::of(&sample));
                told.say(&Line { figures, sample: Some(Box::new(sample)), ..Line::default() })
            },
        )?;
        let told = out.clone();
        let watcher = library::Watcher::start(self.settings.library, move |event| match event {
            LibraryEvent::Finished { models, .. } => told.models(&models),
            _ => true,
        })?;
        watcher.shown();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::Builder::new().name("sessions".to_owned()).spawn(move || sessions(&out, &ended))?;
        let mut orders = io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut orders).take(MAX_ORDER).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            if let Ok(Order { watch: Some(pids) }) = serde_json::from_slice(&line) {
                sampler.watch(pids);
            }
        }
        drop(end);
        Ok(())
    }
}

fn hello() -> Out {
    let out = Out(Arc::new(Mutex::new(io::stdout())));
    out.say(&Line { schema: Some(SCHEMA.to_owned()), hello: Some(Hello::own()), ..Line::default() });
    out
}

/// Tell the sessions of this machine's server whenever they have changed.
fn sessions(out: &Out, ended: &mpsc::Receiver<()>) {
    let mut last = None;
    loop {
        let found = socket::sessions();
        if last.as_ref() != Some(&found) {
            if !out.sessions(found.clone()) {
                return;
            }
            last = Some(found);
        }
        if ended.recv_timeout(SESSIONS) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
