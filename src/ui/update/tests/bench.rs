//! The course of a bench, driven by events.

use std::time::Duration;

use wire::{Device, DeviceKind, Event as Said, Hello, Measured as Times, Request};

use super::Program;
use crate::ui::Action;
use crate::ui::Screen;
use domain::admission::{MemoryEstimate, free_memory};
use domain::command::What;
use domain::event::{HistoryEvent, WorkerEvent};
use domain::lab::bench::{Disturbance, EntryPhase, Phase, Plan, document};
use domain::lab::statistics::Change;
use domain::machine::{Core, Process, Sample, Temperature};
use domain::model::{Model, Status};
use domain::record::Measured;
use domain::session::WorkerId;
use domain::settings::WaitPolicy;
use domain::units::{Bytes, Celsius, Ratio};
use domain::{Effect, Event};

/// A sample that says how many cores other programs take.
fn sample(program: &Program, others: f64, throttled: u64) -> Event {
    let process = |pid, cores| Process { pid, cores, cpu_share: Some(Ratio(0.5)), ..Process::default() };
    let mut sample =
        Sample { elapsed: Duration::from_secs(2), cpu: Some(Ratio((1.0 + others) / 4.0)), ..Sample::default() };
    sample.at = program.state.domain.now;
    sample.at.uptime += Duration::from_secs(1);
    sample.cores = vec![Core { usage: None, mhz: Some(3000) }; 4];
    sample.limits.n_throttled = Some(throttled);
    sample.processes =
        program.state.domain.sessions.iter().filter_map(|session| session.pid).map(|pid| process(pid, 1.0)).collect();
    sample.memory =
        Some(domain::machine::Memory { available: domain::units::Bytes(64_000_000_000), ..Default::default() });
    Event::Sample(Box::new(sample))
}

fn plan(models: &[&str], repetitions: u32) -> Plan {
    let models = models.iter().map(|model| (*model).to_owned()).collect();
    Plan { models, repetitions, n_prompt: vec![], ..Plan::default() }
}

/// Start, and have all workers load that are spawned.
fn start(program: &mut Program, plan: Plan) -> Vec<WorkerId> {
    let event = sample(program, 0.0, 0);
    program.happens(event);
    let effects = program.command(What::StartBench(Box::new(plan)));
    load(program, &effects)
}

fn load(program: &mut Program, effects: &[Effect]) -> Vec<WorkerId> {
    let spawned: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Spawn { worker, .. } => Some(*worker),
            _ => None,
        })
        .collect();
    for worker in &spawned {
        program.happens(Event::Worker(*worker, WorkerEvent::Spawned { pid: 100 + worker.0 as u32 }));
        let hello = Hello { version: wire::VERSION, pid: 1, engine: "engine 1".to_owned(), devices: Vec::new() };
        program.happens(Event::Worker(*worker, WorkerEvent::Message(Said::Hello(hello))));
        program.happens(Event::Worker(*worker, WorkerEvent::Message(super::loaded())));
    }
    spawned
}

fn asked(effects: &[Effect]) -> Option<(WorkerId, u64)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { worker, request: Request::Measure(measure) } => Some((*worker, measure.id)),
        _ => None,
    })
}

/// Answer each measurement at so many microseconds a step until the bench asks for no more; gives who was asked, and the
/// effects of the end.
fn measure(
    program: &mut Program,
    mut step: impl FnMut(usize) -> u32,
    mut others: impl FnMut(usize) -> f64,
) -> (Vec<WorkerId>, Vec<Effect>) {
    let mut order = Vec::new();
    loop {
        let event = sample(program, others(order.len().saturating_sub(1)), 0);
        let effects = program.happens(event);
        let Some((worker, id)) = asked(&effects) else { return (order, effects) };
        let times =
            Times { id, is_whole: true, prompt_us: 0, step_us: vec![step(order.len()); 128], ..Times::default() };
        order.push(worker);
        program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Measured(times))));
    }
}

