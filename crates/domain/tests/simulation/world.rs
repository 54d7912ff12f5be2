//! The outside world: it carries out effects, late or never as it likes, and reports events.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::download::hub::{Failure, FailureKind};
use domain::download::{DownloadEvent, DownloadId};
use domain::engine_metrics::{EngineNews, EngineReading, EngineSilence};
use domain::event::{HistoryEvent, LibraryEvent};
use domain::lab::suite::run::Recalled;
use domain::machine::Bandwidth;
use domain::model::remote::{EngineKind, Price, Remote};
use domain::model::{Model, ModelFile, Status, Store, StoreStatus};
use domain::openness::Cards;
use domain::session::WorkerId;
use domain::settings::{SessionSettings, Settings};
use domain::storage::{CleanupJob, CleanupPlan, DiskUsageReport, Item, Kind, Operation, Request, Step, StorageEvent};
use domain::units::Bytes;
use domain::{Effect, Event, Moment};

use crate::dice::Dice;
use crate::sensors::Sensors;
use crate::workers::{Runs, Worker};

/// Everything outside the domain.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) workers: Vec<Worker>,
    pub(crate) sensors: Sensors,
    pub(crate) models: Vec<Arc<Model>>,
    /// What engines of other programs have.
    pub(crate) remotes: Vec<Arc<Model>>,
    /// Nothing fails any more, and what hangs is killed.
    pub(crate) calm: bool,
    /// Downloads that run: how much of them has come.
    downloads: Vec<(DownloadId, u64)>,
    /// Plans of changes of the stores, with what they were made for.
    pub(crate) plans: Vec<(Request, CleanupPlan)>,
    /// Answers that may come in any order.
    pending: Vec<Event>,
    /// Scans, step by step.
    scans: VecDeque<Event>,
    next_pid: u32,
    next_record: i64,
}

