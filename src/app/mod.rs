//! The driver: it feeds what happens to the core and has done what the core wants.
//!
//! Owned here: the channels, the clock, the executor of effects. Absent: decisions, which are the core's, and drawing.
//! The dashboard and the headless commands drive the same [`App`].

pub mod attached;
mod background;
mod baselines;
pub mod bundle;
mod cleanup;
pub mod clipboard;
mod clock;
mod cluster;
pub mod dashboard;
mod deleting;
mod effects;
pub mod export;
pub(crate) mod external_editor;
mod files;
pub mod front;
pub mod history;
mod hub;
mod jobs;
pub mod log;
pub mod machine;
pub mod machines;
pub mod node;
pub mod open;
mod prepare;
pub mod prompts;
pub mod recording;
pub mod remotes;
pub mod replay;
pub mod rpc;
pub mod running;
mod save;
mod scan;
pub mod scratch_dir;
pub mod server;
mod serving;
pub mod socket;
pub mod start;
mod stuck;
pub mod suites;
mod there;
pub mod welcome;
mod writer;

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};

use self::history::HistoryCommand;
use crate::engine::{Engine, Program};
use crate::library;
use crate::telemetry;
use crate::ui::{self, Action, State, update};
use domain::command::{Cause, Command, CommandId, Refused, Reply, Value, What};
use domain::event::{LibraryEvent, WorkerEvent};
use domain::machine::Sample;
use domain::query::QueryError;
use domain::request::RequestId;
use domain::session::{JobRequest, WorkerId};
use domain::settings::Settings;
use domain::{Effect, Event, Notification, StateMachine};

pub use clock::Clock;

/// News of workers that may wait: some frames' worth of eight sessions. Behind it workers wait too.
const MAX_NEWS: usize = 1024;

/// Events of the library that may wait; behind it the scan waits.
const MAX_LIBRARY: usize = 64;

/// Answers to questions of which the core asks one at a time.
const MAX_ASIDES: usize = 8;

/// Columns of the terminal that standard output is, if it is one.
pub fn terminal_width() -> Option<usize> {
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        return None;
    }
    // A terminal that nobody told its size says 0.
    crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0)
}

/// The domain of a command that reads the machine once, and runs nothing.
pub fn probe(settings: Settings) -> StateMachine {
    let clock = Clock::start();
    let mut sampler = telemetry::Sampler::new("/".into(), settings.telemetry.interval).with_rpc(&settings.rpc);
    let mut domain = StateMachine::new(settings);
    // GPUs are read from the second sample on.
    let _ = sampler.sample(clock.now(), &[]);
    domain.update(clock.now(), Event::Sample(Box::new(sampler.sample(clock.now(), &[]))));
    domain
}

/// The next tick of a recording, where one plays.
async fn played(replay: &mut Option<replay::Replay>) -> Event {
    match replay {
        Some(replay) => replay.next().await,
        None => std::future::pending().await,
    }
}

/// Queries that have ended and that nobody has taken: more than can be open. Whoever asks takes them with each event.
const MAX_ENDED_QUERIES: usize = 512;

/// A query that has ended, with what came of it.
pub type EndedQuery = (RequestId, Result<Box<wire::QueryResult>, QueryError>);

