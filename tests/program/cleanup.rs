//! Cleanup from outside: plans, questions, the trash, death by signal 9, what other tools see.

mod ollama;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::support::{Home, skip, starter, wait_for};
use ollama::ollama;

const MAIN: &str = "1111111111111111111111111111111111111111";
const OLDER: &str = "2222222222222222222222222222222222222222";

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn small() -> Vec<u8> {
    std::fs::read(starter("ishmael-1m")).unwrap()
}

fn large() -> Vec<u8> {
    std::fs::read(starter("ishmael-4m")).unwrap()
}

/// A file of a revision, with its blob.
fn hub(home: &Home, repository: &str, commit: &str, name: &str, bytes: &[u8]) {
    home.write(&format!("hub/models--{repository}/blobs/{}", hex(bytes)), bytes);
    let link = home.path(&format!("hub/models--{repository}/snapshots/{commit}/{name}"));
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(format!("{}blobs/{}", "../".repeat(2 + name.matches('/').count()), hex(bytes)), link).unwrap();
}

/// A cache as a year leaves it: two revisions that share a blob, an orphan, a broken download, a repository of one file.
fn furnished() -> Home {
    let home = Home::new();
    hub(&home, "a--two", OLDER, "two-Q4.gguf", &[small(), b"older".to_vec()].concat());
    hub(&home, "a--two", OLDER, "two-Q8.gguf", &large());
    hub(&home, "a--two", MAIN, "two-Q8.gguf", &large());
    hub(&home, "a--two", MAIN, "two-Q4.gguf", &small());
    hub(&home, "a--two", MAIN, "README.md", b"# two");
    home.write("hub/models--a--two/refs/main", MAIN);
    home.write("hub/models--a--two/blobs/abcdef.incomplete", "part");
    home.write(&format!("hub/models--a--two/blobs/{}", hex(b"orphan")), "orphan");
    hub(&home, "b--one", MAIN, "one.gguf", &large());
    home.write("hub/models--b--one/refs/main", MAIN);
    home.write("hub/version.txt", "1");
    let old = SystemTime::now() - Duration::from_hours(48);
    for entry in std::fs::read_dir(home.path("hub/models--a--two/blobs")).unwrap() {
        std::fs::File::options().write(true).open(entry.unwrap().path()).unwrap().set_modified(old).unwrap();
    }
    home
}

/// All below the hub's cache, links by where they lead.
fn tree(home: &Home) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::new();
    let mut waiting = vec![home.path("hub")];
    while let Some(folder) = waiting.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let what = if path.is_symlink() {
                std::fs::read_link(&path).unwrap().display().to_string()
            } else if path.is_dir() {
                waiting.push(path.clone());
                String::new()
            } else {
                hex(&std::fs::read(&path).unwrap())
            };
            tree.insert(path, what);
        }
    }
    tree
}

