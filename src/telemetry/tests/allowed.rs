//! The resources of a machine that may be used, one file per layout: `tests/fixtures/telemetry/allowed`. The machine
//! has eight cores, 64 GiB of memory with 60 GiB available, and 8 GiB of swap. Paths and formats follow the documents
//! cited at the top of each file; the values are made up.

use std::fs;
use std::path::Path;

use super::faults::change;
use super::*;
use crate::telemetry::{Source as _, Tick};
use domain::machine::{Core, Memory};
use domain::units::Bytes;

const GIB: u64 = 1 << 30;

fn machine() -> Sample {
    Sample {
        cores: vec![Core { usage: None, mhz: None }; 8],
        memory: Some(Memory {
            total: Bytes(64 * GIB),
            available: Bytes(60 * GIB),
            used: Bytes(4 * GIB),
            swap_total: Bytes(8 * GIB),
            swap_used: Bytes(0),
        }),
        ..Sample::default()
    }
}

fn read(bounds: &mut Bounds, tree: &Tree) -> Sample {
    let tick = Tick {
        files: tree,
        at: Duration::ZERO,
        interval: Duration::from_secs(1),
        is_virtual: false,
        pids: &[],
        foreign: &[],
        tenants: &[],
    };
    let mut sample = machine();
    for name in ["cpu", "memory"] {
        let of = format!("1 of {}", sample.memory.unwrap().total);
        sample.sources.push(tick.row(name, "", Figure::measured(of, "a test")));
    }
    bounds.read(&tick, &mut sample);
    sample
}

/// The limits in a sample, as text.
fn told(sample: &Sample) -> String {
    let (allowed, memory) = (&sample.allowed, sample.memory.unwrap());
    let by = if allowed.threads_by.is_empty() { String::new() } else { format!(" by {}", allowed.threads_by) };
    let whole = (Bytes(64 * GIB), Bytes(60 * GIB));
    let bounded = if let Some(limit) = &allowed.memory {
        assert_eq!((limit.total, limit.available), whole);
        format!("; memory {}, available {} by {}", memory.total.0, memory.available.0, limit.by)
    } else {
        assert_eq!((memory.total, memory.available), whole);
        String::new()
    };
    let has_swap = memory.swap_total == Bytes(8 * GIB);
    let swap = if has_swap { String::new() } else { format!("; swap {}", memory.swap_total.0) };
    format!("{} threads{by}{bounded}{swap}", sample.threads())
}

#[test]
fn each_layout_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/telemetry/allowed");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort_unstable();
    assert!(cases.len() > 15, "{cases:?}");
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let tree = Tree::default();
        change(&tree, &text);
        let expected = text.lines().find_map(|line| line.strip_prefix("#= ")).unwrap();
        let (expected, unreadable) = expected.split_once("; unreadable ").unwrap_or((expected, ""));
        let sample = read(&mut Bounds::default(), &tree);
        assert_eq!(told(&sample), expected, "{}", case.display());
        // The rows of the sources report it too.
        let row = |name: &str| row(&sample, name);
        assert_eq!(row("cpu").contains("usable ("), !sample.allowed.threads_by.is_empty(), "{}", row("cpu"));
        assert_eq!(row("memory").contains("limited by"), sample.allowed.memory.is_some(), "{}", row("memory"));
        assert!(row("memory").contains(&format!("of {}", sample.memory.unwrap().total)), "{}", row("memory"));
        for path in unreadable.split(", ").take(3) {
            assert!(row("memory").contains(path), "{} lacks {path}", row("memory"));
        }
    }
}

#[test]
fn what_changes_while_it_runs_is_seen() {
    let tree = Tree::default();
    change(&tree, include_str!("../../../tests/fixtures/telemetry/allowed/docker_v2.tree"));
    let mut bounds = Bounds::default();
    assert_eq!(read(&mut bounds, &tree).threads(), 2);
    // docker update --cpus 4 --memory 8g
    tree.set("sys/fs/cgroup/cpu.max", "400000 100000\n");
    tree.set("sys/fs/cgroup/memory.max", 8 * GIB);
    let sample = read(&mut bounds, &tree);
    assert_eq!((sample.threads(), sample.memory.unwrap().total), (4, Bytes(8 * GIB)));
    // taskset -p
    tree.set("proc/self/status", "Cpus_allowed_list:\t3\n");
    assert_eq!(read(&mut bounds, &tree).threads(), 1);
    // Moved to another group.
    tree.set("proc/self/status", "Cpus_allowed_list:\t0-7\n");
    tree.set("proc/self/cgroup", "0::/other\n");
    tree.set("sys/fs/cgroup/other/cpu.max", "300000 100000\n");
    assert_eq!(read(&mut bounds, &tree).threads(), 3);
}

#[test]
fn openmps_variables_count_as_for_nproc() {
    let tree = Tree::default();
    for (threads, limit, expected, by) in [
        (Some("2"), None, 2, "OMP_NUM_THREADS"),
        (None, Some("3"), 3, "OMP_THREAD_LIMIT"),
        (Some("4,2"), Some("1"), 1, "OMP_THREAD_LIMIT"),
        // More threads than processors would only wait for each other.
        (Some("16"), None, 8, ""),
        (Some("many"), Some("0"), 8, ""),
    ] {
        let openmp = [threads, limit].map(|text| text.map(ToOwned::to_owned));
        let mut bounds = Bounds { openmp, ..Bounds::default() };
        let sample = read(&mut bounds, &tree);
        assert_eq!((sample.threads(), &*sample.allowed.threads_by), (expected, by), "{threads:?} {limit:?}");
    }
}
