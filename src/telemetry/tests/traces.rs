//! Attribution compared with the truth: a simulated machine whose energy is known is read like a real one, and the
//! energy charged to answers is compared with what they used.
//!
//! The machine has eight cores of 8 W each above an idle power of 12 W, plus 3 W while a model is loaded; and a card of
//! 20 W, plus 10 W while loaded and 100 W more while it computes. Other processes' cores use a seventh more.

mod cases;

use std::collections::BTreeMap;

use wire::{Channel, Counters, Event as Said, Finish, Ledger, Loaded, Piece, Request};

use super::*;
use cases::{alone, answer, cases};
use domain::command::{Command, CommandId, Force, What};
use domain::energy::{EnergyTotals, Report, per_session};
use domain::event::{LibraryEvent, WorkerEvent};
use domain::figure::{Grade, Uncertain};
use domain::model::{Format, Model, Status, Store};
use domain::request::Figures;
use domain::session::WorkerId;
use domain::settings::{Energy, Settings};
use domain::units::Bytes;
use domain::{Effect, Event, StateMachine};

use Grade::{Apportioned, Measured};

/// Milliseconds of a step of the simulation.
const STEP: u64 = 10;
const CORES: usize = 8;
const CORE: f64 = 8.0;
const STRANGE_CORE: f64 = 9.2;
const IDLE: f64 = 12.0;
const LOADED: f64 = 3.0;
const CARD_IDLE: f64 = 20.0;
const CARD_LOADED: f64 = 10.0;
const CARD: f64 = 100.0;
const COUNTER: &str = "sys/class/powercap/intel-rapl:0/energy_uj";
const RANGE: &str = "sys/class/powercap/intel-rapl:0/max_energy_range_uj";
const ADDRESS: &str = "0000:01:00.0";

/// An answer: its session, time and number of cores.
#[derive(Clone, Copy)]
struct Answer {
    session: usize,
    /// Milliseconds.
    from: u64,
    prompt: u64,
    decode: u64,
    cores: f64,
}

/// Other processes' work: start and end in milliseconds, cores, share of the card.
type Foreign = (u64, u64, f64, f64);

/// A fault, injected before the tick at this second is read.
type Fault = (u64, fn(&mut Machine));

struct Case {
    name: &'static str,
    has_card: bool,
    answers: Vec<Answer>,
    foreign: Vec<Foreign>,
    faults: Vec<Fault>,
    grade: Grade,
}

#[derive(Clone, Copy, Default, Debug)]
struct Truth {
    prompt: f64,
    generation: f64,
}

struct Machine {
    tree: Tree,
    fake: Fake,
    sampler: Sampler,
    state: StateMachine,
    /// Elapsed milliseconds.
    now: u64,
    /// The deviation of the clock.
    skew: i64,
    joules: f64,
    card_joules: f64,
    /// Microjoules that the counter lags behind the energy used.
    offset: u64,
    frozen: bool,
    range: u64,
    busy: f64,
    ticks: BTreeMap<u32, f64>,
    workers: Vec<WorkerId>,
    dead: Vec<u32>,
    measured: f64,
}

fn pid(session: usize) -> u32 {
    5000 + session as u32
}

fn model(name: &str) -> Arc<Model> {
    Arc::new(Model {
        id: name.into(),
        name: name.into(),
        store: Store::Folder,
        repository: None,
        files: Vec::new(),
        size: Bytes(1000),
        status: Status::Runnable,
        used: None,
        summary: None,
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    })
}

