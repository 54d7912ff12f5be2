//! Other programs' processes: a recorded `/proc`, and real ones that this test starts and terminates.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::nvidia::{card, machine};
use super::*;
use crate::telemetry::{EndSignal, Root, signal};
use domain::machine::other_processes::OtherProcess;
use domain::units::Bytes;

/// A process with this many MiB resident and in address space, a name, and arguments. The format of `stat` is that of
/// `proc_pid_stat(5)`.
fn start(tree: &Tree, pid: u32, name: &str, line: &str, mebibytes: u64) {
    let (size, pages) = (mebibytes << 20, mebibytes << 8);
    let fields = format!("S 1 1 1 0 -1 0 0 0 0 0 10 0 0 0 20 0 1 0 {pid}00 {size} {pages}");
    tree.set(&format!("proc/{pid}/stat"), format!("{pid} ({name}) {fields}"));
    tree.set(&format!("proc/{pid}/status"), "VmRSS:\t  4000 kB\nRssAnon:\t  1000 kB\nVmSwap:\t  0 kB\n");
    tree.set(&format!("proc/{pid}/cmdline"), line.replace(' ', "\0"));
    tree.set(&format!("proc/{pid}/exe"), line.split(' ').next().unwrap());
    tree.set(&format!("proc/{pid}/maps"), "55d0-55e0 r-xp 0 08:01 1 /usr/bin/x\n");
}

fn maps(tree: &Tree, pid: u32, path: &str) {
    let line = format!("7f0000000000-7f0000100000 r--s 00000000 08:01 99                         {path}\n");
    tree.set(&format!("proc/{pid}/maps"), format!("{line}7ffc-7ffd rw-p 0 00:00 0      [stack]\n"));
}

fn told(foreign: &[OtherProcess]) -> Vec<String> {
    let text = |foreign: &OtherProcess| {
        format!("{} {} {}", foreign.process.pid, foreign.engine, foreign.model.as_deref().unwrap_or("—"))
    };
    foreign.iter().map(text).collect()
}

#[test]
fn engines_are_rows_until_they_end() {
    let tree = Tree::workstation();
    start(&tree, 700, "ollama", "/usr/bin/ollama runner --model /b/sha256-1 --port 1", 900);
    start(&tree, 701, "python3", "/usr/bin/python3 -c pass", 30);
    maps(&tree, 701, "/m/a.gguf");
    start(&tree, 702, "bash", "/bin/bash", 4);
    // A worker of ours, a process about to become one, and a kernel thread.
    start(&tree, 703, "llama-server", "/x/llama-server -m /m/a.gguf", 100);
    start(&tree, 704, "llama-server", "/x/llama-server -m /m/a.gguf", 100);
    let own = std::process::id();
    tree.set(
        "proc/704/stat",
        format!("704 (llama-server) S {own} 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 7 900000000 90000"),
    );
    tree.set("proc/2/stat", "2 (kthreadd) S 0 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0");
    let mut sampler = sampler(&tree);
    // Found at the first tick, measured from the second on.
    assert_eq!(told(&sampler.sample(at(0), &[703]).foreign), [""; 0]);
    let sample = sampler.sample(at(1000), &[703]);
    let both = ["700 ollama runner /b/sha256-1", "701 python /m/a.gguf"];
    assert_eq!(told(&sample.foreign), both);
    assert_eq!(row(&sample, "foreign"), "2 found");
    assert_eq!(sample.processes.iter().map(|process| process.pid).collect::<Vec<_>>(), [703]);
    assert_eq!(row(&sample, "processes"), "taffrail and 1 worker");
    let python = &sample.foreign[1];
    assert_eq!((python.started, python.mapped), (70_100, Bytes(1 << 20)));
    assert_eq!(python.process.resident, Bytes(4_096_000));
    assert_eq!(python.weights_in_memory(), Bytes(1 << 20));
    assert!(python.process.cpu_share.is_none());
    assert!(sampler.sample(at(2000), &[703]).foreign[1].process.cpu_share.is_some());

    // It exits between two scans: its row disappears at the next tick.
    tree.remove("proc/701/");
    assert_eq!(told(&sampler.sample(at(2500), &[703]).foreign), both[..1]);
    // A process that exits during a reading, after its command line was read.
    start(&tree, 705, "llama-cli", "/x/llama-cli -m /m/b.gguf", 100);
    tree.remove("proc/705/maps");
    tree.remove("proc/705/status");
    sampler.sample(at(6000), &[703]);
    assert_eq!(told(&sampler.sample(at(7000), &[703]).foreign), both[..1]);
    // Its id is reused by another program.
    tree.remove("proc/700/");
    start(&tree, 700, "vim", "/usr/bin/vim", 20);
    sampler.sample(at(10_000), &[703]);
    assert_eq!(row(&sampler.sample(at(11_000), &[703]), "foreign"), "1 found");
}