impl World {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let models: Vec<Arc<Model>> = (0..6).map(|number| Arc::new(model(number))).collect();
        let mut world = Self {
            now: Moment { uptime: Duration::ZERO, unix: 1_800_000_000 },
            workers: Vec::new(),
            sensors: Sensors::new(dice),
            models,
            remotes: (0..3).map(|number| Arc::new(remote(number))).collect(),
            calm: false,
            downloads: Vec::new(),
            plans: Vec::new(),
            pending: Vec::new(),
            scans: VecDeque::new(),
            next_pid: 1000,
            next_record: 1,
        };
        world.pending.push(Event::Baselines(Vec::new()));
        world.pending.push(Event::History(HistoryEvent::Votes(Vec::new())));
        world.pending.push(Event::Hub(domain::download::hub::HubEvent::Interrupted(Vec::new())));
        world.pending.push(world.engines(3));
        world.scan();
        world
    }

    /// Settings of a run: what is rare is common here.
    pub(crate) fn settings(dice: &mut Dice) -> Settings {
        let mut settings = Settings::default();
        settings.telemetry.history = Duration::from_mins(5);
        settings.history.keep = dice.permille(850);
        settings.budget.threads = dice.permille(300).then(|| 1 + dice.below(12) as u32);
        settings.budget.memory = dice.permille(200).then_some(Bytes(10_000_000_000));
        settings.energy.tdp_watts = dice.permille(500).then_some(65.0);
        settings.session = SessionSettings { context: 512, ..SessionSettings::default() };
        settings.session.residence.keep_alive = crate::commands::keep_alive(dice);
        settings.budget.min_loaded = Duration::from_secs(dice.below(8));
        settings.budget.max_queued_per_model = 1 + dice.below(12) as u32;
        settings.budget.max_queued = 1 + dice.below(30) as u32;
        settings
    }

    /// Let the clocks go on: mostly a little, seldom a lot; the wall clock is also set.
    pub(crate) fn pass_time(&mut self, dice: &mut Dice) {
        let milliseconds = match dice.below(1000) {
            0..300 => 0,
            300..980 => dice.below(250),
            980..998 => dice.below(3000),
            _ if self.calm => 500,
            _ => dice.below(3_600_000),
        };
        self.now.uptime += Duration::from_millis(milliseconds);
        self.now.unix += (milliseconds / 1000).cast_signed();
        if dice.permille(2) && !self.calm {
            self.now.unix += dice.below(200_000).cast_signed() - 100_000;
        }
    }

    /// Whether nothing more comes by itself but samples.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pending.is_empty()
            && self.scans.is_empty()
            && self.downloads.is_empty()
            && self.workers.iter().all(Worker::is_quiet)
    }

    /// What happens next, if anything does.
    pub(crate) fn next(&mut self, dice: &mut Dice) -> Option<Event> {
        if self.sensors.is_due(self.now) && (self.calm || dice.permille(700)) || dice.permille(5) {
            return Some(self.sample(dice));
        }
        match dice.below(10) {
            0 => self.scans.pop_front(),
            1 | 2 if !self.pending.is_empty() => {
                let place = dice.index(self.pending.len());
                Some(self.pending.swap_remove(place))
            }
            3 => self.download(dice),
            4 if !self.calm && dice.permille(150) => Some(self.engines(dice.index(self.remotes.len() + 1))),
            4 if !self.calm => Some(unasked(dice)),
            _ => self.worker(dice),
        }
    }

    /// A reading of the sensors.
    pub(crate) fn sample(&mut self, dice: &mut Dice) -> Event {
        let pids: Vec<u32> =
            self.workers.iter().filter(|worker| worker.is_running()).map(|worker| worker.pid).collect();
        Event::Sample(Box::new(self.sensors.read(self.now, &pids, self.calm, dice)))
    }

    fn worker(&mut self, dice: &mut Dice) -> Option<Event> {
        if self.workers.is_empty() {
            return None;
        }
        let place = dice.index(self.workers.len());
        let calm = self.calm;
        let worker = &mut self.workers[place];
        // What it writes is read later.
        if dice.permille(600) {
            worker.act(calm, dice);
        }
        if dice.permille(300) {
            return None;
        }
        let event = worker.read().map(|event| Event::Worker(worker.id, event));
        if worker.is_gone() {
            self.workers.swap_remove(place);
        }
        event
    }

    fn download(&mut self, dice: &mut Dice) -> Option<Event> {
        let place = dice.index(self.downloads.len());
        let (id, done) = self.downloads.get_mut(place)?;
        let id = *id;
        *done += 400;
        let event = match dice.below(20) {
            0 => DownloadEvent::Preparing("contacting the Hub".into()),
            1 => DownloadEvent::Waiting("for another program".into()),
            2 if !self.calm => DownloadEvent::Failed(failure()),
            _ if *done >= 2000 => DownloadEvent::Done { path: "/models/new.gguf".into() },
            _ => DownloadEvent::Progress(Bytes(*done)),
        };
        if matches!(event, DownloadEvent::Failed(_) | DownloadEvent::Done { .. }) {
            self.downloads.swap_remove(place);
        }
        Some(Event::Download(id, event))
    }

    fn scan(&mut self) {
        let models = self.models.clone();
        self.scans.push_back(Event::Library(LibraryEvent::Started));
        self.scans.push_back(Event::Library(LibraryEvent::Found(models[..2].to_vec())));
        let finished = LibraryEvent::Finished { models, stores: Vec::new(), took: Duration::from_millis(27) };
        self.scans.push_back(Event::Library(finished));
    }

    /// The engines tell what they have: so many models.
    fn engines(&self, n_models: usize) -> Event {
        let (models, store) = (self.remotes[..n_models].to_vec(), Store::Remote);
        let (place, problems) = ("lab http://127.0.0.1:1".to_owned(), Vec::new());
        let status = StoreStatus { store, engine: None, place, n_models, broken_manifests: 0, problems };
        Event::Library(LibraryEvent::Remotes { models, stores: vec![status] })
    }

    /// Carry out an effect. What nothing follows from is only listed, so that a new one is decided on.
    #[expect(clippy::too_many_lines, reason = "one arm for each effect, and none is long")]
    pub(crate) fn carry_out(&mut self, effect: Effect, dice: &mut Dice) {
        match effect {
            Effect::Spawn { worker, model, job, .. } => {
                self.next_pid += 1;
                let runs = match (&model.remote, job) {
                    (Some(_), _) => Runs::Remote,
                    (None, Some(_)) => Runs::Job,
                    (None, None) => Runs::Here,
                };
                self.workers.push(Worker::new(worker, self.next_pid, runs, dice));
            }
            Effect::Send { worker, request } => {
                if let Some(worker) = self.find(worker) {
                    worker.ask(request, dice);
                }
            }
            Effect::Stop { worker } => {
                if let Some(worker) = self.find(worker) {
                    worker.asked_to_stop = true;
                }
            }
            Effect::TempDir(mut order) => {
                order.file = PathBuf::from("/tmp/distributions");
                let failed = || Event::Failed("no folder can be made".into());
                self.pending.push(if dice.permille(50) { failed() } else { Event::TempDir(order) });
            }
            Effect::Scan => self.scan(),
            Effect::RateOpenness { generation, .. } => {
                self.pending.push(Event::Library(LibraryEvent::Rated { generation, cards: Cards::default() }));
            }
            Effect::Download { id, .. } => self.downloads.push((id, 0)),
            Effect::Pause(id) => self.end_download(id, DownloadEvent::Paused),
            Effect::CancelDownload(id) => self.end_download(id, DownloadEvent::Cancelled),
            Effect::Storage(chore) => self.keep_house(chore, dice),
            Effect::Signal { pid, started, kill } => {
                let result = if dice.permille(800) { Ok(()) } else { Err("not permitted".to_owned()) };
                if result.is_ok() {
                    self.sensors.signal((pid, started));
                }
                self.pending.push(Event::Signalled { pid, started, kill, result });
            }
            Effect::MeasureBandwidth { threads, .. } => {
                let bandwidth =
                    Bandwidth { bytes_per_second: 2e10, threads, unix: self.now.unix, processor: "sim".into() };
                let result = if dice.permille(800) { Ok(bandwidth) } else { Err("no memory".into()) };
                self.pending.push(Event::Bandwidth(result));
            }
            Effect::SaveRecord { ask, .. } => {
                self.next_record += 1;
                let (id, earlier) = (self.next_record, Vec::new());
                let reason = "the disk is full".to_owned();
                let answer = if dice.permille(800) {
                    HistoryEvent::Saved { ask, id, earlier }
                } else {
                    HistoryEvent::NotSaved { ask, reason }
                };
                self.pending.push(Event::History(answer));
            }
            Effect::LoadAnswers { run, order } => {
                let recalled = |model: &Arc<Model>| Recalled { name: model.id.clone(), answers: Vec::new() };
                let result = if dice.permille(900) {
                    Ok(order.models.iter().map(recalled).collect())
                } else {
                    Err("permission denied".to_owned())
                };
                self.pending.push(Event::SuiteLoaded { run, result });
            }
            Effect::SaveAnswer { run, .. } => {
                let error = dice.permille(100).then(|| "the disk is full".to_owned());
                self.pending.push(Event::SuiteSaved { run, error });
            }
            Effect::Reveal(id) => self.pending.push(Event::History(HistoryEvent::Revealed(id))),
            Effect::DeleteRecord(id) => self.pending.push(Event::History(HistoryEvent::Deleted { id, vote: None })),
            Effect::SaveConversation(_) | Effect::NameConversation { .. } | Effect::DeleteConversation(_) => {
                self.pending.push(Event::History(HistoryEvent::ConversationsChanged));
            }
            Effect::Random => self.pending.push(Event::Random(dice.bits())),
            Effect::Reply(_)
            | Effect::Notify(_)
            | Effect::EndQuery { .. }
            | Effect::RemoveTempDir
            | Effect::Watch { .. }
            | Effect::WatchOn { .. }
            | Effect::SaveTry { .. }
            | Effect::Discard(_)
            | Effect::PersistQueue(_)
            | Effect::SaveAliases(_)
            | Effect::SaveBaselines(_)
            | Effect::SaveDraft { .. }
            | Effect::DiscardDraft(_) => {}
        }
    }

    fn find(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    /// A download that was told to end does so, unless its end is on its way already.
    fn end_download(&mut self, id: DownloadId, event: DownloadEvent) {
        let before = self.downloads.len();
        self.downloads.retain(|(known, _)| *known != id);
        if self.downloads.len() < before {
            self.pending.push(Event::Download(id, event));
        }
    }

    fn keep_house(&mut self, chore: CleanupJob, dice: &mut Dice) {
        let news = match chore {
            CleanupJob::DiskUsageReport => StorageEvent::Surveyed(DiskUsageReport::default()),
            CleanupJob::Plan { job, request } => {
                let plan = cleanup_plan(dice);
                self.plans.push((request.clone(), plan.clone()));
                StorageEvent::Planned { job, request, plan }
            }
            CleanupJob::Perform { job, .. } | CleanupJob::Undo { job } => {
                StorageEvent::Ended { job, text: "done".into(), is_error: dice.permille(200) }
            }
        };
        self.pending.push(Event::Library(LibraryEvent::Storage(Box::new(news))));
    }
}