#[test]
fn models_take_turns_and_the_result_is_kept() {
    let mut program = Program::new();
    let workers = start(&mut program, plan(&["alpha", "beta"], 3));
    assert_eq!(workers.len(), 2);
    let (order, effects) = measure(&mut program, |n| 1000 + n as u32, |_| 0.0);
    let turns = [workers[0], workers[1]];
    assert_eq!(order, [turns, turns, turns].concat());
    let record = effects.iter().find_map(|effect| match effect {
        Effect::SaveRecord { ask, record, .. } => Some((*ask, record)),
        _ => None,
    });
    let (ask, record) = record.expect("a record");
    assert_eq!(record.figures.len(), 2);
    assert!(record.figures[0].series.build.ends_with("engine 1"));
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Stop { .. })).count(), 2);
    assert_eq!(program.state.domain.bench.phase, Phase::Comparing);
    // Twice as fast before: slower now, and that is said.
    let before = Measured { rate: Some(2000.0), spread: Some(1.0), n: 3, ..Measured::default() };
    // Another record that is kept meanwhile is not the bench's.
    let other = vec![vec![(0, Measured { rate: Some(1.0), ..before.clone() })], vec![]];
    program.happens(Event::History(HistoryEvent::Saved { ask: ask - 1, id: 1, earlier: other }));
    assert_eq!(program.state.domain.bench.phase, Phase::Comparing);
    program.happens(Event::History(HistoryEvent::Saved { ask, id: 2, earlier: vec![vec![(0, before)], vec![]] }));
    let bench = &program.state.domain.bench;
    assert_eq!(bench.phase, Phase::Done);
    assert!(matches!(bench.rows[0].change(), Change::Slower(_)), "{:?}", bench.rows[0].change());
    assert_eq!(bench.rows[1].change(), Change::None);
    assert!(program.state.domain.library.measured.contains_key("alpha"));
}

#[test]
fn spoiled_repetitions_are_refused_counted_and_not_tried_for_ever() {
    let mut program = Program::new();
    start(&mut program, plan(&["alpha"], 2));
    // The first two are spoiled by another program.
    let (order, _) = measure(&mut program, |_| 1000, |n| if n < 2 { 2.0 } else { 0.0 });
    assert_eq!(order.len(), 4);
    let row = &program.state.domain.bench.rows[0];
    assert_eq!((row.repetitions.len(), row.tries), (2, 4));
    assert!(matches!(row.disturbed[..], [Disturbance::Busy(_), Disturbance::Busy(_)]));

    let mut program = Program::new();
    start(&mut program, plan(&["alpha"], 2));
    let (order, effects) = measure(&mut program, |_| 1000, |_| 2.0);
    assert_eq!(order.len(), 6);
    assert_eq!(program.state.domain.bench.phase, Phase::Done);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::SaveRecord { .. })), "nothing to keep");

    let mut program = Program::new();
    start(&mut program, Plan { keep_disturbed: true, ..plan(&["alpha"], 2) });
    assert_eq!(measure(&mut program, |_| 1000, |_| 2.0).0.len(), 2);
    assert_eq!(program.state.domain.bench.rows[0].disturbed.len(), 2);
}

#[test]
fn what_is_disturbed_is_set_aside_and_counts_on_demand() {
    let mut program = Program::new();
    start(&mut program, plan(&["alpha"], 2));
    measure(&mut program, |_| 1000, |_| 2.0);
    let row = &program.state.domain.bench.rows[0];
    assert_eq!((row.rate(), row.repetitions.len(), row.aside.len()), (None, 0, 6));
    assert!((row.disturbed_rate().unwrap().mean - 1000.0).abs() < 1.0);
    assert_eq!(document(&program.state.domain.bench).rows[0].tokens_per_second, None);
    // The record is kept once they count.
    let effects = program.act(Action::KeepDisturbed);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::SaveRecord { .. })), "{effects:?}");
    let row = &program.state.domain.bench.rows[0];
    assert_eq!((row.repetitions.len(), row.aside.len(), row.disturbed.len()), (6, 0, 6));
    assert!((row.rate().unwrap().mean - 1000.0).abs() < 1.0);
    assert!(program.act(Action::KeepDisturbed).is_empty(), "there is nothing more to count");
}

