//! The processor, the processes, and the sampler on the real machine.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use super::*;
use crate::telemetry::{Root, spawn};
use domain::machine::Process;
use domain::units::{Bytes, Ratio};

const STAT: &str = "cpu  10000 200 3000 80000 500 0 100 40 60 0\n\
                    cpu0 6000 100 2000 38000 300 0 60 20 30 0\n\
                    cpu1 4000 100 1000 42000 200 0 40 20 30 0\nintr 1\n";
/// 200 ticks later: core 0 was busy all the time, core 1 a quarter of it.
const LATER: &str = "cpu  10090 210 3020 80070 505 0 105 40 60 0\n\
                     cpu0 6080 110 2010 38000 300 0 60 20 30 0\n\
                     cpu1 4010 100 1010 42070 205 0 45 20 30 0\nintr 1\n";

fn percent(share: Option<Ratio>) -> Option<i64> {
    share.map(|share| (share.0 * 100.0).round() as i64)
}

#[test]
fn cores_tell_their_busy_time_after_two_readings() {
    let tree = Tree::workstation();
    let mut sampler = sampler(&tree);
    let first = sampler.sample(at(0), &[]);
    assert_eq!((first.cpu, first.cores.len(), first.cores[0].usage), (None, 2, None));
    assert_eq!([first.cores[0].mhz, first.cores[1].mhz], [Some(3800), Some(800)]);
    assert_eq!(first.host.processor, "Intel(R) Core(TM) i7-10700KF CPU @ 3.80GHz");
    assert_eq!(first.elapsed, Duration::ZERO);

    tree.set("proc/stat", LATER);
    tree.set("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", 4_200_000);
    let second = sampler.sample(at(1000), &[]);
    assert_eq!(percent(second.cpu), Some(63));
    assert_eq!([percent(second.cores[0].usage), percent(second.cores[1].usage)], [Some(100), Some(25)]);
    assert_eq!(second.elapsed, Duration::from_secs(1));
    // Clocks are read less often.
    assert_eq!(second.cores[0].mhz, Some(3800));
    assert_eq!(sampler.sample(at(2000), &[]).cores[0].mhz, Some(4200));
}

#[test]
fn time_that_makes_no_sense_is_unknown() {
    for (name, before, after) in [
        ("no tick", STAT.to_owned(), STAT.to_owned()),
        ("backwards", LATER.to_owned(), STAT.to_owned()),
        ("a core came", STAT.to_owned(), format!("{}cpu2 1 1 1 1 1 1 1 0 0 0\n", LATER.trim_end_matches("intr 1\n"))),
    ] {
        let tree = Tree::workstation();
        tree.set("proc/stat", before);
        let mut sampler = sampler(&tree);
        sampler.sample(at(0), &[4242]);
        tree.set("proc/stat", after);
        let sample = sampler.sample(at(1000), &[4242]);
        assert_eq!(sample.cpu, None, "{name}");
        assert!(sample.cores.iter().all(|core| core.usage.is_none()), "{name}");
    }
    // I/O wait time of a core may go backwards.
    let tree = Tree::workstation();
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[]);
    tree.set("proc/stat", STAT.replace("cpu  10000 200 3000 80000 500", "cpu  10050 200 3000 80050 400"));
    assert_eq!(percent(sampler.sample(at(1000), &[]).cpu), Some(100));
}