/// The program without a face.
pub struct App {
    state: State,
    /// Whether there is no screen here: what one would show is for the clients.
    is_server: bool,
    /// Sends what happens to the clients that are attached.
    publisher: socket::Publisher,
    /// Jobs of a cluster that an earlier server left, and whose models are not known yet.
    left_jobs: Vec<JobRequest>,
    /// The sessions that are written down as running.
    noted: Vec<String>,
    /// The reply to the command that was given last.
    reply: Option<Reply>,
    /// The id of the next command.
    next_command: u64,
    /// Queries that have ended, until somebody takes them.
    ended_queries: Vec<EndedQuery>,
    /// Text for the clipboard, until a front end takes it.
    pub clipboard: Option<String>,
    /// Text for the user's editor, until a front end takes it.
    pub external_edit: Option<String>,
    clock: Clock,
    /// taffrail's own data folder, if there is a place for one.
    data: Option<PathBuf>,
    engine: Box<Engine>,
    news: mpsc::Receiver<(WorkerId, WorkerEvent)>,
    library: mpsc::Receiver<LibraryEvent>,
    library_sender: mpsc::Sender<LibraryEvent>,
    hub: hub::Hub,
    machines: machines::Links,
    /// Tells the tasks that ask engines which of them anybody wants to know of.
    wanted_remotes: watch::Sender<crate::engine::remote::Wanted>,
    asides: mpsc::Receiver<ui::Event>,
    aside_sender: mpsc::Sender<ui::Event>,
    history_writer: history::HistoryWriter,
    /// While a text is weighed.
    scratch_dir: Option<scratch_dir::ScratchDir>,
    watcher: Option<library::Watcher>,
    readings: watch::Receiver<Option<Box<Sample>>>,
    /// `None` where a recording plays.
    sampler: Option<telemetry::Thread>,
    replay: Option<replay::Replay>,
    recording: Option<recording::SharedRecorder>,
    /// Writes the ticks of a recording.
    recorder: writer::Writer,
    /// Writes all other files.
    writer: writer::Writer,
}

impl App {
    /// Start the sampler; nothing else runs yet. Needs a tokio runtime of the current-thread kind: workers die with the
    /// thread that started them, so that must be the main one.
    pub fn new(settings: Settings, themes: Vec<String>, program: Program) -> std::io::Result<Self> {
        Self::over("/".into(), Clock::start(), settings, themes, program)
    }

    /// The same over a folder that stands in for `/` where sensors are read, by this clock.
    fn over(
        root: PathBuf,
        clock: Clock,
        settings: Settings,
        themes: Vec<String>,
        program: Program,
    ) -> std::io::Result<Self> {
        // Nobody waits for it, and where there is no thread the next start does it.
        let _ = std::thread::Builder::new()
            .name("cleanup".to_owned())
            .spawn(|| scratch_dir::remove_left(&std::env::temp_dir()));
        let (newest, readings) = watch::channel(None);
        let sampler = telemetry::spawn(
            root,
            (settings.telemetry.interval, &settings.rpc),
            move || clock.now(),
            move |sample| {
                // Only the newest counts: a program that was held up has no use for the ones between.
                newest.send_replace(Some(Box::new(sample)));
                !newest.is_closed()
            },
        )?;
        Ok(Self { sampler: Some(sampler), ..Self::with(settings, themes, program, clock, readings) })
    }

    /// A program that shows a recording instead of this machine. It starts no session.
    pub fn replaying(mut settings: Settings, themes: Vec<String>, program: Program, replay: replay::Replay) -> Self {
        settings.telemetry.interval = replay.interval;
        let (_, readings) = watch::channel(None);
        Self { replay: Some(replay), ..Self::with(settings, themes, program, Clock::start(), readings) }
    }

    /// Whether a recording plays.
    pub fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    fn with(
        settings: Settings,
        themes: Vec<String>,
        program: Program,
        clock: Clock,
        readings: watch::Receiver<Option<Box<Sample>>>,
    ) -> Self {
        let (news_sender, news) = mpsc::channel(MAX_NEWS);
        let (library_sender, library) = mpsc::channel(MAX_LIBRARY);
        let (aside_sender, asides) = mpsc::channel(MAX_ASIDES);
        let events = aside_sender.clone();
        // One that finds no room is in the log all the same.
        log::on_panic(move |sentence| drop(events.try_send(Event::Failed(sentence).into())));
        let mut state = State::new(settings, themes);
        if let Some(bandwidth) = background::kept() {
            state.domain.update(clock.now(), Event::KnownBandwidth(bandwidth));
        }
        Self {
            engine: Box::new(cluster::engine(program, &state.domain.settings, news_sender)),
            state,
            is_server: false,
            publisher: socket::Publisher::default(),
            left_jobs: Vec::new(),
            noted: Vec::new(),
            reply: None,
            next_command: 1,
            ended_queries: Vec::new(),
            clipboard: None,
            external_edit: None,
            machines: machines::Links::new(),
            wanted_remotes: watch::Sender::default(),
            asides,
            aside_sender,
            clock,
            data: library::Env::read().data,
            news,
            library,
            library_sender,
            hub: hub::Hub::new(),
            history_writer: history::HistoryWriter::new(history::place()),
            scratch_dir: None,
            watcher: None,
            readings,
            sampler: None,
            replay: None,
            recording: None,
            recorder: writer::Writer::new("recording"),
            writer: writer::Writer::new("files"),
        }
    }

