//! Calibration, and what an answer is charged, as events make them happen.

use std::time::Duration;

use super::{Program, sample};
use crate::ui::Action;
use domain::energy::{Baseline, Idle};
use domain::event::WorkerEvent;
use domain::figure::{Figure, Grade};
use domain::machine::{Domain, Power, Sample};
use domain::units::Watts;
use domain::{Effect, Event, Moment};

/// A second of a machine whose package draws so many watts.
pub(super) fn metered(second: u64, watts: f64) -> Box<Sample> {
    let power = Power {
        domain: Domain::Package(0),
        name: "package-0".to_owned(),
        watts: Figure::measured(Watts(watts), "powercap package-0"),
        energy: None,
        counted: None,
        adds: true,
    };
    let at = Moment { uptime: Duration::from_secs(second), unix: 0 };
    Box::new(Sample { at, power: vec![power], ..sample(2, 64_000_000_000) })
}

fn told(program: &Program) -> &str {
    program.state.ui.notices.back().map_or("", |notice| notice.text.as_str())
}

#[test]
fn a_calibration_is_kept_for_later_runs() {
    let mut program = Program::new();
    program.happens(Event::Sample(metered(1, 12.0)));
    program.act(Action::Calibrate);
    let mut effects = Vec::new();
    for second in 2..40 {
        if !effects.is_empty() {
            break;
        }
        effects.extend(program.happens(Event::Sample(metered(second, 12.0))));
    }
    let [Effect::KeepBaselines(kept)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((kept[0].watts, kept[0].idle, kept[0].is_calibrated), (Watts(12.0), Idle::Empty, true));
    assert_eq!(told(&program), "the idle baseline is calibrated");
    // The next run knows it before it has seen anything.
    let mut next = Program::new();
    next.happens(Event::Baselines(kept.clone()));
    assert_eq!(next.state.domain.attribution.baselines.known, *kept);
    // A run that has a baseline of its own keeps that.
    let old = Baseline { watts: Watts(99.0), ..kept[0].clone() };
    next.happens(Event::Baselines(vec![old]));
    assert_eq!(next.state.domain.attribution.baselines.known, *kept);
}

#[test]
fn a_calibration_is_refused_with_a_reason() {
    let mut program = Program::new();
    program.act(Action::Calibrate);
    assert_eq!(told(&program), "the sensors have not been read yet");
    program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    program.act(Action::Calibrate);
    assert_eq!(told(&program), "nothing can be calibrated, no sensor was found");
    program.happens(Event::Sample(metered(3, 12.0)));
    program.ready("alpha");
    program.ask("hello");
    program.act(Action::Calibrate);
    assert_eq!(told(&program), "wait for the answers: the baseline is what the machine draws without them");
    assert_eq!(program.state.domain.attribution.baselines.calibration, None);
}

#[test]
fn a_calibration_ends_by_its_own_key_or_by_an_answer() {
    let mut program = Program::new();
    program.happens(Event::Sample(metered(1, 12.0)));
    program.ready("alpha");
    program.act(Action::Calibrate);
    assert_eq!(program.state.domain.attribution.baselines.calibration.map(|c| c.idle), Some(Idle::Loaded));
    program.act(Action::Calibrate);
    assert_eq!(told(&program), "the calibration was cancelled");
    program.act(Action::Calibrate);
    program.ask("hello");
    program.happens(Event::Sample(metered(8, 40.0)));
    assert_eq!(told(&program), "the calibration ended: an answer came between");
    assert_eq!(program.state.domain.attribution.baselines.calibration, None);
}

/// An estimate is the machine's power like any other, and calibrates nothing.
#[test]
fn an_estimate_needs_the_users_word() {
    let mut program = Program::new();
    let power = |program: &Program| program.state.domain.machine.sample.as_ref().and_then(|sample| sample.total());
    program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    assert_eq!(power(&program), None);
    program.state.domain.settings.energy.tdp_watts = Some(65.0);
    program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    assert_eq!(power(&program), Some((Watts(32.5), Grade::Estimated)));
    program.act(Action::Calibrate);
    assert!(told(&program).starts_with("nothing can be calibrated"));
}

/// Where a meter ticks, an answer is kept after the tick that pays for its end, once; else at once, or when it is late.
#[test]
fn an_answer_is_kept_with_the_last_of_its_energy() {
    let kept = |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Remember { .. })).count();
    for (is_metered, expected) in [(false, [1, 0, 0]), (true, [0, 1, 0])] {
        let mut program = Program::new();
        let tick = |second| if is_metered { metered(second, 40.0) } else { Box::new(sample(2, 64_000_000_000)) };
        program.happens(Event::Sample(tick(1)));
        let worker = program.ready("alpha");
        let id = program.ask("hello");
        let counters = wire::Counters { n_generated: 20, generation_us: 2_000_000, ..wire::Counters::default() };
        let said = wire::Event::Finished { id, finish: wire::Finish::Stop, counters };
        let ended = program.happens(Event::Worker(worker, WorkerEvent::Said(said)));
        let ticked = program.happens(Event::Sample(tick(9)));
        let later = program.happens(Event::Sample(tick(10)));
        assert_eq!([kept(&ended), kept(&ticked), kept(&later)], expected, "metered: {is_metered}");
        if let Some(Effect::Remember { record, .. }) =
            ticked.iter().find(|effect| matches!(effect, Effect::Remember { .. }))
        {
            assert!(!record.samples.is_empty());
        }
    }
}