#[test]
fn heat_taints() {
    let mut program = Program::new();
    start(&mut program, plan(&["alpha"], 1));
    let event = sample(&program, 0.0, 0);
    let (worker, id) = asked(&program.happens(event)).unwrap();
    let times = Times { id, is_whole: true, prompt_us: 0, step_us: vec![1000; 128], ..Times::default() };
    program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Measured(times))));
    let event = sample(&program, 0.0, 1);
    program.happens(event);
    assert_eq!(program.state.domain.bench.rows[0].disturbed, [Disturbance::Throttled]);
}

#[test]
fn a_worker_that_dies_ends_its_rows_alone() {
    let mut program = Program::new();
    let workers = start(&mut program, plan(&["alpha", "beta"], 2));
    let exited = WorkerEvent::Exited { reason: "killed by signal 9".to_owned(), expected: false, hint: None };
    // The other one goes on at once.
    let effects = program.happens(Event::Worker(workers[0], exited));
    let (worker, id) = asked(&effects).unwrap();
    assert_eq!(worker, workers[1]);
    let times = Times { id, is_whole: true, prompt_us: 0, step_us: vec![1000; 128], ..Times::default() };
    program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Measured(times))));
    let (order, _) = measure(&mut program, |_| 1000, |_| 0.0);
    assert!(order.iter().all(|worker| *worker == workers[1]));
    let bench = &program.state.domain.bench;
    assert_eq!(bench.rows[0].failed.as_deref(), Some("killed by signal 9"));
    assert_eq!(bench.rows[1].repetitions.len(), 2);
    assert!(matches!(bench.entries[0].phase, EntryPhase::Failed(_)));
}

#[test]
fn spinning_threads_are_never_together() {
    let mut program = Program::new();
    program.state.domain.settings.bench.wait_policy = WaitPolicy::Active;
    let first = start(&mut program, plan(&["alpha", "beta"], 1));
    assert_eq!(first.len(), 1);
    let (order, effects) = measure(&mut program, |_| 1000, |_| 0.0);
    assert_eq!(order, first);
    assert!(effects.contains(&Effect::Stop { worker: first[0] }));
    // The next begins once the one before has left.
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })), "{effects:?}");
    let exited = WorkerEvent::Exited { reason: "stopped".to_owned(), expected: true, hint: None };
    let effects = program.happens(Event::Worker(first[0], exited));
    let second = load(&mut program, &effects);
    assert_eq!(second.len(), 1);
    assert_eq!(measure(&mut program, |_| 1000, |_| 0.0).0, second);
}

#[test]
fn escape_ends_it_and_nothing_is_kept() {
    let mut program = Program::new();
    let workers = start(&mut program, plan(&["alpha"], 5));
    let event = sample(&program, 0.0, 0);
    let (worker, id) = asked(&program.happens(event)).unwrap();
    let effects = program.act(Action::Back);
    assert_eq!(effects, [Effect::Stop { worker: workers[0] }]);
    let times = Times { id, is_whole: false, ..Times::default() };
    program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Measured(times))));
    let event = sample(&program, 0.0, 0);
    assert_eq!(program.happens(event), []);
    assert_eq!(program.state.domain.bench.phase, Phase::Cancelled);
}

/// How near a sensor is to its limit.
fn heated(program: &Program, celsius: f32) -> Event {
    let Event::Sample(mut cool) = sample(program, 0.0, 0) else { unreachable!() };
    let sensor = Temperature { label: "core".to_owned(), celsius: Celsius(celsius), critical: Some(Celsius(100.0)) };
    cool.temperatures = vec![sensor];
    Event::Sample(cool)
}