#[test]
fn memory_that_is_shared_is_told_of_one_process_at_a_time() {
    let tree = Tree::workstation();
    let mut sampler = sampler(&tree);
    let told = |sample: &Sample| {
        let process = sample.processes[0];
        (process.shared.map(|bytes| bytes.0 / 1024), process.proportional.map(|bytes| bytes.0 / 1024))
    };
    // If the breakdown is not readable by this user, all file-backed memory may be shared.
    tree.fail("proc/4242/smaps_rollup", ErrorKind::PermissionDenied);
    assert_eq!(told(&sampler.sample(at(0), &[4242])), (Some(500_000), None));
    let rollup = |shared: u32, pss: u32| {
        format!(
            "5581-7ffd ---p 00000000 00:00 0    [rollup]\nRss: 600000 kB\nPss: {pss} kB\nShared_Clean: {shared} kB\n"
        )
    };
    tree.set("proc/4242/smaps_rollup", rollup(200_000, 450_000));
    assert_eq!(told(&sampler.sample(at(1000), &[4242])), (Some(200_000), Some(450_000)));
    // The kernel walks all pages for it, so it is not read at each tick.
    tree.set("proc/4242/smaps_rollup", rollup(100_000, 500_000));
    for second in 2..11 {
        assert_eq!(told(&sampler.sample(at(second * 1000), &[4242])).1, Some(450_000), "second {second}");
    }
    assert_eq!(told(&sampler.sample(at(11_000), &[4242])), (Some(100_000), Some(500_000)));
}

#[test]
fn processes_have_their_part_of_the_busy_time() {
    let tree = Tree::workstation();
    let mut sampler = sampler(&tree);
    let first = sampler.sample(at(0), &[4242, 4343]);
    // The machine has been up for 1000 s, and the process started after 400 s: 6 s of 600 s.
    let expected = Process {
        pid: 4242,
        cores: 0.01,
        cpu_share: None,
        cpu_seconds: Some(6.0),
        resident: Bytes(614_400_000),
        anonymous: Bytes(102_400_000),
        swapped: Bytes(2_048_000),
        // At most its file-backed memory.
        shared: Some(Bytes(512_000_000)),
        ..Process::default()
    };
    assert_eq!(first.processes, [expected], "the one that does not exist is absent");
    assert_eq!(first.own.map(|own| (own.pid, own.resident)), Some((std::process::id(), Bytes(2_048_000))));

    tree.set("proc/stat", LATER);
    let stat = tree.text("proc/4242/stat").unwrap().replace("500 100 7 8", "540 110 7 8");
    tree.set("proc/4242/stat", &stat);
    let second = sampler.sample(at(1000), &[4242]);
    let process = second.processes[0];
    assert!((process.cores - 0.5).abs() < 1e-9, "{}", process.cores);
    // 50 of the 125 busy ticks.
    assert_eq!(percent(process.cpu_share), Some(40));
    assert_eq!(row(&second, "processes"), "taffrail and 1 worker");

    // A new process with a reused id starts from scratch; a process that has ended is absent, whether it was reaped or
    // not.
    tree.set("proc/4242/stat", stat.replace(" 40000 ", " 100010 "));
    assert_eq!(sampler.sample(at(2000), &[4242]).processes[0].cpu_share, None);
    tree.set("proc/4242/stat", stat.replace(") S 1", ") Z 1"));
    assert_eq!(sampler.sample(at(3000), &[4242]).processes, []);
    tree.remove("proc/4242");
    assert_eq!(sampler.sample(at(4000), &[4242]).processes, []);
}

#[test]
fn damaged_files_are_no_process() {
    for stat in ["", "4242", "4242 (x", "4242 (x) S", "4242 (x) S 1 1 1 0 -1 0 0 0 0 0 a b 0 0 20 0 1 0 c"] {
        let tree = Tree::workstation();
        tree.set("proc/4242/stat", stat);
        assert_eq!(sampler(&tree).sample(at(0), &[4242]).processes, [], "{stat}");
    }
}

#[test]
fn a_share_is_never_more_than_the_whole() {
    let tree = Tree::workstation();
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[4242]);
    tree.set("proc/stat", LATER);
    let stat = tree.text("proc/4242/stat").unwrap().replace("500 100 7 8", "700 100 7 8");
    tree.set("proc/4242/stat", stat);
    assert_eq!(percent(sampler.sample(at(1000), &[4242]).processes[0].cpu_share), Some(100));
}

