//! A recording of a busy workstation, for looking at the dashboard: `cargo run --release --no-default-features --example
//! make_trace FILE`, then `taffrail --replay FILE`.
//!
//! The machine, its sessions and its figures are those of the tests' fixture; load, power and heat come and go.

#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a tool for developers")]

use std::path::PathBuf;
use std::time::Duration;

use domain::energy::Idle;
use domain::figure::Figure;
use domain::machine::Domain;
use domain::record::trace::Frame;
use domain::request::{RequestId, Stage, Step};
use domain::session::Phase;
use domain::units::{Celsius, Joules, Ratio, Watts};
use taffrail::app::recording::Recorder;
use taffrail::ui::testing as fixture;

/// Seconds that are recorded.
const SECONDS: u32 = 300;

fn main() {
    let Some(file) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("name the file to write");
        return;
    };
    let mut state = fixture::scene("foreign").unwrap();
    let baselines = state.domain.attribution.baselines.known.clone();
    assert!(baselines.iter().any(|known| known.idle == Idle::Loaded));
    let mut recorder = Recorder::create(&file, Duration::from_secs(1)).unwrap();
    for second in 0..SECONDS {
        let time = f64::from(second);
        let wave = |period: f64| (time / period).sin().mul_add(0.5, 0.5);
        // The sessions answer by turns, with a pause in which none does.
        let (first, second_one) = (second % 90 < 50, (30..75).contains(&(second % 90)));
        let load = f64::from(u8::from(first)) * 0.5 + f64::from(u8::from(second_one)) * 0.3;
        for (index, busy) in [first, second_one].into_iter().enumerate() {
            let session = &mut state.domain.sessions[index];
            let (generation, step) = (u64::from(second / 90) + 1, Step::Answer);
            session.phase = Phase::Ready;
            let request = session.make_request();
            request.id = RequestId(generation);
            request.stage = if busy { Stage::Running(step) } else { Stage::Ended };
            session.threads = if busy { 4 } else { 0 };
            session.n_generated += if busy { 38 + (wave(7.0) * 8.0) as u64 } else { 0 };
            let counters = &mut session.requests.last_mut().unwrap().figures.counters;
            if session.since.uptime != Duration::from_secs(generation) {
                // An answer begins.
                session.since.uptime = Duration::from_secs(generation);
                (counters.n_generated, counters.generation_us) = (0, 0);
                counters.decode_us = counters.prompt_us;
            }
            if busy {
                counters.n_generated += 42;
                counters.generation_us += 1_000_000;
                counters.decode_us += 980_000;
            }
            session.n_past = 200 + (second % 90) * 40;
        }
        let processes = state.domain.sessions.iter().filter_map(|session| {
            let share = Ratio(if session.is_busy() { 0.35 } else { 0.0 });
            session.process.map(|process| domain::machine::Process {
                cpu_share: Some(share),
                cores: share.0 * 10.0,
                ..process
            })
        });
        let processes: Vec<_> = processes.collect();
        let domain: &mut domain::Domain = &mut state.domain;
        let sample = domain.machine.sample.as_mut().unwrap();
        sample.at.uptime = Duration::from_secs(u64::from(second) + 600);
        sample.at.unix = 1_764_000_000 + i64::from(second);
        sample.cpu = Some(Ratio(0.15 + load * 0.7 + 0.05 * wave(3.0)));
        for (index, core) in sample.cores.iter_mut().enumerate() {
            core.usage = Some(Ratio((load * wave(2.0 + index as f64)).clamp(0.0, 1.0)));
        }
        for power in &mut sample.power {
            let watts = match power.domain {
                Domain::Gpu(_) => 31.0 + load * 160.0 + 6.0 * wave(5.0),
                _ => 12.3 + load * 40.0 + 2.0 * wave(4.0),
            };
            power.watts = Figure::measured(Watts(watts), power.name.clone());
            power.energy = Some(Joules(watts));
        }
        let used = domain.sessions.iter().take(3).map(|session| session.gpu_memory.unwrap_or_default());
        let held: Vec<_> = processes.iter().map(|process| process.pid).zip(used).collect();
        for gpu in &mut sample.gpus {
            gpu.usage = Figure::measured(Ratio(load), "nvml");
            gpu.temperature = Some(Celsius((44.0 + 30.0 * load + 3.0 * wave(20.0)) as f32));
            gpu.processes = held.iter().copied().chain([(5120, sample.foreign[0].gpu_memory.unwrap())]).collect();
        }
        sample.temperatures[0].celsius = Celsius((42.0 + 25.0 * load + 3.0 * wave(15.0)) as f32);
        sample.processes = processes;
        recorder.write(&Frame::of(&state.domain).unwrap()).unwrap();
    }
}
