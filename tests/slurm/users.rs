//! Two users on one node: neither reads nor uses what the other one runs.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use super::*;

/// A user who is not root.
const NOBODY: u32 = 65534;

#[test]
fn another_user_of_the_node_reads_no_token_and_is_served_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let served = Served::start(&cluster);
    let mut dashboard = support::Terminal::open_with(&served.home, 120, 40, &[]);
    dashboard.see("ishmael-1m");
    dashboard.send("\r");
    served.until(&cluster, "a session that is ready", |session| session["state"] == "ready");
    let folder = served.home.path("data/taffrail/slurm");
    let job = std::fs::read_dir(&folder).unwrap().flatten().next().unwrap().path();
    let text = std::fs::read_to_string(job.join("node-0.json")).unwrap();
    let at: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (port, token) = (at["at"]["port"].as_u64().unwrap() as u16, at["at"]["token"].as_str().unwrap().to_owned());
    // Whoever reaches the port and does not know the token gets one proof of the node's, and nothing after his own.
    for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[b"taffrail-node-1\n".as_slice(), &[7; 64]].concat()] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(said).unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert!(heard.len() <= 64, "{heard:?}");
    }
    // No process tells it to others.
    let node = of_worker_nodes();
    assert!(!node.is_empty());
    for pid in &node {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        for text in [line, environment] {
            assert!(!String::from_utf8_lossy(&text).contains(&token));
        }
    }
    assert_eq!(served.sessions(&cluster)[0]["state"], "ready", "it goes on");
    if !rustix_is_root() {
        support::skip("only root can be another user");
        return;
    }
    // All folders above are open, and only those of jobs are not.
    let mut above = folder.parent();
    while let Some(path) = above.filter(|path| path.starts_with(served.home.path(""))) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        above = path.parent();
    }
    let mut reads = vec![vec!["cat".to_owned(), job.join("node-0.json").display().to_string()]];
    reads.push(vec!["ls".to_owned(), folder.display().to_string()]);
    reads.extend(node.iter().map(|pid| vec!["cat".to_owned(), format!("/proc/{pid}/environ")]));
    for words in reads {
        let output = Command::new(&words[0]).args(&words[1..]).uid(NOBODY).gid(NOBODY).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{words:?}: {output:?}");
    }
}

fn rustix_is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

/// The processes that listen for a job.
fn of_worker_nodes() -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_node = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"worker-node")
    };
    pids.filter(is_node).collect()
}
