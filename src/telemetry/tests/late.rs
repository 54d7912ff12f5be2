//! Sources that block.

use std::sync::Condvar;
use std::time::Instant;

use super::*;
use crate::telemetry::background_source::BackgroundSource;
use crate::telemetry::{Source, Tick};
use domain::figure::Figure;
use domain::machine::{Domain, Power};
use domain::units::{Joules, Watts};

/// Longer than any test takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Blocks threads until it is opened. Clones share it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, open: bool) {
        *self.0.0.lock().unwrap() = open;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(closed, |open| !*open).unwrap());
    }
}

/// Meters a joule per reading, once the gate is open.
struct Meter(Gate);

impl Source for Meter {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        self.0.pass();
        let watts = Figure::measured(Watts(1.0), "test");
        let (domain, name) = (Domain::Gpu(0), "gpu-0".to_owned());
        sample.power.push(Power { domain, name, watts, energy: Some(Joules(1.0)), counted: None, adds: true });
        sample.sources.push(tick.row("slow", "", Figure::measured("read".to_owned(), "test")));
    }
}

fn tick(files: &Tree, second: u64) -> Tick<'_> {
    let (at, interval) = (Duration::from_secs(second), Duration::from_secs(1));
    Tick { files, at, interval, is_virtual: false, pids: &[], foreign: &[], tenants: &[] }
}

/// The sample of both sources in this second; the second source is awaited.
fn sample(sources: &mut [BackgroundSource; 2], second: u64, patience: Duration) -> Sample {
    let (files, mut sample) = (Tree::default(), Sample::default());
    let tick = tick(&files, second);
    for source in &mut *sources {
        source.ask(&tick);
    }
    sources[0].collect(&tick, Instant::now() + patience, &mut sample);
    sources[1].collect(&tick, Instant::now() + PATIENCE, &mut sample);
    sample
}

#[test]
fn a_source_that_hangs_is_late_and_holds_up_no_other() {
    let (slow, quick) = (Gate::default(), Gate::default());
    slow.set(true);
    quick.set(true);
    let mut sources = [&slow, &quick]
        .map(|gate| BackgroundSource::new("slow", "a test", Box::new(Meter(gate.clone())), Arc::new(Tree::default())));
    let ages = |sample: &Sample| sample.sources.iter().map(|row| row.age.as_secs()).collect::<Vec<_>>();
    let energy = |sample: &Sample| sample.power[0].energy.map(|energy| energy.0);

    let first = sample(&mut sources, 1, PATIENCE);
    assert_eq!((ages(&first), powers(&first).len(), energy(&first)), (vec![0, 0], 2, Some(1.0)));

    slow.set(false);
    for second in 2..=6 {
        let sample = sample(&mut sources, second, Duration::ZERO);
        assert_eq!(ages(&sample), [second - 1, 0], "the figures of the first second grow old");
        assert_eq!(powers(&sample), ["gpu-0 — slow does not answer +", "gpu-0 1.00 W +"]);
        assert_eq!(energy(&sample), None, "no energy is booked twice");
        assert_eq!(sample.sources[0].is_late(), second > 4, "the screen shows the age of what is three periods late");
    }

    // The result of the second second is used once it arrives, and the next reading is fresh.
    slow.set(true);
    let mut booked = Vec::new();
    let fresh = (7..1_000_000).find(|second| {
        let sample = sample(&mut sources, *second, PATIENCE);
        booked.extend(energy(&sample).map(|energy| (sample.sources[0].age.as_secs() + 2 == *second, energy)));
        sample.sources[0].age.is_zero()
    });
    assert!(fresh.is_some());
    assert_eq!(booked, [(true, 1.0), (false, 1.0)]);
}

#[test]
fn a_source_that_has_never_answered_says_so() {
    let gate = Gate::default();
    let mut sources = [&gate, &Gate::default()]
        .map(|gate| BackgroundSource::new("slow", "a test", Box::new(Meter(gate.clone())), Arc::new(Tree::default())));
    let files = Tree::default();
    let mut sample = Sample::default();
    sources[0].ask(&tick(&files, 1));
    sources[0].collect(&tick(&files, 1), Instant::now(), &mut sample);
    assert_eq!(row(&sample, "slow"), "— it has not answered yet");
    assert!(!sample.sources[0].is_late());
    let mut sample = Sample::default();
    sources[0].ask(&tick(&files, 6));
    sources[0].collect(&tick(&files, 6), Instant::now(), &mut sample);
    assert!(sample.sources[0].is_late(), "it was asked five periods ago");
    gate.set(true);
}

/// Fails at its first reading.
struct Broken;

impl Source for Broken {
    fn read(&mut self, _: &Tick<'_>, _: &mut Sample) {
        panic!("a source that fails, on purpose");
    }
}

#[test]
fn a_source_that_fails_leaves_the_others() {
    let gate = Gate::default();
    gate.set(true);
    let files: Arc<dyn Files> = Arc::new(Tree::default());
    let mut sources = [
        BackgroundSource::new("broken", "a test", Box::new(Broken), Arc::clone(&files)),
        BackgroundSource::new("slow", "a test", Box::new(Meter(gate)), files),
    ];
    for second in 1..=3 {
        let sample = sample(&mut sources, second, PATIENCE);
        let text = row(&sample, "broken");
        assert!(text.starts_with("— its reader has ended → "), "{text}");
        assert_eq!(row(&sample, "slow"), "read");
    }
}

/// A driver that never returns.
struct Hung(Gate);

impl Driver for Hung {
    fn open(&mut self) -> Result<(), Closed> {
        self.0.pass();
        Err(Closed::Missing)
    }

    fn addresses(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn read(&mut self, _: &str) -> Result<Reading, String> {
        Err("it hangs".to_owned())
    }
}

#[test]
fn a_driver_that_hangs_leaves_the_processor_its_figures() {
    let (gate, tree) = (Gate::default(), Tree::workstation());
    let driver = Box::new(Hung(gate.clone()));
    let access = Access {
        files: Arc::new(tree.clone()),
        driver,
        events: Box::new(Counted::default()),
        bounds: Bounds::default(),
    };
    let mut sampler = Sampler::with(access, Duration::from_secs(1), PATIENCE);
    sampler.sample(at(0), &[]);
    let mut sampler = sampler.patient(Duration::from_millis(1));
    for second in 1..6 {
        tree.add("sys/class/powercap/intel-rapl:0/energy_uj", 40_000_000);
        let sample = sampler.sample(at(second * 1000), &[]);
        let age = |name: &str| sample.sources.iter().find(|row| row.name == name).map(|row| row.age.as_secs());
        assert_eq!((age("cpu"), age("powercap"), sample.cores.len()), (Some(0), Some(0), 2));
        assert_eq!(powers(&sample)[0], "package-0 40.0 W +");
        assert_eq!(age("nvml"), Some(second), "what it said in the first sample grows old");
    }
    gate.set(true);
}