#[test]
fn nothing_is_deleted_unasked() {
    let home = furnished();
    let before = tree(&home);
    let ran = home.run(&["rm", "two-Q4"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains("Frees 2.4 MB") && ran.stderr.contains("--yes"), "{ran:?}");
    for arguments in [vec!["rm", "two-Q4", "--dry-run"], vec!["prune", "-n"], vec!["dedupe", "-n"], vec!["usage"]] {
        assert_eq!(home.run(&arguments).code, Some(0), "{arguments:?}");
    }
    assert_eq!(home.run(&["rm", "two-Q4", "no-such-model", "-y"]).code, Some(3));
    assert_eq!(home.run(&["rm", "ishmael-1m", "-y"]).code, Some(4));
    assert_eq!(tree(&home), before);
}

#[test]
fn what_is_done_can_be_taken_back() {
    for arguments in [&["rm", "two-Q4"][..], &["rm", "b/one"], &["prune"], &["dedupe"]] {
        let home = furnished();
        let before = tree(&home);
        let ran = home.run(&[arguments, &["-y", "--json"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let document = ran.json();
        assert_eq!(document["schema"], format!("taffrail/{}/1", arguments[0]));
        assert_eq!((&document["done"], &document["can_undo"]), (&true.into(), &true.into()));
        assert!(document["frees_bytes"].as_u64().unwrap() > 4000, "{document}");
        assert_eq!(tree(&home) == before, arguments[0] == "dedupe");
        let listed = home.run(&["undo", "--list", "--json"]).json();
        assert_eq!(listed["records"].as_array().unwrap().len(), 1);
        let ran = home.run(&["undo"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(tree(&home), before);
        assert_eq!(home.run(&["undo"]).code, Some(3));
    }
}

#[test]
fn what_dedupe_would_free_is_in_the_usage() {
    let home = furnished();
    let folder = home.path(".lmstudio/models/pub/repo");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("one.gguf"), large()).unwrap();
    let ran = home.run(&["usage"]);
    assert!(ran.stdout.contains("likely duplicate") && ran.stdout.contains("compares them first"), "{}", ran.stdout);
    let document = home.run(&["usage", "--json"]).json();
    let tidy = document["reclaimable"].as_array().unwrap().iter();
    let tidy = tidy.filter(|tidy| tidy["kind"].as_str().is_some_and(|kind| kind.ends_with("duplicates")));
    let told: u64 = tidy.map(|tidy| tidy["frees_bytes"].as_u64().unwrap()).sum();
    assert!(told > 0, "{document}");
    assert_eq!(told, home.run(&["dedupe", "-n", "--json"]).json()["frees_bytes"].as_u64().unwrap());
}

#[test]
fn the_trash_is_emptied() {
    let home = furnished();
    home.run(&["rm", "two-Q8", "-y"]);
    assert!(home.path(".taffrail-trash").is_dir());
    let ran = home.run(&["prune", "--trash", "-y"]);
    assert!(ran.stdout.contains("4.0 MB freed"), "{ran:?}");
    assert!(!home.path(".taffrail-trash").exists());
    // At once, by option and by setting.
    home.run(&["rm", "two-Q4", "-y", "--now"]);
    home.run(&["rm", "one", "-y", "--set", "library.trash_days=0"]);
    assert!(!home.path(".taffrail-trash").exists() && !home.path("hub/models--a--two").exists());
    assert_eq!(home.run(&["undo"]).code, Some(3));
}

#[test]
fn a_changed_file_is_found() {
    let home = furnished();
    let ran = home.run(&["verify"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("3 right, 0 wrong"), "{}", ran.stdout);
    let blob = home.path(&format!("hub/models--b--one/blobs/{}", hex(&large())));
    let mut bytes = large();
    bytes[3_000_000] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    let ran = home.run(&["verify", "one"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains(&hex(&bytes)) && ran.stdout.contains("taffrail rm"), "{}", ran.stdout);
    let document = home.run(&["verify", "one", "--json"]).json();
    assert_eq!(document["files"][0]["verdict"], "wrong");
}

/// Writes into a pipe until nothing more goes in, so that the next one who writes waits.
fn fill(pipe: &std::io::PipeWriter) {
    let flags = rustix::fs::fcntl_getfl(pipe).unwrap();
    rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while rustix::io::write(pipe.as_fd(), &vec![b'.'; size]).is_ok() {}
    }
    rustix::fs::fcntl_setfl(pipe, flags).unwrap();
}

#[test]
fn killed_between_two_steps_it_is_taken_back_by_the_next_start() {
    for arguments in [&["rm", "two-Q4"][..], &["rm", "two-Q4", "--now"], &["prune"]] {
        let home = furnished();
        let before = tree(&home);
        // It tells each step when it is done; nobody listens, so it stands still behind the first.
        let (_reader, writer) = std::io::pipe().unwrap();
        fill(&writer);
        let mut command = home.command(&[arguments, &["-y", "-v"]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        // Names only: to open a file would be to use it.
        let list = |path: &Path| std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
        let begun = || list(&home.path(".taffrail-trash")).any(|folder| list(&folder).next().is_some());
        wait_for("the first step", begun, || format!("{:?}", tree(&home)));
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = home.run(&["ls"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains("was interrupted; it was undone"), "{ran:?}");
        assert_eq!(tree(&home), before, "{arguments:?}");
        assert!(!home.path(".taffrail-trash").exists());
        assert_eq!(home.run(&["ls"]).stderr, "");
    }
}

#[test]
fn two_do_not_keep_house_at_once() {
    let home = furnished();
    let lock = home.write("data/taffrail/house/lock", "");
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let ran = home.run(&["rm", "two-Q4", "-y"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("another taffrail"), "{ran:?}");
}

#[test]
fn a_file_that_a_process_holds_stays() {
    let home = furnished();
    let before = tree(&home);
    let file = std::fs::File::open(home.path(&format!("hub/models--a--two/snapshots/{MAIN}/two-Q4.gguf"))).unwrap();
    let mut child = Command::new("sleep").arg("600").stdin(file).spawn().unwrap();
    let ran = home.run(&["rm", "two-Q4", "-y"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains(&format!("it is used by sleep, pid {}", child.id())), "{ran:?}");
    assert_eq!(tree(&home), before);
}

#[test]
fn a_store_that_is_read_only_is_told_to_be() {
    let home = furnished();
    // A mount needs rights that few have; without them there is nothing to test.
    let hub = home.path("hub");
    let bind = |arguments: &[&str]| {
        let status = Command::new("mount").args(arguments).arg(&hub).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !bind(&["--bind", hub.to_str().unwrap()]) {
        return skip("only root may mount");
    }
    let is_read_only = bind(&["-o", "remount,ro,bind"]);
    let ran = ["rm", "prune", "dedupe"].map(|command| {
        let model = if command == "rm" { &["two-Q4"][..] } else { &[] };
        home.run(&[&[command, "-y"], model].concat())
    });
    let verified = home.run(&["verify"]);
    let status = Command::new("umount").arg(&hub).status().unwrap();
    assert!(status.success() && is_read_only);
    for ran in ran {
        assert!(ran.stdout.contains("its file system is read only"), "{ran:?}");
        assert!(!ran.stdout.contains("Done"), "{ran:?}");
    }
    assert_eq!(verified.code, Some(0));
}

#[test]
fn what_is_gone_is_told_and_what_is_litter_stops_nothing() {
    let home = Home::new();
    let root = ollama(&home);
    home.write("config/taffrail/config.toml", format!("[library]\nollama = {root:?}\n"));
    hub(&home, "a--one", MAIN, "one-Q8.gguf", &small());
    std::fs::remove_file(home.path(&format!("hub/models--a--one/blobs/{}", hex(&small())))).unwrap();
    let ran = home.run(&["verify"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("missing") && ran.stdout.contains("one-Q8.gguf"), "{ran:?}");
    let ran = home.run(&["verify", "one-Q8", "ollama:second", "no-such-model", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let document = ran.json();
    let verdicts = document["files"].as_array().unwrap().iter().map(|file| file["verdict"].as_str().unwrap());
    let verdicts: Vec<_> = verdicts.collect();
    assert!(verdicts[0] == "missing" && verdicts[1..].iter().all(|verdict| *verdict == "right"), "{verdicts:?}");
    assert!(ran.stderr.contains("no-such-model"), "{ran:?}");
    assert_eq!(home.run(&["verify", "no-such-model"]).code, Some(3));
    // An empty manifest, notes and a backup stand in nobody's way.
    let library = "ollama/manifests/registry.ollama.ai/library";
    for (name, text) in [("third/latest", ""), ("second/latest.meta", "{}"), ("second/latest~", "{")] {
        home.write(&format!("{library}/{name}"), text);
    }
    let mut command = home.command(&["rm", "ollama:second", "-y"]);
    let ran = crate::support::Ran::from(command.env("OLLAMA_HOST", "127.0.0.1:1").output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("third/latest is empty, and stays"), "{ran:?}");
    assert!(!root.join("blobs").join(format!("sha256-{}", hex(&large()))).exists());
    for arguments in [&["usage"][..], &["prune", "-n"], &["dedupe", "-n"], &["ls"]] {
        assert_eq!(home.run(arguments).code, Some(0), "{arguments:?}");
    }
}

#[test]
fn one_wrong_folder_leaves_the_others() {
    let home = Home::new();
    home.write("mine/right.gguf", small());
    home.write("file", "x");
    let right = home.path("mine");
    let text = format!(
        "[library]\nuse_starter = false\nfolders = [\n  \"models\",\n  {right:?},\n  {right:?},\n  {:?},\n  \"/nowhere/m\",\n  7,\n]\n",
        home.path("file")
    );
    home.write("config/taffrail/config.toml", text);
    let ran = home.run(&["ls", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["models"].as_array().unwrap().len(), 1, "{ran:?}");
    for place in
        ["config.toml:4:3: an entry of `folders`", "config.toml:9:3: an entry of `folders`", "/file: ", "/nowhere/m: "]
    {
        assert!(ran.stderr.contains(place), "{place}: {}", ran.stderr);
    }
}

/// Scans the cache with the hub's own code and verifies each repository against a hub that has the files as given.
const CHECK: &str = r#"
import http.server, json, os, subprocess, sys, threading
cache, trees = sys.argv[1], json.load(open(sys.argv[2]))
class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        repo = "/".join(self.path.split("/")[3:5])
        body = json.dumps(trees[repo]).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
from huggingface_hub import scan_cache_dir
info = scan_cache_dir(cache)
assert not info.warnings, info.warnings
environment = dict(os.environ, HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HUB_DISABLE_TELEMETRY="1")
for repo in info.repos:
    command = [os.path.join(os.path.dirname(sys.executable), "hf"), "cache", "verify", repo.repo_id, "--cache-dir", cache]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout, done.stderr)
print(len(info.repos), sum(len(repo.revisions) for repo in info.repos), info.size_on_disk)
"#;

#[test]
fn the_hubs_own_tools_find_nothing_wrong() {
    let Some(python) = std::env::var_os("TAFFRAIL_HF_PYTHON") else {
        return skip("TAFFRAIL_HF_PYTHON names no python with huggingface_hub");
    };
    let home = furnished();
    let file = |name: &str, bytes: &[u8]| {
        serde_json::json!({ "type": "file", "path": name, "size": bytes.len(), "oid": MAIN,
            "lfs": { "oid": hex(bytes), "size": bytes.len(), "pointerSize": 130 } })
    };
    let trees = serde_json::json!({
        "a/two": [file("two-Q8.gguf", &large()), file("two-Q4.gguf", &small()), file("README.md", b"# two")],
        "b/one": [file("one.gguf", &large())],
    });
    let trees = home.write("trees.json", trees.to_string());
    std::fs::remove_file(home.path("hub/version.txt")).unwrap();
    let check = |when: &str| {
        let mut command = Command::new(&python);
        command.args(["-c", CHECK]).arg(home.path("hub")).arg(&trees).env("HOME", home.path("home"));
        let ran = crate::support::Ran::from(command.output().unwrap());
        assert_eq!(ran.code, Some(0), "{when}: {}", ran.stderr);
        ran.stdout.trim().to_owned()
    };
    let before = check("before");
    assert!(before.starts_with("2 3 "), "{before}");
    for (arguments, n_repositories) in [
        (&["rm", "two-Q4"][..], 2),
        (&["rm", "two-Q8"], 2),
        (&["rm", "b/one"], 1),
        (&["rm", "two-Q4", "two-Q8"], 1),
        (&["prune"], 2),
        (&["dedupe"], 2),
    ] {
        let ran = home.run(&[arguments, &["-y"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        let after = check(&arguments.join(" "));
        assert!(after.starts_with(&n_repositories.to_string()), "{arguments:?}: {after}");
        assert_eq!(home.run(&["undo"]).code, Some(0));
        assert_eq!(check(&format!("the undo of {}", arguments.join(" "))), before);
    }
}
