//! What Slurm does to a job, and what is said of it.

use super::*;

/// An answer that is longer than any test.
const LONG: [&str; 9] =
    ["run", "ishmael-4m", "The sea", "-n", "2000000", "--set", "session.context_full=shift", "--on", "slurm"];

#[test]
fn a_session_makes_room_and_comes_back() {
    let Some(cluster) = Cluster::start() else { return };
    let other = cluster.fill("cpu", 1);
    let served = Served::start(&cluster);
    let mut dashboard = support::Terminal::open_with(&served.home, 120, 40, &[]);
    dashboard.see("ishmael-1m");
    dashboard.send("\r");
    served.until(&cluster, "a session that is ready", |session| session["state"] == "ready");
    let job = served.sessions(&cluster)[0]["job"]["id"].to_string();
    // Both nodes are wanted, so that its own is among them.
    let urgent = cluster.fill("urgent", 2);
    served.until(&cluster, "a session that waits", |session| session["state"] == "pending");
    served.until(&cluster, "the reason", |session| {
        let reason = session["job"]["reason"].as_str().unwrap_or_default();
        reason.contains("had to make room for a job of a higher priority") && session["job"]["requeued"] == 1
    });
    dashboard.see("had to make room");
    for one in urgent.iter().chain(&other) {
        cluster.ask("scancel", &[one]);
    }
    // Slurm has it wait for two minutes otherwise.
    cluster.until("the job in the queue", |cluster| {
        cluster.ask("squeue", &["-h", "-j", &job, "-o", "%T"]).contains("PENDING")
    });
    let update = format!("JobId={job}");
    cluster.until("a job that may begin", |cluster| {
        cluster.output("scontrol", &["update", &update, "StartTime=now"]).status.success()
    });
    served.until(&cluster, "a session that is ready again", |session| session["state"] == "ready");
    dashboard.close();
}

#[test]
fn a_job_that_stands_still_is_suspended_and_goes_on() {
    let Some(cluster) = Cluster::start() else { return };
    let served = Served::start(&cluster);
    let mut dashboard = support::Terminal::open_with(&served.home, 120, 40, &[]);
    dashboard.see("ishmael-1m");
    dashboard.send("\r");
    served.until(&cluster, "a session that is ready", |session| session["state"] == "ready");
    let job = served.sessions(&cluster)[0]["job"]["id"].to_string();
    assert!(cluster.output("scontrol", &["suspend", &job]).status.success());
    served.until(&cluster, "a session that stands still", |session| session["state"] == "suspended");
    dashboard.see("suspended");
    assert!(cluster.output("scontrol", &["resume", &job]).status.success());
    served.until(&cluster, "a session that is ready again", |session| session["state"] == "ready");
    dashboard.close();
}

#[test]
fn a_job_waits_and_is_put_back_no_more_often_than_it_may() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    let filled = cluster.fill("cpu", 2);
    let started = ["run", "ishmael-1m", "Call me", "--on", "slurm"];
    let ran = run(&home, &cluster, &[&started[..], &["--set", "slurm.max_pending_s=3"]].concat());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("had not begun after 3") && ran.stderr.contains("max_pending_s"), "{}", ran.stderr);
    cluster.until("two jobs", |cluster| cluster.jobs().len() == 2);
    for job in filled {
        cluster.ask("scancel", &[&job]);
    }
    // One that is put back once too often is given up; a long answer keeps it busy meanwhile.
    let child = begin(command(&home, &cluster, &[&LONG[..], &["--set", "slurm.max_requeues=1"]].concat()));
    let connected = || std::fs::read_dir(home.path("data/taffrail/slurm")).into_iter().flatten().flatten();
    let n_starts = || connected().filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten().flatten();
    let listens = |name: &str| n_starts().any(|file| file.file_name().to_string_lossy() == name);
    cluster.until("a worker that listens", |_| listens("node-0.json"));
    let job = cluster.jobs()[0][0].clone();
    assert!(cluster.output("scontrol", &["requeue", &job]).status.success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    // A single answer is lost with its node.
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("was put back into the queue"), "{}", ran.stderr);
    cluster.until("no job", |cluster| cluster.jobs().is_empty());
    let child = begin(command(&home, &cluster, &[&LONG[..], &["--set", "slurm.max_requeues=0"]].concat()));
    cluster.until("a worker that listens", |_| listens("node-0.json"));
    cluster.fill("urgent", 2);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("preempted") || ran.stderr.contains("make room"), "{}", ran.stderr);
}

#[test]
fn nodes_that_are_not_there_are_told_of() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    // The partition `gpu` has a node with GPUs whose slurmd does not run.
    let gpu = ["run", "ishmael-1m", "Call me", "--on", "slurm:gpu", "--gpu-layers", "2"];
    let mut child = begin(command(&home, &cluster, &gpu));
    let told = listen(&mut child);
    let says = |words: &str| told.lock().unwrap().contains(words);
    assert!(poll(PATIENCE, OFTEN, || says("down, drained or reserved")), "{}", told.lock().unwrap());
    assert!(says("sinfo -R"), "{}", told.lock().unwrap());
    support::signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    cluster.until("no job", |cluster| cluster.jobs().is_empty());
}

#[test]
fn a_time_limit_ends_a_session_and_is_named() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    let child = begin(command(&home, &cluster, &[&LONG[..], &["--set", "slurm.time_limit=1"]].concat()));
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("reached its time limit") && ran.stderr.contains("time_limit"), "{}", ran.stderr);
}
