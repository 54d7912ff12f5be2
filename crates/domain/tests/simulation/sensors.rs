//! Sensors of a machine that is made up: power, processes, memory and what others run.

use std::time::Duration;

use domain::Moment;
use domain::figure::Figure;
use domain::machine::other_processes::OtherProcess;
use domain::machine::{Allowed, Core, Domain as Meter, Gpu, Memory, Power, Process, Sample, Temperature};
use domain::units::{Bytes, Celsius, Joules, Ratio, Watts};

use crate::dice::Dice;

const GB: u64 = 1_000_000_000;

/// The machine of a run.
#[derive(Debug, Clone)]
pub(crate) struct Sensors {
    n_cores: usize,
    has_package: bool,
    has_dram: bool,
    has_gpu: bool,
    total: u64,
    at: Option<Duration>,
    foreign: Vec<OtherProcess>,
}

impl Sensors {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        Self {
            n_cores: [1, 2, 8, 16][dice.index(4)],
            has_package: dice.permille(800),
            has_dram: dice.permille(500),
            has_gpu: dice.permille(400),
            total: (8 + dice.below(24)) * GB,
            at: None,
            foreign: Vec::new(),
        }
    }

    /// Whether a tick is due.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.at.is_none_or(|at| now.uptime.saturating_sub(at) >= Duration::from_secs(1))
    }

    /// A process of another program ends when it is told to, or does not.
    pub(crate) fn signal(&mut self, id: (u32, u64)) {
        self.foreign.retain(|one| one.id() != id);
    }

    /// Processes of others.
    pub(crate) fn foreign(&self) -> Vec<(u32, u64)> {
        self.foreign.iter().map(OtherProcess::id).collect()
    }

    /// Read them. `pids` are our workers'.
    pub(crate) fn read(&mut self, now: Moment, pids: &[u32], calm: bool, dice: &mut Dice) -> Sample {
        let elapsed = self.at.map_or(Duration::ZERO, |at| now.uptime.saturating_sub(at));
        self.at = Some(now.uptime);
        let mut left = 1.0;
        let mut processes = Vec::new();
        for pid in pids {
            if !calm && dice.permille(50) {
                continue;
            }
            let share = left * dice.share();
            left -= share;
            let anonymous = Bytes(dice.below(2 * GB));
            processes.push(Process {
                pid: *pid,
                cores: share * self.n_cores as f64,
                cpu_share: (calm || dice.permille(950)).then_some(Ratio(share)),
                cpu_seconds: Some(now.uptime.as_secs_f64() * share),
                resident: anonymous + Bytes(dice.below(2 * GB)),
                anonymous,
                ..Process::default()
            });
        }
        self.others(dice);
        let used: u64 = processes.iter().map(|process| process.anonymous.0).sum::<u64>() + dice.below(2 * GB);
        let memory = Memory {
            total: Bytes(self.total),
            available: Bytes(self.total.saturating_sub(used)),
            used: Bytes(used),
            ..Memory::default()
        };
        let usage = (!elapsed.is_zero()).then(|| Ratio(dice.share()));
        let threads = dice.permille(20).then(|| 1 + dice.below(self.n_cores as u64) as u32);
        Sample {
            at: now,
            elapsed,
            cpu: usage,
            cores: vec![Core { usage, mhz: Some(3000) }; self.n_cores],
            memory: Some(memory),
            allowed: Allowed { threads, ..Allowed::default() },
            temperatures: vec![Temperature { label: "chip".into(), celsius: Celsius(50.0), critical: None }],
            gpus: if self.has_gpu { vec![gpu(pids, dice)] } else { Vec::new() },
            power: self.power(elapsed, dice),
            processes,
            foreign: self.foreign.clone(),
            ..Sample::default()
        }
    }

    fn others(&mut self, dice: &mut Dice) {
        if dice.permille(30) && self.foreign.len() < 3 {
            let process = Process { pid: 900_000 + dice.below(1000) as u32, resident: Bytes(GB), ..Process::default() };
            let model = Some("/models/other.gguf".to_owned());
            let (started, mapped) = (dice.below(1000), Bytes(dice.below(2 * GB)));
            self.foreign.push(OtherProcess {
                process,
                started,
                engine: "ollama".into(),
                model,
                mapped,
                ..OtherProcess::default()
            });
        }
        if dice.permille(10) {
            self.foreign.pop();
        }
    }

    fn power(&self, elapsed: Duration, dice: &mut Dice) -> Vec<Power> {
        let meters = [
            (self.has_package, Meter::Package(0), "package-0"),
            (self.has_dram, Meter::Dram(0), "dram-0"),
            (self.has_gpu, Meter::Gpu(0), "gpu-0"),
            (self.has_package, Meter::Platform, "psys"),
        ];
        let there = meters.into_iter().filter(|(is_there, ..)| *is_there);
        there.map(|(_, domain, name)| meter(domain, name, elapsed, dice)).collect()
    }
}

/// A meter that tells late now and then, or tells nonsense.
fn meter(domain: Meter, name: &str, elapsed: Duration, dice: &mut Dice) -> Power {
    let watts = 5.0 + 60.0 * dice.share();
    let joules = watts * elapsed.as_secs_f64();
    let (watts, energy) = match dice.below(40) {
        0 => (Figure::unknown("the counter does not advance"), None),
        2 => (Figure::measured(Watts(watts), "rapl"), Some(Joules(-joules))),
        3 => (Figure::measured(Watts(watts), "rapl"), None),
        // It covers earlier ticks as well.
        4 => (Figure::measured(Watts(watts), "rapl"), Some(Joules(3.0 * joules))),
        5 => (Figure::unknown("no power"), Some(Joules(joules))),
        _ => (Figure::measured(Watts(watts), "rapl"), Some(Joules(joules))),
    };
    let adds = !matches!(domain, Meter::Platform);
    Power { domain, name: name.to_owned(), watts, energy, counted: None, adds }
}

fn gpu(pids: &[u32], dice: &mut Dice) -> Gpu {
    let ours = pids.iter().filter(|_| dice.permille(300)).map(|pid| (*pid, Bytes(GB / 4))).collect::<Vec<_>>();
    let mut processes = ours.clone();
    if dice.permille(300) {
        processes.push((900_000, Bytes(GB)));
    }
    let shares = if dice.permille(500) {
        processes.iter().map(|(pid, _)| (*pid, Ratio(dice.share() / processes.len() as f64))).collect()
    } else {
        Vec::new()
    };
    Gpu {
        index: 0,
        name: "card".into(),
        usage: Figure::measured(Ratio(dice.share()), "nvml"),
        memory_total: Some(Bytes(4 * GB)),
        memory_used: Some(processes.iter().map(|(_, bytes)| *bytes).sum::<Bytes>()),
        temperature: Some(Celsius(60.0)),
        processes,
        shares,
        mhz: None,
        held_by: String::new(),
    }
}
