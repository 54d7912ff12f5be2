//! What a sample of the sensors costs: `cargo run --release --no-default-features --example measure_sampling [FOLDER]`.
//!
//! FOLDER stands in for `/`; memory and disks are always this machine's. Without one, the machine is read,
//! and after it a folder made of all recorded machines, so that every source of Linux has something to read.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for developers")]

use std::path::Path;
use std::time::{Duration, Instant};

use domain::Moment;
use taffrail::telemetry::Sampler;

const SAMPLES: u32 = 500;
const TREES: [&str; 5] = ["workstation", "events", "radeon", "arc", "board"];

fn main() {
    if let Some(root) = std::env::args().nth(1) {
        measure(Path::new(&root));
        return;
    }
    measure(Path::new("/"));
    let folder = tempfile::tempdir().unwrap();
    for tree in TREES {
        let file = format!("{}/tests/fixtures/telemetry/{tree}.tree", env!("CARGO_MANIFEST_DIR"));
        for part in std::fs::read_to_string(file).unwrap().split("\n@ ").skip(1) {
            let (path, content) = part.split_once('\n').unwrap_or((part, ""));
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !path.ends_with("/") {
                std::fs::write(path, content).unwrap();
            }
        }
    }
    measure(folder.path());
}

/// Samples without a pause, while their time goes on by a second each: rates and periods are those of the dashboard.
fn measure(root: &Path) {
    let mut sampler = Sampler::new(root.to_owned(), Duration::from_secs(1));
    let mut sample = |n: u32| sampler.sample(Moment { uptime: Duration::from_secs(n.into()), unix: 0 }, &[4242]);
    for n in 0..3 {
        sample(n);
    }
    let (began, before) = (Instant::now(), ticks());
    let mut n_read = 0;
    for n in 3..SAMPLES + 3 {
        n_read = sample(n).sources.iter().filter(|row| row.reading.value().is_some()).count();
    }
    let (wall, spent) = (began.elapsed(), ticks() - before);
    // A clock tick is 10 ms on every system that has `/proc/self/stat`.
    let cpu = spent as f64 * 10_000.0 / f64::from(SAMPLES);
    println!(
        "{}: {n_read} sources tell; {:.0} µs of processor time and {:.0} µs of time per sample; {:.3} % of a core at 1 s",
        root.display(),
        cpu,
        wall.as_secs_f64() * 1e6 / f64::from(SAMPLES),
        cpu / 1e4
    );
}

/// Clock ticks that this process spent, all threads.
fn ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    [11, 12].into_iter().filter_map(|at| fields.get(at)?.parse::<u64>().ok()).sum()
}
