//! Models on a real cluster of Slurm: slurmctld, two slurmd and munge, started by the test. Without Slurm's programs it says
//! that it is skipped; `./dev slurm-test` installs them.
#![cfg(all(target_os = "linux", feature = "llama"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

mod cluster;
#[path = "../program/support.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

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

/// What is left of jobs in a home.
fn folders(home: &Home) -> usize {
    std::fs::read_dir(home.path("data/taffrail/slurm")).map_or(0, Iterator::count)
}

/// A suite of so many prompts, each of which any answer passes.
fn suite(home: &Home, n_prompts: usize) -> String {
    let prompt = |number: usize| {
        let checks = "checks = [{ max_words = 1000 }]";
        format!("[[prompt]]\nid = \"p{number}\"\ntext = \"Call me {number}\"\n{checks}\n")
    };
    let prompts: String = (0..n_prompts).map(prompt).collect();
    let text = format!("name = \"many\"\nmax_tokens = 24\n{prompts}");
    home.write("many.toml", text).display().to_string()
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
            "--gpu-layers 0",
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
    for _ in 0..2 {
        let filled = cluster.output("sbatch", &["--mem=10M", "--output=/dev/null", "--wrap=exec sleep 600"]);
        assert!(filled.status.success(), "{filled:?}");
    }
    cluster.until("two jobs that run", |cluster| cluster.jobs().iter().filter(|job| job[1] == "RUNNING").count() == 2);
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

/// Fifty prompts over two nodes, one of which loses its slurmd and all that ran on it.
#[test]
fn a_suite_loses_a_node_and_answers_every_prompt_once() {
    let Some(mut cluster) = Cluster::start() else { return };
    let home = Home::new();
    let file = suite(&home, 50);
    let child = begin(command(&home, &cluster, &["suite", &file, "ishmael-4m", "--on", "slurm", "--json"]));
    let on = |cluster: &Cluster, node: &str| cluster.jobs().iter().any(|job| job[1] == "RUNNING" && job[2] == node);
    cluster.until("two jobs that run", |cluster| on(cluster, "n1") && on(cluster, "n2"));
    let answers = home.path("cache/taffrail/suites");
    let kept = || {
        let files = std::fs::read_dir(&answers).into_iter().flatten().flatten();
        files.map(|file| lines(&file.path()).len()).sum::<usize>()
    };
    cluster.until("some answers", |_| kept() >= 5);
    let n_before = kept();
    cluster.kill_slurmd("n1");
    for pid in of_node(&cluster, "n1") {
        support::signal(pid, "KILL");
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(n_before < 50, "the node was lost too late to matter");
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    assert_eq!(kept(), 50);
    let document = ran.json();
    assert!(ran.stdout.contains("\"p49\""), "{document:#}");
    let mut ids: Vec<String> = Vec::new();
    for file in std::fs::read_dir(&answers).unwrap().flatten() {
        for line in lines(&file.path()) {
            let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
            ids.push(answer["prompt"].as_str().unwrap().to_owned());
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50, "each prompt once");
    cluster.until("no job of the suite", |cluster| cluster.jobs().is_empty());
}

/// The answers of a file.
fn lines(file: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The processes of the job on a node.
fn of_node(cluster: &Cluster, node: &str) -> Vec<u32> {
    let jobs = cluster.jobs();
    let job = &jobs.iter().find(|job| job[2] == node).unwrap()[0];
    let wanted = format!("SLURM_JOB_ID={job}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_of_job = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_node = String::from_utf8_lossy(&line).contains("worker-node");
        // Another cluster's job may have the same number.
        is_node
            && environment.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes())
            && String::from_utf8_lossy(&environment).contains(cluster.conf().to_str().unwrap())
    };
    pids.filter(is_of_job).collect()
}

#[test]
fn a_server_that_dies_finds_its_job_again() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::served();
    let serve = |home: &Home| {
        let mut serve = command(home, &cluster, &["serve"]);
        serve.env("TAFFRAIL_SESSION_ON", "slurm");
        begin(serve)
    };
    let jobs = |home: &Home| {
        let ran = run(home, &cluster, &["ps", "--json"]);
        let sessions = ran.json()["sessions"].as_array().unwrap().clone();
        let ready: Vec<u64> = sessions
            .iter()
            .filter(|session| session["state"] == "ready")
            .filter_map(|session| session["job"]["id"].as_u64())
            .collect();
        ready
    };
    let mut first = serve(&home);
    assert!(poll(PATIENCE, OFTEN, || home.server().is_some()));
    // A chat's session stays with the server that has it.
    let mut dashboard = support::Terminal::open_with(&home, 120, 40, &[]);
    dashboard.see("ishmael-1m");
    dashboard.send("\r");
    assert!(poll(2 * PATIENCE, OFTEN, || jobs(&home).len() == 1), "{}\n{}", dashboard.text(), cluster.logs());
    let before = jobs(&home);
    dashboard.close();
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(cluster.jobs().len(), 1, "the job goes on");
    let mut second = serve(&home);
    assert!(poll(2 * PATIENCE, OFTEN, || home.server().is_some() && jobs(&home) == before), "{}", cluster.logs());
    // An orderly end leaves it as well, for the next start.
    support::signal(second.id(), "TERM");
    second.wait().unwrap();
    assert_eq!(cluster.jobs().len(), 1, "the job goes on");
}
