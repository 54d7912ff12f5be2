//! The domain in a world that does its worst: random commands, workers that hang, die and lie, answers that come late or
//! say no, clocks that jump. After each event what must always hold is checked.
//!
//! A failing seed is named. `TAFFRAIL_SIM_SEED=… cargo test --release -p domain --test simulation` runs it alone and
//! prints its events.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test")]

mod commands;
mod demand;
mod dice;
mod energy;
mod invariants;
mod sensors;
mod snapshots;
mod workers;
mod world;

use std::collections::HashSet;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use domain::command::{Command, CommandId, What};
use domain::race::Pace;
use domain::{Event, StateMachine};

use dice::Dice;
use invariants::Invariants;
use snapshots::Snapshots;
use world::World;

/// Runs, and events in each but those of its end: 100,000 together.
const SEEDS: std::ops::Range<u64> = 0..60;
const EVENTS: usize = 4000;
/// Events after which all must be quiet.
const DRAIN: usize = 30_000;

/// The variable that names the only seed to run.
const VARIABLE: &str = "TAFFRAIL_SIM_SEED";

/// One run.
struct Simulation {
    machine: StateMachine,
    world: World,
    invariants: Invariants,
    snapshots: Snapshots,
    dice: Dice,
    commands: u64,
    kinds: HashSet<usize>,
    n_events: usize,
    prints: bool,
}

impl Simulation {
    fn new(seed: u64, prints: bool) -> Self {
        let mut dice = Dice::new(seed);
        let machine = StateMachine::new(World::settings(&mut dice));
        let (world, invariants) = (World::new(&mut dice), Invariants::default());
        let kinds = HashSet::new();
        Self {
            machine,
            world,
            invariants,
            snapshots: Snapshots::default(),
            dice,
            commands: 0,
            kinds,
            n_events: 0,
            prints,
        }
    }

    fn run(&mut self) {
        while self.n_events < EVENTS {
            self.world.pass_time(&mut self.dice);
            let event = if self.dice.permille(120) { Some(self.command()) } else { self.world.next(&mut self.dice) };
            if let Some(event) = event {
                self.handle(&event);
            }
        }
        // Half of the programs are closed in the middle of their work.
        if self.dice.permille(500) {
            self.drain();
        }
        self.handle(&Event::Closing);
        self.invariants.closed();
    }

    fn command(&mut self) -> Event {
        self.commands += 1;
        let command = commands::command(self.commands, &self.machine, &self.world, &mut self.dice);
        self.kinds.insert(commands::kind(&command.what));
        Event::Command(command)
    }

    /// Nothing new is asked for, and nothing fails any more: everything must end.
    fn drain(&mut self) {
        self.world.calm = true;
        for _ in 0..DRAIN {
            self.world.pass_time(&mut self.dice);
            // It waits for the user.
            let is_held = self.machine.race.as_ref().is_some_and(|race| race.pace == Pace::Held && race.is_running());
            let event = if is_held {
                self.commands += 1;
                Some(Event::Command(Command { id: CommandId(self.commands), what: What::ContinueRace }))
            } else {
                self.world.next(&mut self.dice)
            };
            if let Some(event) = event {
                self.handle(&event);
            }
        }
        assert!(self.world.is_quiet(), "the world goes on: {:?}", self.world.workers);
        self.invariants.quiet(&self.machine);
    }

    fn handle(&mut self, event: &Event) {
        self.n_events += 1;
        self.note(event);
        if self.dice.permille(1) {
            self.snapshots.take(&self.machine);
        }
        self.invariants.before(&self.machine, event);
        let effects = self.machine.update(self.world.now, event.clone());
        if self.prints {
            for effect in &effects {
                print(&format!("        {}", brief(&format!("{effect:?}"))));
            }
        }
        self.invariants.after(&self.machine, event, &effects);
        self.snapshots.update(self.world.now, event, &effects, &self.machine);
        for effect in effects {
            self.world.carry_out(effect, &mut self.dice);
        }
    }

    fn note(&mut self, event: &Event) {
        if self.prints {
            let text = brief(&format!("{event:?}"));
            print(&format!("{:6} {:?} {text}", self.n_events, self.world.now.uptime));
        }
    }
}

/// Print a line, past what the tests' runner holds back.
fn print(line: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
}

/// The beginning of a long text.
fn brief(text: &str) -> String {
    text.chars().take(240).collect()
}

/// Run a seed; name it where it fails. Gives the kinds of commands that were given, and the situations that were seen.
fn run(seed: u64, prints: bool) -> (HashSet<usize>, HashSet<&'static str>) {
    let mut simulation = Simulation::new(seed, prints);
    let result = catch_unwind(AssertUnwindSafe(|| simulation.run()));
    if let Err(panic) = result {
        let place = simulation.n_events;
        print(&format!("seed {seed} fails at event {place}; {VARIABLE}={seed} prints its events"));
        resume_unwind(panic);
    }
    (simulation.kinds, simulation.invariants.demands.seen)
}

#[test]
fn whatever_happens_the_invariants_hold() {
    if let Ok(seed) = std::env::var(VARIABLE) {
        run(seed.parse().unwrap(), true);
        return;
    }
    let (mut kinds, mut seen) = (HashSet::new(), HashSet::new());
    for seed in SEEDS {
        let of_run = run(seed, false);
        kinds.extend(of_run.0);
        seen.extend(of_run.1);
    }
    let unseen: Vec<&str> = demand::SITUATIONS.into_iter().filter(|one| !seen.contains(one)).collect();
    assert!(unseen.is_empty(), "these never happened: {unseen:?}");
    let missing: Vec<usize> = (0..commands::KINDS).filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "commands of these kinds were never given: {missing:?}");
}
