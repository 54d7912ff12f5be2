//! The driver: it feeds what happens to the core and has done what the core wants.
//!
//! Owned here: the channels, the clock, the executor of effects. Absent: decisions, which are the core's, and drawing.
//! The dashboard and the headless commands drive the same [`App`].

pub mod clipboard;
mod clock;
pub mod dashboard;
pub mod history;
mod house;
mod hub;
mod prepare;
mod save;
pub mod survey;

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

/// The state of a command that only looks: the machine is read once, and nothing runs.
pub fn glance(settings: Settings) -> State {
    let clock = Clock::start();
    let mut sampler = telemetry::Sampler::new("/".into(), settings.telemetry.interval);
    let mut state = State::new(settings, Vec::new());
    // GPUs are read from the second sample on.
    let _ = sampler.sample(clock.now(), &[]);
    state.machine.sample = Some(Box::new(sampler.sample(clock.now(), &[])));
    state
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
    hub: hub::Hub,
    keeper: history::Keeper,
    watcher: Option<library::Watcher>,
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
            hub: hub::Hub::new(),
            keeper: history::Keeper::new(history::place()),
            watcher: None,
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
                event = self.hub.next() => return event,
                Some(event) = self.keeper.next() => return Event::History(event),
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
        self.library
            .try_recv()
            .ok()
            .map(Event::Library)
            .or_else(|| self.hub.try_next())
            .or_else(|| self.keeper.try_next().map(Event::History))
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

    /// Ask the hub for the files of a repository at a revision; answered by an event.
    pub fn ask_files(&mut self, repository: &str, revision: &str) {
        let effect = Effect::Files { repository: repository.to_owned(), revision: revision.to_owned() };
        self.execute(effect);
    }

    /// Ask the history what was measured before.
    pub fn recall(&mut self) {
        if self.state.settings.history.keep {
            self.keeper.ask(history::Wish::Measured);
        }
    }

    /// Look for downloads that earlier runs left unfinished.
    pub fn find_interrupted(&self) {
        self.hub.find_interrupted(&self.state.settings);
    }

    /// End all workers and wait until they have.
    pub async fn shut_down(mut self) {
        // Workers that still have something to say must not wait for us to listen.
        self.news.close();
        self.engine.shut_down().await;
        self.keeper.close();
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
            Effect::Search { generation, text, sort } => self.hub.search(&self.state.settings, generation, text, sort),
            Effect::Files { repository, revision } => self.hub.files(&self.state.settings, repository, revision),
            Effect::Download { id, order } => self.hub.download(&self.state.settings, id, order),
            Effect::Pause(id) => self.hub.wish(id, library::hub::Wish::Pause),
            Effect::CancelDownload(id) => self.hub.wish(id, library::hub::Wish::Cancel),
            Effect::Discard(order) => hub::Hub::discard(&self.state.settings, order),
            // Small and rare, so it needs no thread.
            Effect::KeepQueue(orders) => {
                if let Err(error) = library::hub::keep_queue(&orders) {
                    let text = format!("the downloads that wait can't be written down: {error}");
                    self.handle(Event::Trouble(text));
                }
            }
            Effect::House(chore) => house::start(chore, &self.state, self.library_sender.clone()),
            Effect::Remember(record) => self.keeper.ask(history::Wish::Keep(record)),
            Effect::ListHistory { generation, filter, page } => {
                self.keeper.ask(history::Wish::List { generation, filter, page });
            }
            Effect::Forget(id) => self.keeper.ask(history::Wish::Delete(id)),
            Effect::Draw => {
                use std::hash::{BuildHasher as _, Hasher as _};
                let number = std::hash::RandomState::new().build_hasher().finish();
                self.handle(Event::Drawn(number));
            }
            Effect::Save(files) => {
                let event = match save::save(&files) {
                    Ok(folder) => Event::Notice(format!("saved in {}", folder.display())),
                    Err(error) => Event::Trouble(format!("the race could not be saved: {error}")),
                };
                self.handle(event);
            }
            Effect::Copy(text) => self.clipboard = Some(text),
            Effect::Quit => {}
        }
    }

    /// Look through the stores on a thread of its own, and go on watching them.
    pub fn scan(&mut self) {
        if let Some(watcher) = &self.watcher {
            return watcher.look();
        }
        let events = self.library_sender.clone();
        let emit = move |event| events.blocking_send(event).is_ok();
        match library::Watcher::start(self.state.settings.library.clone(), emit) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.handle(Event::Trouble(format!("the stores can't be looked through: {error}"))),
        }
    }
}