impl Machine {
    fn new(has_card: bool) -> Self {
        let (tree, fake) = (Tree::workstation(), Fake::default());
        for part in ["sys/class/power_supply", "sys/class/powercap/intel-rapl:0:", "sys/class/powercap/intel-rapl:1"] {
            tree.remove(part);
        }
        tree.remove("sys/class/powercap/intel-rapl-mmio");
        if has_card {
            tree.remove("sys/class/powercap");
            fake.0.lock().unwrap().open = Ok(());
        }
        let sampler = with(&tree, fake.clone(), Counted::default());
        let range = 2_000_000_000;
        let mut state = StateMachine::new(Settings::default());
        state.update(at(0), Event::Library(LibraryEvent::Found(vec![model("a"), model("b")])));
        Self {
            tree,
            fake,
            sampler,
            state,
            now: 0,
            skew: 0,
            joules: 1000.0,
            card_joules: 1000.0,
            offset: 0,
            frozen: false,
            range,
            busy: 0.0,
            ticks: BTreeMap::new(),
            workers: Vec::new(),
            dead: Vec::new(),
            measured: 0.0,
        }
    }

    fn clock(&self) -> Moment {
        at(self.now.saturating_add_signed(self.skew))
    }

    fn happens(&mut self, event: Event) -> Vec<Effect> {
        let now = self.clock();
        self.state.update(now, event)
    }

    fn said(&mut self, session: usize, said: Said) {
        let worker = self.workers[session];
        self.happens(Event::Worker(worker, WorkerEvent::Message(said)));
    }

    /// Read the machine in its current state.
    fn tick(&mut self) {
        if !self.frozen {
            let shown = (self.joules * 1e6) as u64 - self.offset;
            if self.tree.number(COUNTER).is_ok() {
                self.tree.set(COUNTER, shown % self.range);
            }
            let mut answers = self.fake.0.lock().unwrap();
            if let Some(Ok(card)) = answers.cards.get_mut(ADDRESS) {
                card.energy = Some((self.card_joules * 1e3) as u64);
            }
        }
        let busy = self.busy.round() as u64;
        let core = (0..CORES).map(|core| format!("cpu{core} {} 0 0 0 0 0 0 0 0 0\n", busy / CORES as u64));
        self.tree.set(
            "proc/stat",
            format!("cpu  {busy} 0 0 {} 0 0 0 0 0 0\n{}", self.now / 10 * 8, core.collect::<String>()),
        );
        for (pid, ticks) in &self.ticks {
            if !self.dead.contains(pid) {
                self.tree.process(*pid, ticks.round() as u64, 90_000);
            }
        }
        let pids: Vec<_> = self.ticks.keys().copied().collect();
        let sample = self.sampler.sample(self.clock(), &pids);
        let energy = |power: &domain::machine::Power| power.energy.filter(|_| power.adds).map(|joules| joules.0);
        if sample.elapsed > Duration::ZERO {
            self.measured += sample.power.iter().filter_map(energy).sum::<f64>();
        }
        self.happens(Event::Sample(Box::new(sample)));
    }

    fn start(&mut self, name: &str) {
        let what = What::StartSession { model: name.into(), settings: Box::default(), force: Force::All };
        self.happens(Event::Command(Command { id: CommandId(1), what }));
        let worker = self.state.sessions.last().unwrap().worker;
        let session = self.workers.len();
        self.workers.push(worker);
        self.ticks.insert(pid(session), 0.0);
        self.tree.process(pid(session), 0, 90_000);
        self.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: pid(session) }));
        let (sampling, ledger) = (wire::Sampling::default(), Ledger::default());
        let loaded = Loaded {
            n_ctx: 512,
            n_ctx_train: 512,
            n_gpu_layers: 0,
            n_layers: 1,
            ledger,
            has_template: true,
            embeds_only: false,
            sampling,
            load_us: 1,
            load_cpu_us: None,
        };
        self.said(session, Said::Loaded(Box::new(loaded)));
    }
}

/// A token in 20 ms.
const TOKEN: u64 = 20;