#[test]
fn lists_of_files_are_read_of_new_and_grown_processes_only() {
    let tree = Tree::workstation();
    start(&tree, 700, "python3", "/usr/bin/python3 /x/serve.py", 30);
    let mut sampler = sampler(&tree);
    let second = |second: u64| at(second * 1000);
    let read = |tree: &Tree| {
        let asked = tree.asked("proc/700/").into_iter().any(|name| name == "maps");
        tree.1.lock().unwrap().clear();
        asked
    };
    sampler.sample(second(0), &[]);
    assert!(read(&tree), "new");
    maps(&tree, 700, "/m/a.safetensors");
    for tick in [3, 6, 9] {
        sampler.sample(second(tick), &[]);
        assert!(!read(&tree), "unchanged");
    }
    start(&tree, 700, "python3", "/usr/bin/python3 /x/serve.py", 31);
    maps(&tree, 700, "/m/a.safetensors");
    sampler.sample(second(12), &[]);
    assert!(!read(&tree), "grown by little");
    start(&tree, 700, "python3", "/usr/bin/python3 /x/serve.py", 60);
    maps(&tree, 700, "/m/a.safetensors");
    sampler.sample(second(15), &[]);
    assert!(read(&tree), "grown by a model");
    assert_eq!(told(&sampler.sample(second(16), &[]).foreign), ["700 python serve.py /m/a.safetensors"]);
}

#[test]
fn the_first_round_finds_what_runs_and_later_ones_read_few_lists() {
    let tree = Tree::workstation();
    let start = |pids: std::ops::Range<u32>| {
        for pid in pids {
            start(&tree, pid, "llama-server", "/x/llama-server -m /m/a.gguf", 100);
        }
    };
    start(700..720);
    let mut sampler = sampler(&tree);
    let mut count = |second: u64| {
        sampler.sample(at(second * 1000), &[]);
        sampler.sample(at(second * 1000 + 500), &[]).foreign.len()
    };
    assert_eq!(count(0), 20);
    start(720..740);
    assert_eq!([3, 6, 9, 12].map(&mut count), [28, 36, 40, 40]);
}

#[test]
fn what_may_not_be_seen_is_said() {
    let tree = Tree::workstation();
    start(&tree, 700, "llama-server", "/x/llama-server -m /m/a.gguf", 100);
    tree.fail("proc/700/maps", ErrorKind::PermissionDenied);
    tree.fail("proc/700/exe", ErrorKind::PermissionDenied);
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[]);
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!(told(&sample.foreign), ["700 llama-server /m/a.gguf"]);
    assert!(sample.foreign[0].closed);
    assert_eq!(row(&sample, "foreign"), "1 found · 1 of another user");
    // Nothing is readable.
    tree.fail("proc", ErrorKind::PermissionDenied);
    let sample = sampler.sample(at(5000), &[]);
    assert!(row(&sample, "foreign").starts_with("— the system does not list its processes → "));
}

#[test]
fn a_python_that_holds_a_gpu_is_one() {
    let (tree, _, mut sampler) = machine(Reading { processes: vec![(700, 5 << 30), (701, 1 << 28)], ..card() });
    start(&tree, 700, "python3", "/usr/bin/python3 /x/train.py", 900);
    start(&tree, 701, "Xorg", "/usr/lib/xorg/Xorg :0", 90);
    for second in 0..6 {
        sampler.sample(at(second * 1000), &[]);
    }
    let sample = sampler.sample(at(7000), &[]);
    assert_eq!(told(&sample.foreign), ["700 python train.py —"]);
    assert_eq!(sample.foreign[0].gpu_memory, Some(Bytes(5 << 30)));
}

