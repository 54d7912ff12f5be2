//! The driver: it feeds what happens to the core and has done what the core wants.
//!
//! Owned here: the channels, the clock, the executor of effects. Absent: decisions, which are the core's, and drawing.
//! The dashboard and the headless commands drive the same [`App`].

pub mod clipboard;
mod clock;
pub mod dashboard;
mod house;
mod prepare;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::core::event::{LibraryEvent, WorkerEvent};
use crate::core::machine::Sample;
use crate::core::session::WorkerId;
use crate::core::settings::Settings;
use crate::core::{Action, Effect, Event, State, update};
use crate::engine::{Engine, Program};
use crate::library;
use crate::telemetry;

pub use clock::Clock;

/// News of workers that may wait: some frames' worth of eight sessions. Behind it workers wait too.
const MAX_NEWS: usize = 1024;

/// Events of the library that may wait; behind it the scan waits.
const MAX_LIBRARY: usize = 64;

/// Columns of the terminal that standard output is, if it is one.
pub fn terminal_width() -> Option<usize> {
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        return None;
    }
    crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns))
}

/// The program without a face.
pub struct App {
    /// What it knows.
    pub state: State,
    /// Text for the clipboard, until a front end takes it.
    pub clipboard: Option<String>,
    clock: Clock,
    engine: Engine,
    news: mpsc::Receiver<(WorkerId, WorkerEvent)>,
    library: mpsc::Receiver<LibraryEvent>,
    library_sender: mpsc::Sender<LibraryEvent>,
    readings: watch::Receiver<Option<Box<Sample>>>,
    sampler: telemetry::Thread,
}

impl App {
    /// Start the sampler; nothing else runs yet. Needs a tokio runtime of the current-thread kind: workers die with the
    /// thread that started them, so that must be the main one.
    pub fn new(settings: Settings, themes: Vec<String>, program: Program) -> std::io::Result<Self> {
        let (news_sender, news) = mpsc::channel(MAX_NEWS);
        let (library_sender, library) = mpsc::channel(MAX_LIBRARY);
        let (newest, readings) = watch::channel(None);
        let clock = Clock::start();
        let sampler = telemetry::spawn(
            "/".into(),
            settings.telemetry.interval,
            move || clock.now(),
            move |sample| {
                // Only the newest counts: a program that was held up has no use for the ones between.
                newest.send_replace(Some(Box::new(sample)));
                !newest.is_closed()
            },
        )?;
        Ok(Self {
            engine: Engine::new(program, settings.engine.clone(), news_sender),
            state: State::new(settings, themes),
            clipboard: None,
            clock,
            news,
            library,
            library_sender,
            readings,
            sampler,
        })
    }

    /// Wait for the next thing to happen.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                Some((worker, event)) = self.news.recv() => return Event::Worker(worker, event),
                Some(event) = self.library.recv() => return Event::Library(event),
                Ok(()) = self.readings.changed() => {
                    if let Some(sample) = self.readings.borrow_and_update().clone() {
                        return Event::Sample(sample);
                    }
                }
            }
        }
    }

    /// What has happened already, if anything, without waiting.
    pub fn try_next(&mut self) -> Option<Event> {
        if let Ok((worker, event)) = self.news.try_recv() {
            return Some(Event::Worker(worker, event));
        }
        self.library.try_recv().ok().map(Event::Library)
    }

    /// Take what happened, and do what follows.
    pub fn handle(&mut self, event: Event) {
        let effects = update(&mut self.state, self.clock.now(), event);
        for effect in effects {
            self.execute(effect);
        }
    }

    /// The same for a wish of the user.
    pub fn act(&mut self, action: Action) {
        self.handle(Event::Action(action));
    }

    /// Put the models into the state without a scan, as a command does that needs one of them only.
    pub fn adopt(&mut self, models: Vec<Arc<crate::core::model::Model>>) {
        self.handle(Event::Library(LibraryEvent::Found(models)));
    }

    /// End all workers and wait until they have.
    pub async fn shut_down(mut self) {
        // Workers that still have something to say must not wait for us to listen.
        self.news.close();
        self.engine.shut_down().await;
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { worker, model, load } => {
                self.engine.spawn(worker, *load, move || prepare::prepare(&model));
            }
            Effect::Tell { worker, request } => self.engine.tell(worker, request),
            Effect::Stop { worker } => self.engine.stop(worker),
            Effect::Watch { pids } => self.sampler.watch(pids),
            Effect::Scan => self.scan(),
            Effect::House(chore) => house::start(chore, &self.state, self.library_sender.clone()),
            Effect::Copy(text) => self.clipboard = Some(text),
            Effect::Quit => {}
        }
    }

    /// Look through the stores on a thread of its own.
    pub fn scan(&self) {
        let settings = self.state.settings.library.clone();
        let events = self.library_sender.clone();
        // The thread ends by itself; at the program's end it is left behind, since it only reads.
        std::thread::spawn(move || {
            library::scan(&settings, &library::Env::read(), |event| {
                let _ = events.blocking_send(event);
            });
        });
    }
}