#[test]
fn each_source_has_a_row_and_says_what_is_missing() {
    let empty = Tree::default();
    for mut sampler in
        [Sampler::new("/".into(), Duration::from_secs(1)), sampler(&empty), sampler(&Tree::workstation())]
    {
        let sample = sampler.sample(at(0), &[]);
        let names: Vec<_> = sample.sources.iter().map(|row| row.name.as_str()).collect();
        let expected = [
            "perf",
            "powercap",
            "nvml",
            "amdgpu",
            "intel",
            "battery",
            "hwmon",
            "cpu",
            "processes",
            "limits",
            "memory",
            "pressure",
            "disks",
            "network",
            "foreign",
            "temperatures",
        ];
        assert_eq!(names, expected);
        assert!(sample.memory.is_some_and(|memory| memory.total > memory.available), "{:?}", sample.memory);
        assert!(!sample.cores.is_empty(), "the system itself tells the cores where there is no `/proc`");
        no_zero_watts(&sample);
    }
}

#[test]
fn a_process_that_ends_is_absent_from_then_on() {
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    let mut sampler = Sampler::new("/".into(), Duration::from_secs(1));
    let before = sampler.sample(at(0), &[pid]);
    child.kill().unwrap();
    child.wait().unwrap();
    let after = sampler.sample(at(1000), &[pid]);
    assert_eq!(before.processes.iter().map(|process| process.pid).collect::<Vec<_>>(), [pid]);
    assert!(before.processes[0].resident > Bytes(0));
    assert_eq!(after.processes, []);
    let own = after.own.unwrap();
    assert_eq!(own.pid, std::process::id());
    assert!(own.resident > Bytes(1_000_000));
}

/// The thread samples at once and continues until it is dropped.
#[test]
fn the_thread_follows_its_owner() {
    let patience = Duration::from_secs(20);
    let start = Instant::now();
    let clock = move || Moment { uptime: start.elapsed(), unix: 0 };
    let (send, samples) = mpsc::channel();
    let thread =
        spawn("/".into(), (Duration::ZERO, &BTreeMap::new()), clock, move |sample| send.send(sample).is_ok()).unwrap();
    let first = samples.recv_timeout(patience).unwrap();
    assert_eq!((first.elapsed, first.processes.len()), (Duration::ZERO, 0));

    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    thread.watch(vec![child.id()]);
    // One sample may have been in flight; a few are enough.
    let watched = samples.iter().take(5).find_map(|sample| sample.processes.first().map(|process| process.pid));
    child.kill().unwrap();
    assert_eq!(watched, Some(child.id()));
    child.wait().unwrap();
    let next = samples.recv_timeout(patience).unwrap();
    // Whatever interval is requested, it is not read more than four times a second.
    assert!(next.elapsed >= Duration::from_millis(100), "{:?}", next.elapsed);

    drop(thread);
    let end = std::iter::repeat_with(|| samples.recv_timeout(patience)).take(5).find_map(Result::err);
    assert_eq!(end, Some(RecvTimeoutError::Disconnected));
}

#[test]
fn the_thread_ends_when_nobody_listens() {
    let (send, samples) = mpsc::channel();
    let thread = spawn("/".into(), (Duration::from_secs(1), &BTreeMap::new()), Moment::default, move |sample| {
        assert!(send.send(sample).is_ok());
        false
    });
    assert!(samples.recv_timeout(Duration::from_secs(20)).is_ok());
    assert_eq!(samples.recv_timeout(Duration::from_secs(20)).err(), Some(RecvTimeoutError::Disconnected));
    drop(thread);
}

#[test]
fn files_are_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root(folder.path().to_owned());
    for (name, bytes) in [("number", &b" 42\n"[..]), ("bad", b"\xff1"), ("zeros", &vec![b'0'; 5 << 20])] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    assert_eq!(root.number("number").unwrap(), 42);
    assert_eq!(root.text("bad").unwrap(), "\u{fffd}1");
    assert_eq!(root.text("zeros").unwrap().len(), 4 << 20);
    for (path, kind) in [("bad", ErrorKind::InvalidData), ("none", ErrorKind::NotFound)] {
        assert_eq!(root.number(path).unwrap_err().kind(), kind);
    }
    assert_eq!(root.names("").unwrap(), ["bad", "number", "zeros"]);
    assert_eq!(root.names("none").unwrap_err().kind(), ErrorKind::NotFound);
}
