//! What Slurm does to a job, and what is said of it.

use super::*;

/// A dashboard with a session that is ready.
fn started(served: &Served, cluster: &Cluster) -> support::Terminal {
    let mut dashboard = support::Terminal::open_with(&served.home, 160, 40, &[]);
    dashboard.see("ishmael-1m");
    dashboard.send("\r");
    served.until(cluster, "a session that is ready", |session| session["state"] == "ready");
    dashboard
}

#[test]
fn a_session_makes_room_and_comes_back() {
    let Some(cluster) = Cluster::start() else { return };
    let other = cluster.fill("cpu", 1);
    let served = Served::start(&cluster);
    let mut dashboard = started(&served, &cluster);
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
    let mut dashboard = started(&served, &cluster);
    let job = served.sessions(&cluster)[0]["job"]["id"].to_string();
    assert!(cluster.output("scontrol", &["suspend", &job]).status.success());
    served.until(&cluster, "a session that stands still", |session| session["state"] == "suspended");
    dashboard.see("suspended");
    assert!(cluster.output("scontrol", &["resume", &job]).status.success());
    served.until(&cluster, "a session that is ready again", |session| session["state"] == "ready");
    dashboard.close();
}

#[test]
fn a_job_waits_no_longer_than_it_may() {
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
}

#[test]
fn a_job_that_is_put_back_too_often_is_given_up() {
    let Some(cluster) = Cluster::start() else { return };
    let served = Served::with(&cluster, &[("TAFFRAIL_SLURM_MAX_REQUEUES", "1")]);
    let mut dashboard = started(&served, &cluster);
    let job = served.sessions(&cluster)[0]["job"]["id"].to_string();
    assert!(cluster.output("scontrol", &["requeue", &job]).status.success());
    served.until(&cluster, "a session that waits", |session| session["state"] == "pending");
    dashboard.see("was put back into the queue by somebody");
    let update = format!("JobId={job}");
    cluster.until("a job that may begin", |cluster| {
        cluster.output("scontrol", &["update", &update, "StartTime=now"]).status.success()
    });
    served.until(&cluster, "a session that is ready again", |session| session["state"] == "ready");
    assert!(cluster.output("scontrol", &["requeue", &job]).status.success());
    dashboard.see("it lost its node 2 ti");
    cluster.until("no job", |cluster| cluster.jobs().is_empty());
    dashboard.close();
}

#[test]
fn a_job_that_may_not_be_put_back_ends_where_it_has_to_make_room() {
    let Some(cluster) = Cluster::start() else { return };
    let served = Served::with(&cluster, &[("TAFFRAIL_SLURM_MAX_REQUEUES", "0")]);
    let mut dashboard = started(&served, &cluster);
    cluster.fill("urgent", 2);
    dashboard.see("was preempted by a job of a higher priority");
    dashboard.close();
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
    let served = Served::with(&cluster, &[("TAFFRAIL_SLURM_TIME_LIMIT", "1")]);
    let mut dashboard = started(&served, &cluster);
    let left = served.sessions(&cluster)[0]["job"]["ends_in_s"].as_u64();
    assert!(left.is_some_and(|left| left <= 60), "{left:?}");
    served.until(&cluster, "a session whose time is up", |session| session["state"] == "failed");
    dashboard.see("reached its time limit");
    dashboard.close();
}