/// A process that is not our child, so that it counts as foreign: a shell starts it and waits. `ready` is a line that
/// the process or the shell prints. It is killed by its own id on drop.
struct Orphan(Child, u32);

impl Orphan {
    fn start(script: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg("sh").args(arguments);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        // Either of the two may print first.
        let told = [(); 2].map(|()| lines.next().unwrap().unwrap());
        assert!(told.iter().any(|line| line == "ready"), "{told:?}");
        let pid = told.iter().find_map(|line| line.parse().ok()).unwrap();
        // Further output must not kill it with a broken pipe.
        std::mem::forget(lines);
        Self(shell, pid)
    }

    /// Its start time, in clock ticks.
    fn started(&self) -> Option<u64> {
        let text = Root("/".into()).text(&format!("proc/{}/stat", self.1)).ok()?;
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        if fields[0] == "Z" { None } else { fields[19].parse().ok() }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(started) = self.started() {
            let _ = signal(self.1, started, EndSignal::Kill);
        }
        let _ = self.0.wait();
    }
}

/// The sampler's entry for a process, once it is found.
fn found(sampler: &mut Sampler, pid: u32) -> OtherProcess {
    for second in 0..120 {
        let sample = sampler.sample(at(second * 3000), &[]);
        if let Some(foreign) = sample.foreign.into_iter().find(|foreign| foreign.process.pid == pid) {
            return foreign;
        }
    }
    panic!("process {pid} was not found");
}

#[cfg(target_os = "linux")]
#[test]
fn real_processes_are_found_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.gguf");
    std::fs::File::create(&model).unwrap().write_all(&vec![7; 3 << 20]).unwrap();
    let server = folder.path().join("llama-server");
    // A copy of another program under the name of an engine: the shell ignores options that it does not know.
    let shell = Command::new("sh").arg("-c").arg("command -v sh").output().unwrap().stdout;
    std::fs::copy(String::from_utf8(shell).unwrap().trim(), &server).unwrap();
    let (model, server) = (model.to_str().unwrap(), server.to_str().unwrap());

    let mut sampler = Sampler::new("/".into(), Duration::from_secs(1)).patient(Duration::from_mins(1));
    let shell = "exec 3<&0; \"$1\" -c 'echo ready; read line' x -m \"$2\" <&3 & echo $!; wait";
    let program = Orphan::start(shell, &[server, model]);
    let foreign = found(&mut sampler, program.1);
    assert_eq!((foreign.engine.as_str(), foreign.model.as_deref()), ("llama-server", Some(model)));
    assert_eq!(Some(foreign.started), program.started());
    // Another start is another process.
    assert!(signal(program.1, foreign.started + 1, EndSignal::Kill).unwrap_err().contains("ended already"));
    assert!(program.started().is_some());
    signal(program.1, foreign.started, EndSignal::Terminate).unwrap();
    while program.started().is_some() {
        std::thread::yield_now();
    }
    assert!(signal(program.1, foreign.started, EndSignal::Kill).unwrap_err().contains("ended already"));

    let python = Command::new("sh").arg("-c").arg("command -v python3").output().unwrap();
    if python.status.success() {
        let code = "import mmap,sys;f=open(sys.argv[1],'rb');m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ);sum(m[::4096]);\
                    print('ready',flush=True);sys.stdin.read()";
        let script = "exec 3<&0; python3 -c \"$2\" \"$1\" <&3 & echo $!; wait";
        let mapper = Orphan::start(script, &[model, code]);
        let foreign = found(&mut sampler, mapper.1);
        assert_eq!((foreign.engine.as_str(), foreign.model.as_deref()), ("python", Some(model)));
        assert_eq!(foreign.weights_in_memory(), Bytes(3 << 20));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn our_own_are_never_told_to_end() {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<_> = text.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let started = fields[19].parse().unwrap();
    assert!(signal(child.id(), started, EndSignal::Kill).unwrap_err().contains("own"));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(signal(u32::MAX, 0, EndSignal::Kill).unwrap_err().contains("ended already"));
}