    /// Wait for the next thing to happen.
    pub async fn next(&mut self) -> ui::Event {
        loop {
            tokio::select! {
                biased;
                Some((worker, event)) = self.news.recv() => return Event::Worker(worker, event).into(),
                Some(event) = self.library.recv() => return Event::Library(event).into(),
                event = self.hub.next() => return event.into(),
                Some((machine, event)) = self.machines.next() => return Event::Remote(machine, event).into(),
                Some(event) = self.asides.recv() => return event,
                event = played(&mut self.replay) => return event.into(),
                Some(event) = self.writer.next() => return event.into(),
                Some(event) = self.recorder.next() => return event.into(),
                Some(event) = self.history_writer.next() => return Event::History(event).into(),
                Ok(()) = self.readings.changed() => {
                    if let Some(sample) = self.readings.borrow_and_update().clone() {
                        return Event::Sample(sample).into();
                    }
                }
            }
        }
    }

    /// Wait for the next thing that happens to the domain; what concerns a screen alone is passed over.
    pub async fn next_event(&mut self) -> Event {
        loop {
            match self.next().await {
                ui::Event::Domain(event) => return event,
                event => self.handle(event),
            }
        }
    }

    /// What has happened already, if anything, without waiting.
    pub fn try_next(&mut self) -> Option<ui::Event> {
        if let Ok((worker, event)) = self.news.try_recv() {
            return Some(Event::Worker(worker, event).into());
        }
        self.library
            .try_recv()
            .ok()
            .map(Event::Library)
            .or_else(|| self.hub.try_next())
            .map(Into::into)
            .or_else(|| self.machines.try_next().map(|(machine, event)| Event::Remote(machine, event).into()))
            .or_else(|| self.asides.try_recv().ok())
            .or_else(|| self.writer.try_next().map(Into::into))
            .or_else(|| self.recorder.try_next().map(Into::into))
            .or_else(|| self.history_writer.try_next().map(|event| Event::History(event).into()))
    }

    /// Be a server from now on: what happens is sent to the clients that are attached, and no screen follows it.
    pub fn serve(&mut self) {
        self.is_server = true;
        self.left_jobs = self.engine.left_jobs();
    }

    /// Take what happened, and do what follows.
    pub fn handle(&mut self, event: impl Into<ui::Event>) {
        let event = event.into();
        let is_tick = matches!(event, ui::Event::Domain(Event::Sample(_)));
        if is_tick {
            self.want_remotes();
        }
        if self.is_server {
            if let ui::Event::Domain(event) = event {
                self.handle_served(event);
                self.find_jobs();
            }
            return;
        }
        let effects = update(&mut self.state, self.clock.now(), event);
        if is_tick {
            self.write_tick();
        }
        for effect in effects {
            match effect {
                ui::Effect::Domain(effect) => self.execute(effect),
                effect => self.execute_for_screen(effect),
            }
        }
    }

    /// The same without a screen. Clients are sent it before anything that follows from it.
    fn handle_served(&mut self, event: Event) {
        let now = self.clock.now();
        self.publisher.publish(now, &event);
        for effect in self.state.domain.update(now, event) {
            match effect {
                Effect::Notify(Notification::Notice { text, is_error: false }) => tracing::info!("{text}"),
                Effect::Notify(Notification::Notice { text, .. }) => tracing::warn!("{text}"),
                effect => self.execute(effect),
            }
        }
    }