/// A plan of up to three steps.
fn cleanup_plan(dice: &mut Dice) -> CleanupPlan {
    let item = |number: u64| Item {
        what: format!("model {number}"),
        kind: Kind::Model,
        store: Store::Folder,
        root: "/models".into(),
        steps: vec![Step { act: Operation::Move, path: format!("/models/{number}").into(), frees: Bytes(number) }],
        note: None,
    };
    CleanupPlan { items: (0..dice.below(4)).map(item).collect(), ..CleanupPlan::default() }
}

/// What comes without a question.
fn unasked(dice: &mut Dice) -> Event {
    let worker = WorkerId(dice.below(4000));
    match dice.below(13) {
        11 => engine_news(dice),
        0 => Event::Failed("something failed".into()),
        1 => Event::Notice("something was done".into()),
        2 => Event::History(HistoryEvent::Measured(vec![("folder:m0".into(), domain::record::Latest::default())])),
        3 => Event::History(HistoryEvent::Recovered(2)),
        4 => Event::History(HistoryEvent::Record(None)),
        5 => Event::History(HistoryEvent::Saved { ask: dice.below(4000), id: 1, earlier: Vec::new() }),
        6 => Event::Random(dice.bits()),
        7 => Event::Download(DownloadId(dice.below(4000)), DownloadEvent::Progress(Bytes(1))),
        8 => Event::Library(LibraryEvent::Storage(Box::new(StorageEvent::Progress(1, 2)))),
        9 => Event::History(HistoryEvent::Failed("locked".into())),
        10 if worker.0 > 3990 => Event::Worker(worker, domain::event::WorkerEvent::Logged("late".into())),
        _ => Event::Elapsed,
    }
}