/// Energy is known up to the last tick, so it goes with the tokens up to the last tick: the figure does not fall from
/// tick to tick while the answer goes on.
#[test]
fn a_live_figure_divides_what_belongs_together() {
    let mut program = Program::new();
    program.happens(Event::Sample(metered(1, 40.0)));
    let worker = program.ready("alpha");
    let pid = 100;
    program.happens(Event::Worker(worker, WorkerEvent::Spawned { pid }));
    let id = program.ask("hello");
    let say = |program: &mut Program, n: u32| {
        let counters = wire::Counters {
            n_generated: n,
            generation_us: u64::from(n - 1) * 100_000,
            decode_us: u64::from(n) * 100_000,
            ..wire::Counters::default()
        };
        let pieces = vec![wire::Piece { channel: wire::Channel::Answer, text: "x".into() }];
        program.said(worker, wire::Event::Text { id, pieces, tool_calls: Vec::new(), counters, tokens: Vec::new() });
    };
    let mut told = Vec::new();
    for second in 2..30_u32 {
        // Ten tokens a second, of which some came after the tick.
        say(&mut program, (second - 1) * 10);
        let mut tick = metered(u64::from(second), 40.0);
        let process = domain::machine::Process {
            pid,
            cpu_share: Some(domain::units::Ratio(1.0)),
            ..domain::machine::Process::default()
        };
        tick.processes = vec![process];
        program.happens(Event::Sample(tick));
        say(&mut program, (second - 1) * 10 + 9);
        let session = &program.state.domain.sessions[0];
        told.extend(session.joules_per_token().value().map(|joules| joules.0));
        assert_eq!(session.throughput.last().map(f32::round), Some(10.0), "also in the first tick");
    }
    assert!(told.len() > 10 && told.iter().all(|joules| (joules - 4.0).abs() < 0.5), "{told:?}");
}

/// A model that takes long to load, and a text that is scored, are no idle machine.
#[test]
fn loading_teaches_no_idle_power() {
    let mut program = Program::new();
    program.happens(Event::Sample(metered(1, 40.0)));
    program.act(Action::Library);
    program.act(Action::Choose);
    for second in 2..60 {
        program.happens(Event::Sample(metered(second, 90.0)));
    }
    assert_eq!(program.state.domain.attribution.baselines.known, []);
}

/// A recording tells what was known of idle power, so that it shows what the recorded program showed.
#[test]
fn a_recording_holds_the_baselines() {
    let mut program = Program::new();
    let baseline = |idle, watts| Baseline {
        meter: "package-0".to_owned(),
        device: String::new(),
        idle,
        watts: Watts(watts),
        unix: 0,
        is_calibrated: true,
        grade: Grade::Measured,
    };
    let known = vec![baseline(Idle::Empty, 10.0), baseline(Idle::Loaded, 14.0)];
    program.happens(Event::Baselines(known.clone()));
    program.happens(Event::Sample(metered(1, 20.0)));
    let worker = program.ready("alpha");
    program.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: 100 }));
    let tick = |second| {
        let mut tick = metered(second, 20.0);
        let resident = domain::units::Bytes(1000);
        tick.processes = vec![domain::machine::Process { pid: 100, resident, ..Default::default() }];
        tick
    };
    let mut replayed = Program::new();
    for second in 1..4 {
        program.happens(Event::Sample(tick(second)));
        let frame = domain::trace::Frame::of(&program.state.domain).unwrap();
        replayed.happens(Event::Frame(Box::new(frame)));
    }
    for (name, state) in [("recorded", &program.state), ("replayed", &replayed.state)] {
        assert_eq!(state.domain.attribution.baselines.known, known);
        assert!(
            (state.domain.attribution.tally.standby - 4.0).abs() < 1e-9,
            "{name}: {:?}",
            state.domain.attribution.tally
        );
    }
}