    /// What it knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Give a command.
    ///
    /// # Errors
    ///
    /// Why it was refused.
    pub fn command(&mut self, what: What) -> Result<Value, Refused> {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        self.handle(Event::Command(Command { id, what }));
        let reply = self.reply.take().filter(|reply| reply.id == id);
        reply.map_or_else(|| Err(Refused::new(Cause::Invalid, "the command was not answered")), |reply| reply.result)
    }

    /// The queries that have ended since this was asked last.
    pub fn take_ended_queries(&mut self) -> Vec<EndedQuery> {
        std::mem::take(&mut self.ended_queries)
    }

    fn end_query(&mut self, id: RequestId, result: Result<Box<wire::QueryResult>, QueryError>) {
        if self.ended_queries.len() < MAX_ENDED_QUERIES {
            self.ended_queries.push((id, result));
        }
    }

    /// What went wrong that no reply told, a sentence each.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.state.ui.notices.iter().filter(|notice| notice.is_error).map(|notice| notice.text.as_str())
    }

    /// The same for an action of the dashboard.
    pub fn act(&mut self, action: Action) {
        self.handle(ui::Event::Action(action));
    }

    /// Ask the hub for the files of a repository at a revision; answered by an event.
    pub fn ask_files(&mut self, repository: &str, revision: &str) {
        self.hub.files(&self.state.domain.settings, repository.to_owned(), revision.to_owned());
    }

    /// The same for one who waits for the answer.
    pub(super) fn list_files(&mut self, repository: String, revision: String, reply: hub::FilesReply) {
        self.hub.files_for(&self.state.domain.settings, repository, revision, reply);
    }

    /// Ask for all that earlier runs kept.
    pub fn recall_all(&mut self) {
        // `taffrail top` has no use for models.
        if self.state.ui.screen != ui::Screen::Top {
            self.find_interrupted();
        }
        self.recall_baselines();
        self.recall();
    }

    /// Ask the history what was measured before, and how it was voted.
    pub fn recall(&mut self) {
        if self.state.domain.settings.history.keep {
            self.history_writer.ask(HistoryCommand::Measured);
            self.history_writer.ask(HistoryCommand::Votes);
        }
    }

    /// Look for downloads that earlier runs left unfinished.
    pub fn find_interrupted(&self) {
        self.hub.find_interrupted(&self.state.domain.settings);
    }

    /// Take what earlier runs kept of the idle baseline.
    pub fn recall_baselines(&mut self) {
        self.handle(Event::Baselines(baselines::recall(self.data.as_deref())));
    }

    /// Keep a record in the history, unless the user wants none.
    pub fn keep(&mut self, record: domain::record::Record) {
        if self.state.domain.settings.history.keep {
            // Nobody waits for this answer: no question gets so far.
            self.execute(Effect::SaveRecord { ask: u64::MAX, record: Box::new(record), draft: None });
        }
    }

    /// End all workers and wait until they have, and until all files are written. Gives what could not be kept, a sentence
    /// each.
    pub async fn shut_down(mut self) -> Vec<String> {
        self.handle(Event::Closing);
        // Workers that still have something to say must not wait for us to listen.
        self.news.close();
        // A server that is started again finds its jobs.
        self.engine.shut_down(self.is_server).await;
        let mut lost: Vec<String> = self.history_writer.close().into_iter().collect();
        while let Some(event) = self.history_writer.try_next() {
            if let domain::event::HistoryEvent::NotSaved { reason, .. } = event {
                lost.push(reason);
            }
        }
        lost.extend(self.writer.close());
        lost.extend(self.recorder.close());
        lost
    }
}

#[cfg(test)]
mod calibration_tests;
#[cfg(test)]
mod late_tests;