/// Play a case: 35 s empty, 35 s loaded, then the case itself, whose time starts there.
fn play(case: &Case) -> (Machine, Vec<Truth>, Vec<u64>) {
    let mut machine = Machine::new(case.has_card);
    let begin = 75_000;
    let n_sessions = case.answers.iter().map(|answer| answer.session + 1).max().unwrap_or(0);
    let last = case.answers.iter().map(|answer| answer.from + answer.prompt + answer.decode).max().unwrap_or(0);
    let mut truths = vec![Truth::default(); case.answers.len()];
    let mut generations = vec![0; case.answers.len()];
    if case.has_card {
        let card = Reading { name: "card".into(), memory: Some((24 << 30, 1 << 30)), ..Reading::default() };
        machine.fake.0.lock().unwrap().cards.insert(ADDRESS.to_owned(), Ok(card));
    } else {
        machine.tree.set(RANGE, machine.range);
    }
    machine.tick();
    for step in 0..(begin + last + 5000) / STEP {
        let now = step * STEP;
        if now == 35_000 {
            for name in ["a", "b"].iter().take(n_sessions) {
                machine.start(name);
            }
            if case.has_card
                && let Some(Ok(card)) = machine.fake.0.lock().unwrap().cards.get_mut(ADDRESS)
            {
                card.processes = (0..n_sessions).map(|session| (pid(session), 1 << 30)).collect();
            }
        }
        let since = now.checked_sub(begin);
        if let Some(since) = since {
            tell(&mut machine, case, since, &mut generations);
        }
        work(&mut machine, case, now >= 35_000, since, &mut truths);
        machine.now = now + STEP;
        if machine.now.is_multiple_of(1000) {
            if let Some(second) = machine.now.checked_sub(begin).map(|since| since / 1000) {
                for (_, fault) in case.faults.iter().filter(|(when, _)| *when == second) {
                    fault(&mut machine);
                }
            }
            machine.tick();
        }
    }
    (machine, truths, generations)
}

/// The workers' messages at this time of the case.
fn tell(machine: &mut Machine, case: &Case, since: u64, generations: &mut [u64]) {
    for (index, answer) in case.answers.iter().enumerate() {
        let (first, end) = (answer.from + answer.prompt, answer.from + answer.prompt + answer.decode);
        if machine.dead.contains(&pid(answer.session)) {
            continue;
        }
        if since == answer.from {
            let session = machine.state.sessions[answer.session].id;
            let what = What::SendPrompt { session, text: "a".to_owned() };
            let effects = machine.happens(Event::Command(Command { id: CommandId(1), what }));
            let id = effects.iter().find_map(|effect| match effect {
                Effect::Send { request: Request::Generate(generate), .. } => Some(generate.id),
                _ => None,
            });
            generations[index] = id.expect("a generation");
        } else if since >= first && since <= end && (since - first).is_multiple_of(100) {
            let done = since - first;
            let counters = Counters {
                n_prompt: 200,
                prompt_us: answer.prompt * 1000,
                n_generated: (done / TOKEN) as u32 + 1,
                decode_us: (answer.prompt + done) * 1000,
                generation_us: done * 1000,
                ..Counters::default()
            };
            let id = generations[index];
            if since == end {
                machine.said(answer.session, Said::Finished { id, finish: Finish::Stop, counters });
            } else {
                let piece = Piece { channel: Channel::Answer, text: "a ".into() };
                machine.said(
                    answer.session,
                    Said::Text { id, pieces: vec![piece], tool_calls: Vec::new(), counters, tokens: Vec::new() },
                );
            }
        }
    }
}