#[test]
fn a_hot_machine_cools_down_before_the_next_repetition() {
    let mut program = Program::new();
    start(&mut program, plan(&["alpha"], 3));
    // A sample a second; whether the next repetition begins with it.
    let begins = |program: &mut Program, celsius: f32| {
        let event = heated(program, celsius);
        let asked = asked(&program.happens(event));
        if let Some((worker, id)) = asked {
            let times = Times { id, is_whole: true, prompt_us: 0, step_us: vec![1000; 128], ..Times::default() };
            program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Measured(times))));
        }
        asked.is_some()
    };
    assert!(begins(&mut program, 80.0), "cool: the first begins");
    assert!(!begins(&mut program, 95.0), "hot: none begins");
    assert!(!begins(&mut program, 91.0));
    assert!(begins(&mut program, 85.0), "cooled down");
    // One that stays hot is waited for no longer than half a minute.
    let n_waited = (0..60).take_while(|_| !begins(&mut program, 99.0)).count();
    assert_eq!(n_waited, 30);
    let bench = &program.state.domain.bench;
    assert_eq!(bench.cooled, Duration::from_secs(2 + 30));
    assert_eq!(bench.rows[0].repetitions.last().and_then(|repetition| repetition.celsius), Some(99.0));
    assert_eq!(document(bench).cooled_s, Some(32.0));
}

#[test]
fn marked_models_are_benched() {
    let mut program = Program::new();
    let event = sample(&program, 0.0, 0);
    program.happens(event);
    program.state.ui.screen = Screen::Library;
    program.act(Action::Mark);
    program.act(Action::Down);
    program.act(Action::Mark);
    program.act(Action::BenchModel);
    let marked: Vec<_> = program.state.ui.race.entries.iter().map(|entry| entry.model.id.clone()).collect();
    let benched: Vec<_> = program.state.domain.bench.entries.iter().map(|entry| entry.model.id.clone()).collect();
    assert_eq!((marked.len(), &benched), (2, &marked));
}

#[test]
fn what_a_bench_is_about_to_take_is_not_free() {
    let mut program = Program::new();
    let event = sample(&program, 0.0, 0);
    program.happens(event);
    let before = free_memory(&program.state.domain).unwrap();
    start(&mut program, plan(&["alpha", "beta"], 1));
    for session in &mut program.state.domain.sessions {
        session.planned = MemoryEstimate { context: Bytes(1_000_000_000), ..MemoryEstimate::default() };
    }
    let needed = Bytes(2_000_000_000);
    let event = sample(&program, 0.0, 0);
    program.happens(event);
    assert_eq!(free_memory(&program.state.domain).unwrap().free, before.free.saturating_sub(needed));
    program.act(Action::Back);
    assert_eq!(free_memory(&program.state.domain).unwrap().free, before.free);
}

#[test]
fn a_model_that_can_not_be_measured_is_not_loaded() {
    let mut program = Program::new();
    let models = &mut program.state.domain.library.models;
    let beta = models.iter_mut().find(|model| model.name == "beta").unwrap();
    *beta = std::sync::Arc::new(Model { status: Status::Damaged("no weights".to_owned()), ..Model::clone(beta) });
    let workers = start(&mut program, plan(&["alpha", "beta"], 1));
    assert_eq!(workers.len(), 1);
    measure(&mut program, |_| 1000, |_| 0.0);
    let bench = &program.state.domain.bench;
    assert!(bench.rows[1].failed.as_ref().is_some_and(|reason| reason.contains("no weights")), "{:?}", bench.rows[1]);
    assert!(matches!(bench.entries[1].phase, EntryPhase::Failed(_)));
    assert_eq!(bench.rows[0].repetitions.len(), 1);
}

