//! Models on a real cluster of Slurm: slurmctld, two slurmd and munge, started by the test. Without Slurm's programs it says
//! that it is skipped; `./dev slurm-test` installs them.
#![cfg(all(target_os = "linux", feature = "llama"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

mod cluster;
mod failures;
mod sessions;
mod suites;
#[path = "../program/support.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod support;
mod users;

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::Cluster;
use support::{Home, PATIENCE, Ran, poll};

const OFTEN: Duration = Duration::from_millis(100);

/// A command of a home on a cluster.
fn command(home: &Home, cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command.env("SLURM_CONF", cluster.conf());
    command
}

fn run(home: &Home, cluster: &Cluster, arguments: &[&str]) -> Ran {
    command(home, cluster, arguments).output().unwrap().into()
}

fn begin(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a process writes to its standard error, as it comes.
fn listen(child: &mut Child) -> Arc<Mutex<String>> {
    let mut input = child.stderr.take().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            heard.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    said
}

/// `taffrail serve` on a cluster, which starts sessions there.
struct Served {
    home: Home,
    child: Child,
}

impl Served {
    fn start(cluster: &Cluster) -> Self {
        Self::with(cluster, &[])
    }

    /// The same with these variables.
    fn with(cluster: &Cluster, variables: &[(&str, &str)]) -> Self {
        let home = Home::served();
        let child = Self::begin(&home, cluster, variables);
        Self { home, child }
    }

    fn begin(home: &Home, cluster: &Cluster, variables: &[(&str, &str)]) -> Child {
        let mut serve = command(home, cluster, &["serve"]);
        serve.envs(variables.iter().copied());
        serve.env("TAFFRAIL_SESSION_ON", "slurm");
        let child = begin(serve);
        assert!(poll(PATIENCE, OFTEN, || home.server().is_some()), "no server");
        child
    }

    /// What `taffrail ps` says of its sessions.
    fn sessions(&self, cluster: &Cluster) -> Vec<serde_json::Value> {
        run(&self.home, cluster, &["ps", "--json"]).json()["sessions"].as_array().unwrap().clone()
    }

    /// Wait until its only session is so.
    fn until(&self, cluster: &Cluster, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
        let seen = || self.sessions(cluster);
        let is_so = || seen().first().is_some_and(&is_so);
        assert!(poll(3 * PATIENCE, OFTEN, is_so), "waited in vain for {what}: {:#?}\n{}", seen(), cluster.logs());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is left of jobs in a home.
fn folders(home: &Home) -> usize {
    std::fs::read_dir(home.path("data/taffrail/slurm")).map_or(0, Iterator::count)
}

#[test]
fn a_prompt_is_answered_by_a_job_and_nothing_is_left() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    let ran = run(&home, &cluster, &["run", "ishmael-1m", "Call me", "--on", "slurm", "-n", "12", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    let document = ran.json();
    assert!(document["text"].as_str().is_some_and(|text| !text.is_empty()), "{document:#}");
    assert!(ran.stdout.contains("whose sensors are not read"), "energy is unknown, with its reason: {document:#}");
    cluster.until("no job", |cluster| cluster.jobs().is_empty());
    assert_eq!(folders(&home), 0);
    // The same model elsewhere says the same.
    let here = run(&home, &cluster, &["run", "ishmael-1m", "Call me", "-n", "12", "--temp", "0", "--json"]);
    let there = run(
        &home,
        &cluster,
        &["run", "ishmael-1m", "Call me", "-n", "12", "--temp", "0", "--json", "--on", "slurm:cpu"],
    );
    assert_eq!(here.json()["text"], there.json()["text"]);
}

#[test]
fn what_can_never_start_says_why_and_what_to_do() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    let cases: &[(&[&str], &str, &str)] = &[
        (&["--on", "slurm:nope"], "the cluster has no partition `nope`", "it has cpu, urgent"),
        (
            &["--on", "slurm", "--gpu-layers", "9"],
            "a GPU is asked for, and the partition cpu has none",
            "these partitions have: gpu; without GPUs: --gpu-layers 0",
        ),
        (&["--on", "slurm", "--threads", "64"], "no node of cpu has more than 1", "lower `threads`"),
        (&["--on", "slurm", "--set", "slurm.time_limit=9-00:00:00"], "would never start", "lower time_limit"),
        (&["--on", "slurm", "--set", "slurm.options=[\"--nodelist=n9\"]"], "nvalid node", ""),
    ];
    for (options, reason, hint) in cases {
        let ran = run(&home, &cluster, &[&["run", "ishmael-1m", "Call me"], *options].concat());
        assert_eq!(ran.code, Some(1), "{options:?}: {ran:?}");
        assert!(ran.stderr.contains(reason) && ran.stderr.contains(hint), "{options:?}: {}", ran.stderr);
    }
    let mut missing = command(&home, &cluster, &["run", "ishmael-1m", "Call me", "--on", "slurm"]);
    let ran = Ran::from(missing.env("PATH", "/nowhere").output().unwrap());
    assert!(ran.stderr.contains("is not on this machine") && ran.stderr.contains("login node"), "{ran:?}");
    assert_eq!(cluster.jobs(), Vec::<[String; 3]>::new());
    assert_eq!(folders(&home), 0);
}

#[test]
fn a_job_that_waits_says_why_and_a_stop_cancels_it() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    cluster.fill("cpu", 2);
    let mut child = begin(command(&home, &cluster, &["run", "ishmael-1m", "Call me", "-n", "8", "--on", "slurm"]));
    cluster.until("a third job", |cluster| cluster.jobs().len() == 3);
    let told = listen(&mut child);
    let tells = || told.lock().unwrap().contains("(Resources)") || told.lock().unwrap().contains("(Priority)");
    assert!(poll(PATIENCE, OFTEN, tells), "{}", told.lock().unwrap());
    support::signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    cluster.until("two jobs", |cluster| cluster.jobs().len() == 2);
    assert_eq!(folders(&home), 0);
    // One that a model's file is gone for by the time it begins says so.
    let copy = home.path("models/copy.gguf");
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::copy(support::starter("ishmael-1m"), &copy).unwrap();
    let child = begin(command(&home, &cluster, &["run", copy.to_str().unwrap(), "Call me", "--on", "slurm"]));
    cluster.until("a third job", |cluster| cluster.jobs().len() == 3);
    std::fs::remove_file(&copy).unwrap();
    let _ = cluster.output("scancel", &["--state=RUNNING"]);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(
        ran.stderr.contains("can't be read on") && ran.stderr.contains("file system that all nodes have"),
        "{ran:?}"
    );
}