/// The energy used in a step, and by which process.
fn work(machine: &mut Machine, case: &Case, is_loaded: bool, since: Option<u64>, truths: &mut [Truth]) {
    let within = |from: u64, to: u64| since.is_some_and(|since| (from..to).contains(&since));
    // The energy used in this step.
    let dt = STEP as f64 / 1000.0;
    let works = |answer: &Answer| {
        within(answer.from, answer.from + answer.prompt + answer.decode) && !machine.dead.contains(&pid(answer.session))
    };
    let active: Vec<_> = (0..case.answers.len()).filter(|index| works(&case.answers[*index])).collect();
    let foreign = case.foreign.iter().filter(|(from, to, ..)| within(*from, *to));
    let (strange, strange_card) = foreign.fold((0.0, 0.0), |sum, (.., cores, card)| (sum.0 + cores, sum.1 + card));
    let cores: f64 = active.iter().map(|index| case.answers[*index].cores).sum();
    let idle = IDLE + if is_loaded { LOADED } else { 0.0 };
    machine.joules += (idle + cores * CORE + strange * STRANGE_CORE) * dt;
    let card_idle = CARD_IDLE + if is_loaded { CARD_LOADED } else { 0.0 };
    let card = (active.len() as f64).min(1.0) + strange_card;
    machine.card_joules += (card_idle + card * CARD) * dt;
    machine.busy += (cores + strange) * dt * 100.0;
    for index in &active {
        let answer = &case.answers[*index];
        *machine.ticks.entry(pid(answer.session)).or_default() += answer.cores * dt * 100.0;
        let used = if case.has_card {
            let own = card.min(1.0) / active.len() as f64;
            (own * CARD + card_idle * own / card) * dt
        } else {
            (answer.cores * CORE + idle * answer.cores / (cores + strange)) * dt
        };
        let truth = &mut truths[index.to_owned()];
        if within(answer.from, answer.from + answer.prompt) {
            truth.prompt += used;
        } else {
            truth.generation += used;
        }
    }
    if case.has_card
        && let Some(Ok(reading)) = machine.fake.0.lock().unwrap().cards.get_mut(ADDRESS)
    {
        reading.usage = Some((card * 100.0).min(100.0) as u32);
        reading.processes.retain(|(pid, _)| *pid >= 5000);
        reading.shares =
            active.iter().map(|index| (pid(case.answers[*index].session), 100 / active.len() as u32)).collect();
        if strange_card > 0.0 {
            reading.processes.push((900, 2 << 30));
            reading.shares.push((900, (strange_card * 100.0) as u32));
        }
    }
}

fn figures(machine: &Machine, generation: u64) -> &Figures {
    let turns = machine.state.sessions.iter().flat_map(|session| &session.turns);
    let mut figures = turns.filter_map(|turn| turn.figures.as_ref());
    figures.find(|figures| figures.request.0 == generation).expect("the answer ended")
}

fn report(machine: &Machine, generation: u64) -> Report {
    Report::of_answer(figures(machine, generation), &Energy::default())
}

#[track_caller]
fn conserved(name: &str, machine: &Machine) {
    let EnergyTotals { sessions, foreign, standby, idle, .. } = machine.state.attribution.total;
    let measured = machine.state.attribution.total.measured();
    assert!(
        (measured - machine.measured).abs() < 1e-6 * machine.measured,
        "{name}: {measured} J of {}",
        machine.measured
    );
    assert!([sessions, foreign, standby, idle].iter().all(|joules| *joules >= 0.0), "{name}");
}