#[test]
fn a_session_that_measures_answers_nothing_else() {
    let mut program = Program::new();
    let workers = start(&mut program, plan(&["alpha"], 5));
    let event = sample(&program, 0.0, 0);
    assert!(asked(&program.happens(event)).is_some());
    let session = program.state.domain.sessions[0].id;
    assert_eq!(program.state.domain.sessions[0].word(), "measuring");
    let prompt = What::SendPrompt { session, text: "why?".to_owned() };
    assert_eq!(program.command(prompt), [], "no prompt is sent");
    assert!(program.state.ui.notices.back().unwrap().text.contains("this session measures"));
    // Whoever stops or restarts its session ends the rows of its model.
    for (what, reason) in [
        (What::StopSession(session), "its session was stopped"),
        (What::RestartSession(session), "its session was restarted"),
    ] {
        let mut other = Program::new();
        start(&mut other, plan(&["alpha"], 5));
        let event = sample(&other, 0.0, 0);
        assert!(asked(&other.happens(event)).is_some());
        other.command(what);
        let bench = &other.state.domain.bench;
        assert_eq!((bench.rows[0].failed.as_deref(), bench.phase), (Some(reason), Phase::Done));
    }
    assert_eq!(program.act(Action::Back), [Effect::Stop { worker: workers[0] }]);
}

#[test]
fn backends_are_what_the_worker_has() {
    let device = |name: &str, kind| Device {
        name: name.to_owned(),
        description: format!("{name}'s long name"),
        kind,
        total: None,
        free: None,
    };
    let mut program = Program::new();
    start(&mut program, plan(&["alpha"], 1));
    let entry = &mut program.state.domain.bench.entries[0];
    for (devices, backends) in [
        (vec![], "CPU"),
        (vec![device("CPU", DeviceKind::Cpu)], "CPU"),
        (vec![device("CPU", DeviceKind::Cpu), device("BLAS", DeviceKind::Accelerator)], "BLAS"),
        (
            vec![
                device("CUDA0", DeviceKind::Gpu),
                device("CUDA1", DeviceKind::Gpu),
                device("Vulkan0", DeviceKind::Gpu),
            ],
            "CUDA,Vulkan",
        ),
    ] {
        entry.devices = devices;
        assert_eq!(entry.backends(), backends);
    }
    assert_eq!(entry.device_names(|kind| kind == DeviceKind::Gpu).matches("long name").count(), 3);
}

/// A bench works: what it draws is no idle power, and a token is told with its share of that.
#[test]
fn a_bench_is_charged_as_an_answer_is() {
    let mut program = Program::new();
    let workers = start(&mut program, plan(&["alpha"], 1));
    let pid = 100 + workers[0].0 as u32;
    let tick = |program: &Program| {
        let Event::Sample(mut sample) = sample(program, 0.0, 0) else { unreachable!() };
        let watts = domain::figure::Figure::measured(domain::units::Watts(80.0), "powercap package-0");
        let (domain, name) = (domain::machine::Domain::Package(0), "package-0".to_owned());
        sample.elapsed = Duration::from_secs(1);
        sample.power = vec![domain::machine::Power { domain, name, watts, energy: None, counted: None, adds: true }];
        let cpu_share = Some(Ratio(1.0));
        sample.processes = vec![Process { pid, cores: 1.0, cpu_share, ..Process::default() }];
        Event::Sample(sample)
    };
    let mut effects = Vec::new();
    for _ in 0..40 {
        program.state.domain.now.uptime += Duration::from_secs(1);
        let event = tick(&program);
        effects.extend(program.happens(event));
    }
    assert_eq!(program.state.domain.attribution.baselines.known, [], "its own load is no idle power");
    let (worker, id) = asked(&effects).unwrap();
    let times = Times { id, is_whole: true, prompt_us: 0, step_us: vec![300_000; 128], ..Times::default() };
    program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Measured(times))));
    program.state.domain.now.uptime += Duration::from_secs(2);
    let event = tick(&program);
    program.happens(event);
    let joules = program.state.domain.bench.rows[0].joules().unwrap();
    // 80 W for three tenths of a second.
    assert!((joules.value - 24.0).abs() < 1.0, "{joules:?}");
    let row = &document(&program.state.domain.bench).rows[0];
    assert_eq!(row.joules_grade, joules.word());
    assert_eq!(row.repetitions[0].watts_grade, joules.word());
}
