//! Sessions as jobs: races, benches, a server and its dashboards.

use super::*;

#[test]
fn a_server_that_dies_finds_its_job_again() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::served();
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
    let mut first = Served::begin(&home, &cluster, &[]);
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
    let mut second = Served::begin(&home, &cluster, &[]);
    assert!(poll(2 * PATIENCE, OFTEN, || jobs(&home) == before), "{}", cluster.logs());
    // An orderly end leaves it as well, for the next start.
    support::signal(second.id(), "TERM");
    second.wait().unwrap();
    assert_eq!(cluster.jobs().len(), 1, "the job goes on");
}

#[test]
fn a_race_and_a_bench_run_as_jobs() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    let arguments = ["race", "ishmael-1m", "ishmael-4m", "-p", "Call me", "-n", "8", "--on", "slurm", "--json"];
    let ran = run(&home, &cluster, &arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    let document = ran.json();
    for column in document["columns"].as_array().unwrap_or_else(|| panic!("{document:#}")) {
        assert!(column["text"].as_str().is_some_and(|text| !text.is_empty()), "{document:#}");
    }
    cluster.until("no job of the race", |cluster| cluster.jobs().is_empty());
    let bench = ["bench", "ishmael-1m", "-p", "16", "-n", "8", "-r", "2", "--on", "slurm:cpu", "--json"];
    let ran = run(&home, &cluster, &bench);
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    assert!(ran.stdout.contains("tokens_per_second"), "{}", ran.stdout);
    cluster.until("no job of the bench", |cluster| cluster.jobs().is_empty());
    assert_eq!(folders(&home), 0);
}

#[test]
fn a_dashboard_starts_on_slurm_waits_chats_and_stops() {
    let Some(cluster) = Cluster::start() else { return };
    let jobs = cluster.fill("cpu", 2);
    let served = Served::start(&cluster);
    let mut dashboard = support::Terminal::open_with(&served.home, 120, 40, &[]);
    dashboard.see("ishmael-1m");
    dashboard.send("\r");
    // It waits, and says why.
    dashboard.see("pending");
    dashboard.wait("a reason", |text| text.contains("(Resources)") || text.contains("(Priority)"));
    dashboard.send("Call me\r");
    cluster.ask("scancel", &[&jobs[0]]);
    // What was written meanwhile is answered, and the time that is left counts down.
    dashboard.see("tok/s");
    dashboard.see("ready");
    let left = |session: &serde_json::Value| session["job"]["ends_in_s"].as_u64();
    served.until(&cluster, "the time that is left", |session| left(session).is_some_and(|left| left <= 1800));
    let before = left(&served.sessions(&cluster)[0]).unwrap();
    served.until(&cluster, "less time", |session| left(session).is_some_and(|left| left < before));
    cluster.until("the session's job", |cluster| cluster.jobs().len() == 2);
    // Stopping it cancels its job.
    dashboard.escape();
    dashboard.send("x");
    cluster.until("one job less", |cluster| cluster.jobs().len() == 1);
    dashboard.close();
}
