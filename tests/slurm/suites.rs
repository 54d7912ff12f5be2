//! Suites that spread over several jobs, and what becomes of them where nodes and programs are lost.

use super::*;

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

/// How many answers a home has kept, and of which prompts.
fn kept(home: &Home) -> Vec<String> {
    let files = std::fs::read_dir(home.path("cache/taffrail/suites")).into_iter().flatten().flatten();
    let answer = |line: &str| {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        answer["prompt"].as_str().unwrap().to_owned()
    };
    files
        .flat_map(|file| {
            std::fs::read_to_string(file.path()).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        // The last one may be half written.
        .filter(|line| line.ends_with('}'))
        .map(|line| answer(&line))
        .collect()
}

/// Prompts for half a minute on a fast machine.
const N_MANY: usize = 1500;

/// Whether each of so many prompts is answered, and once.
fn assert_each_once(home: &Home, n_prompts: usize) {
    let mut ids = kept(home);
    assert_eq!(ids.len(), n_prompts, "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), n_prompts, "each prompt once");
}

/// Wait until both nodes run a task of the same array.
fn until_both_run(cluster: &Cluster) -> String {
    let arrays = |cluster: &Cluster| {
        let running = cluster.tasks().into_iter().filter(|task| task.state == "RUNNING");
        running.map(|task| task.job).collect::<Vec<_>>()
    };
    cluster.until("two tasks that run", |cluster| arrays(cluster).len() == 2);
    let arrays = arrays(cluster);
    assert_eq!(arrays[0], arrays[1], "tasks of one array: {:?}", cluster.tasks());
    arrays[0].clone()
}

/// Fifty prompts over two nodes, one of which loses its slurmd and all that ran on it.
#[test]
fn a_suite_loses_a_node_and_answers_every_prompt_once() {
    let Some(mut cluster) = Cluster::start() else { return };
    let home = Home::new();
    let file = suite(&home, 50);
    let child = begin(command(&home, &cluster, &["suite", &file, "ishmael-4m", "--on", "slurm", "--json"]));
    until_both_run(&cluster);
    cluster.until("some answers", |_| kept(&home).len() >= 5);
    let n_before = kept(&home).len();
    cluster.kill_slurmd("n1");
    for pid in of_node(&cluster, "n1") {
        support::signal(pid, "KILL");
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(n_before < 50, "the node was lost too late to matter");
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    assert!(ran.stdout.contains("\"p49\""), "{:#}", ran.json());
    assert_each_once(&home, 50);
    cluster.until("no job of the suite", |cluster| cluster.jobs().is_empty());
}

#[test]
fn a_suite_that_is_killed_goes_on_with_the_tasks_of_its_array() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    let file = suite(&home, 40);
    let arguments = ["suite", &file, "ishmael-4m", "--on", "slurm", "--json"];
    let mut child = begin(command(&home, &cluster, &arguments));
    let array = until_both_run(&cluster);
    cluster.until("some answers", |_| kept(&home).len() >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(folders(&home), 2, "a folder for each task");
    let n_before = kept(&home).len();
    assert!(n_before < 40, "it was killed too late to matter");
    let ran = run(&home, &cluster, &arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    assert_each_once(&home, 40);
    cluster.until("no job of the suite", |cluster| cluster.jobs().is_empty());
    let all: std::collections::BTreeSet<String> =
        cluster.ask("squeue", &["-h", "-r", "-t", "all", "-o", "%F"]).lines().map(str::to_owned).collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [array], "no other job was submitted");
    assert_eq!(folders(&home), 0);
}

#[test]
fn a_suite_makes_room_for_a_job_of_a_higher_priority() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::new();
    // Slurm takes some seconds to have it make room.
    let file = suite(&home, N_MANY);
    let child = begin(command(&home, &cluster, &["suite", &file, "ishmael-4m", "--on", "slurm", "--json"]));
    until_both_run(&cluster);
    cluster.until("some answers", |_| kept(&home).len() >= 3);
    cluster.fill("urgent", 1);
    cluster.until("a task that was put back", |cluster| {
        cluster.tasks().iter().any(|task| task.partition == "cpu" && task.state == "PENDING")
    });
    assert!(kept(&home).len() < N_MANY, "it had to make room too late to matter");
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", cluster.logs());
    assert_each_once(&home, N_MANY);
    let told = "had to make room for a job of a higher priority, and is back in the queue";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    cluster.until("no job of the suite", |cluster| cluster.tasks().iter().all(|task| task.partition != "cpu"));
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