/// Errors below 2 % if measured, below 10 % if apportioned.
#[test]
fn answers_are_charged_what_they_used() {
    let mut errors = Vec::new();
    for case in cases() {
        let (machine, truths, generations) = play(&case);
        conserved(case.name, &machine);
        for (truth, generation) in truths.iter().zip(generations) {
            let report = report(&machine, generation);
            let tokens = f64::from(figures(&machine, generation).counters.n_generated);
            let Figure::Known { value: Uncertain { value, .. }, grade, .. } = &report.per_token else {
                panic!("{}: {:?}", case.name, report.per_token)
            };
            let error = value * tokens / truth.generation - 1.0;
            let allowed = if *grade == Grade::Measured { 0.02 } else { 0.10 };
            errors.push(format!("{:34} {:11} {:+.2}%", case.name, grade.word(), error * 100.0));
            assert!(error.abs() < allowed, "{}: {value} J/tok is off by {error}, {errors:#?}", case.name);
            assert_eq!(*grade, case.grade, "{}", case.name);
            let whole = report.energy.value().expect("known").value / (truth.prompt + truth.generation) - 1.0;
            assert!(whole.abs() < allowed, "{}: the answer is off by {whole}", case.name);
        }
    }
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn what_was_metered_too_little_is_unknown() {
    let faults: Vec<Fault> = vec![(6, |m| m.tree.remove("sys/class/powercap"))];
    let case = Case { name: "", has_card: false, answers: alone(), foreign: vec![], faults, grade: Grade::Measured };
    let (machine, _, generations) = play(&case);
    let Figure::Unknown { reason, .. } = report(&machine, generations[0]).per_token else { panic!("it is known") };
    assert_eq!(reason, "only 1.1 s of 20.0 s were metered");
}

#[test]
fn answers_shorter_than_ten_updates_are_pooled() {
    let answers = vec![answer(0, 2300, 500, 20_000, 4.0), answer(0, 25_000, 300, 400, 4.0)];
    let case = Case { name: "", has_card: true, answers, foreign: vec![], faults: vec![], grade: Grade::Measured };
    let (machine, truths, generations) = play(&case);
    let short = report(&machine, generations[1]);
    let Figure::Unknown { reason, remedy } = short.per_token else { panic!("it is known") };
    assert_eq!(reason, "too short to be metered: 400 ms, where the sensor needs 1.0 s");
    assert!(remedy.unwrap().contains("longer answer"));
    // The prompts are too short individually, and also together.
    assert_eq!(short.per_prompt_token.value(), None);
    let session = &machine.state.sessions[0];
    let pooled = session.per_token(&Energy::default());
    let Figure::Known { value, source, .. } = pooled else { panic!("{pooled:?}") };
    assert!(source.ends_with("all answers together"), "{source}");
    let truth: f64 = truths.iter().map(|truth| truth.generation).sum();
    assert!((value.value * session.n_generated as f64 / truth - 1.0).abs() < 0.02);
    assert_eq!(per_session(session, &Energy::default()).per_token.plain().value(), Some(&value.value));
}

/// The power of a loaded model above that of an empty machine while nothing decodes; it is not part of joules per
/// token.
#[test]
fn standby_is_what_loaded_idle_needs_above_empty_idle() {
    for (has_card, watts) in [(false, LOADED), (true, CARD_LOADED)] {
        let case =
            Case { name: "", has_card, answers: alone(), foreign: vec![], faults: vec![], grade: Grade::Measured };
        let (machine, ..) = play(&case);
        let attribution = &machine.state.attribution;
        // Loaded idle power is known from 65 s on, 30 s after loading. The answer runs from 77.3 s to 98.8 s of 103.8
        // s.
        let expected = watts * (103.0 - 65.0 - 21.5);
        let standby = attribution.total.standby;
        assert!((standby / expected - 1.0).abs() < 0.1, "{standby} J, not {expected}");
        assert!((machine.state.sessions[0].standby.0 - standby).abs() < 1e-6);
        assert!((attribution.standby["a"].0 - standby).abs() < 1e-6);
    }
}

/// Other processes' energy is reported per process, so that each can have a row.
#[test]
fn strangers_have_shares() {
    let foreign = vec![(0, 60_000, 2.0, 0.5)];
    let case = Case { name: "", has_card: true, answers: alone(), foreign, faults: vec![], grade: Grade::Measured };
    let (machine, ..) = play(&case);
    let process = domain::machine::Process { pid: 900, ..Default::default() };
    let power = machine.state.attribution.foreign_power(&process);
    // Half of the card's power, while its idle power is attributed to the machine.
    assert!((power.value().expect("known").0 - 50.0).abs() < 1.0, "{power:?}");
    assert_eq!(power.grade(), Some(Grade::Apportioned));
}
