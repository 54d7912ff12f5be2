//! A machine and its models for the tests of loading on demand.

use super::*;

/// A machine with 10 GB that are free, 1 GB of it in reserve, and models of 2, 4, 5, 6 and 20 GB. Its sensors are read by
/// hand, and its workers load when they are told to.
pub(super) struct Bed {
    pub(super) machine: StateMachine,
    pub(super) now: Duration,
    /// Workers whose processes run, with their model's name.
    pub(super) workers: Vec<(WorkerId, String)>,
    /// What was answered and done by the last event.
    pub(super) effects: Vec<Effect>,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let machine = StateMachine::new(settings);
        let mut bed = Self { machine, now: Duration::ZERO, workers: Vec::new(), effects: Vec::new() };
        let models = [("tiny", 2), ("small", 4), ("middle", 5), ("large", 6), ("huge", 20)];
        bed.machine.library.models = models.map(|(name, size)| model(name, size)).into();
        bed.machine.library.took = Some(Duration::ZERO);
        bed.sample();
        bed
    }

    pub(super) fn event(&mut self, event: Event) {
        let now = Moment { uptime: self.now, unix: self.now.as_secs().cast_signed() };
        self.effects = self.machine.update(now, event);
        for effect in &self.effects {
            match effect {
                Effect::Spawn { worker, model, .. } => self.workers.push((*worker, model.name.clone())),
                Effect::Stop { worker } => self.workers.retain(|(known, _)| known != worker),
                _ => {}
            }
        }
    }

    pub(super) fn give(&mut self, what: What) -> Result<Value, Refused> {
        self.event(Event::Command(Command { id: CommandId(1), what }));
        let reply = self.effects.iter().find_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply.result.clone()),
            _ => None,
        });
        reply.unwrap()
    }

    /// A reading of the sensors: what workers hold is weights that are mapped, which the system counts as available.
    pub(super) fn sample(&mut self) {
        let sample = Sample {
            cores: vec![Core { usage: None, mhz: None }; 4],
            memory: Some(Memory { total: Bytes(16 * GB), available: Bytes(10 * GB), ..Memory::default() }),
            processes: self.machine.sessions.iter().filter_map(|session| session.pid).map(process).collect(),
            ..Sample::default()
        };
        self.event(Event::Sample(Box::new(sample)));
    }

    /// So many seconds pass, with a reading at the end.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.sample();
    }

    pub(super) fn ask_as(&mut self, model: &str, change: impl FnOnce(&mut Ask)) -> Result<RequestId, Refused> {
        let asker = Asker { name: "local".into(), agent: String::new(), api: Api::OpenAi };
        let generation = Generation::new(wire::Prompt::Raw("why?".into()));
        let (model, priority) = (format!("folder:{model}"), Priority::Interactive);
        let mut ask = Ask { model, settings: None, generation, asker, priority, keep_alive: None };
        change(&mut ask);
        self.give(What::Ask(Box::new(ask))).map(|value| match value {
            Value::Request(id) => id,
            value => panic!("{value:?}"),
        })
    }

    pub(super) fn ask(&mut self, model: &str) -> RequestId {
        self.ask_as(model, |_| {}).unwrap()
    }

    pub(super) fn says(&mut self, worker: WorkerId, message: Message) {
        self.event(Event::Worker(worker, WorkerEvent::Message(message)));
    }

    /// The worker of a model that was started last.
    pub(super) fn worker(&self, model: &str) -> WorkerId {
        self.workers.iter().rev().find(|(_, name)| name == model).unwrap().0
    }

    pub(super) fn load(&mut self, model: &str) {
        let worker = self.worker(model);
        self.event(Event::Worker(worker, WorkerEvent::Spawned { pid: worker.0 as u32 }));
        self.says(worker, Message::Loaded(Box::new(loaded(1))));
    }

    /// A request is answered.
    pub(super) fn answer(&mut self, id: RequestId) {
        let worker = self.holder(id).worker;
        let counters = Counters { n_prompt: 10, n_generated: 1, ..Counters::default() };
        let pieces = vec![Piece { channel: Channel::Answer, text: "so".into() }];
        self.says(worker, Message::Text { id: id.0, pieces, tool_calls: Vec::new(), counters, tokens: Vec::new() });
        self.says(worker, Message::Finished { id: id.0, finish: Finish::Stop, counters });
    }

    pub(super) fn exits(&mut self, worker: WorkerId, expected: bool) {
        self.workers.retain(|(known, _)| *known != worker);
        let reason = if expected { "stopped" } else { "killed by signal 9" }.to_owned();
        self.event(Event::Worker(worker, WorkerEvent::Exited { reason, expected, hint: None }));
    }

    pub(super) fn start(&mut self, model: &str) -> Result<SessionId, Refused> {
        let settings = Box::new(self.machine.settings.session);
        let started = What::StartSession { model: format!("folder:{model}"), settings, force: Force::No };
        self.give(started).map(|value| match value {
            Value::Session(id) => id,
            value => panic!("{value:?}"),
        })
    }

    /// A model is asked, loaded and has answered.
    pub(super) fn used(&mut self, model: &str) {
        let request = self.ask(model);
        self.load(model);
        self.answer(request);
    }

    pub(super) fn holder(&self, id: RequestId) -> &Session {
        self.machine.sessions.iter().find(|session| session.request(id).is_some()).unwrap()
    }

    pub(super) fn request(&self, id: RequestId) -> &Request {
        self.holder(id).request(id).unwrap()
    }

    pub(super) fn plan(&self, name: &str) -> LoadPlan {
        let model = self.machine.library.models.iter().find(|model| model.name == name).unwrap();
        plan_load(&self.machine, model, SessionSettings::default())
    }

    /// The sessions as `name phase`, in order.
    pub(super) fn sessions(&self) -> Vec<String> {
        let word = |session: &Session| match &session.phase {
            Phase::Queued => "queued",
            Phase::Loading { .. } => "loading",
            Phase::Ready => "ready",
            Phase::Stopping => "stopping",
            Phase::Failed { .. } => "failed",
        };
        self.machine.sessions.iter().map(|session| format!("{} {}", session.name, word(session))).collect()
    }
}