/// An engine tells how much it does: its counters fall, it fails, or it has none.
fn engine_news(dice: &mut Dice) -> Event {
    let engine = format!("engine{}", dice.below(100));
    let reading = EngineReading {
        n_running: dice.permille(800).then(|| dice.below(9) as u32),
        n_generated: dice.permille(800).then(|| dice.below(1000) as f64),
        is_asleep: dice.permille(100),
        ..EngineReading::default()
    };
    let answer = match dice.below(5) {
        0 => Err(EngineSilence::Failed { reason: "no answer in time".into() }),
        1 => Err(EngineSilence::NotReported { reason: "it has no counters".into(), remedy: None }),
        _ => Ok(reading),
    };
    let after = dice.permille(900).then(|| Duration::from_millis(dice.below(5000)));
    Event::Library(LibraryEvent::Engine(Box::new(EngineNews { engine, kind: EngineKind::Vllm, after, answer })))
}

fn failure() -> Failure {
    Failure { reason: "the network is gone".into(), hint: None, kind: FailureKind::Failed }
}

/// A model of an engine elsewhere: one with a price, one whose machine's power is known, one of which nothing is.
fn remote(number: u64) -> Model {
    let name = format!("r{number}");
    let remote = Remote {
        engine: "lab".into(),
        url: "http://127.0.0.1:1".into(),
        kind: EngineKind::Vllm,
        model: name.clone(),
        price: if number == 0 { Price { input: Some(1.0), output: Some(2.0) } } else { Price::default() },
        watts: (number == 1).then_some(300.0),
        ..Remote::default()
    };
    let id = Model::remote_id("lab", &name);
    Model { id, store: Store::Remote, remote: Some(Box::new(remote)), ..domain::testing::model(&name) }
}

/// Models of different sizes; one that a check refuses, one of another format's making.
fn model(number: u64) -> Model {
    let name = format!("m{number}");
    let path = PathBuf::from(format!("/models/{name}.gguf"));
    let size = Bytes(500_000_000 * (1 + 2 * number));
    let file = ModelFile { path, size, modified: 0, digest: None };
    let summary = (number == 0).then(|| {
        let file = gguf::testing::Builder::tiny_llama().build();
        gguf::Header::read(file.as_slice()).map(|header| header.summary()).ok()
    });
    let status = if number == 4 { Status::Damaged("a tensor is cut off".into()) } else { Status::Runnable };
    let store = if number == 5 { Store::Ollama } else { Store::Folder };
    Model { files: vec![file], size, status, store, summary: summary.flatten(), ..domain::testing::model(&name) }
}
