//! `taffrail pull` against a hub on loopback: fetching, being killed in the middle, and going on.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::fake_hub::{FakeHub, Repo, Wrong};
use crate::support::{Home, Ran, signal, starter, wait_for};

const REPOSITORY: &str = "pequod/whale-GGUF";

/// Some megabytes that no two bytes' places make equal.
fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Pcg64Mcg::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn command(home: &Home, hub: &FakeHub, arguments: &[&str]) -> Command {
    let mut command = home.command(&[&["pull"], arguments].concat());
    command.env("HF_ENDPOINT", &hub.endpoint).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn pull(home: &Home, hub: &FakeHub, arguments: &[&str]) -> Ran {
    command(home, hub, arguments).output().unwrap().into()
}

fn folder(home: &Home) -> PathBuf {
    home.path("hub/models--pequod--whale-GGUF")
}

fn parts(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder(home).join("blobs")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(".incomplete")).collect()
}

fn part_len(home: &Home) -> u64 {
    let is_part = |path: &&PathBuf| path.to_str().unwrap().ends_with(".taffrail.incomplete");
    parts(home).iter().find(is_part).and_then(|path| path.metadata().ok()).map_or(0, |metadata| metadata.len())
}

/// The folder is what `huggingface_hub` makes: a blob named by its hash, a relative link, a ref, nothing unfinished.
fn check_layout(home: &Home, repo: &Repo, path: &str) {
    let file = repo.files.iter().find(|file| file.path == path).unwrap();
    let pointer = folder(home).join("snapshots").join(&repo.commit).join(path);
    let target = std::fs::read_link(&pointer).unwrap();
    assert!(target.is_relative() && target.ends_with(Path::new("blobs").join(&file.etag)), "{}", target.display());
    assert!(std::fs::read(&pointer).unwrap() == *file.content, "{path} has its content");
    assert_eq!(std::fs::read_to_string(folder(home).join("refs/main")).unwrap(), repo.commit);
    assert_eq!(parts(home), [] as [PathBuf; 0]);
}

#[test]
fn a_model_is_fetched_and_found_by_the_library() {
    let one = std::fs::read(starter("ishmael-1m")).unwrap();
    let four = std::fs::read(starter("ishmael-4m")).unwrap();
    let repo = Repo::new(REPOSITORY, &[("README.md", b"x"), ("whale-Q4_0.gguf", &one), ("whale-Q8_0.gguf", &four)]);
    let hub = FakeHub::start(vec![repo.clone()]);
    let home = Home::new();
    let planned = pull(&home, &hub, &[REPOSITORY, "--dry-run"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    assert!(planned.stdout.contains("whale-Q8_0.gguf") && planned.stderr.contains("largest that fits"), "{planned:?}");
    assert!(!home.path("hub").exists(), "a dry run writes nothing");
    let ran = pull(&home, &hub, &[REPOSITORY, "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!(document["schema"], "taffrail/pull/1");
    assert_eq!((&document["quant"], &document["fits"]), (&"Q8_0".into(), &true.into()));
    check_layout(&home, &repo, "whale-Q8_0.gguf");
    let ran = pull(&home, &hub, &[&format!("{REPOSITORY}:q4_0")]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.trim_end().ends_with("whale-Q4_0.gguf") && ran.stderr.contains("verified"), "{ran:?}");
    check_layout(&home, &repo, "whale-Q4_0.gguf");
    // Once more costs nothing but a question.
    let before = hub.seen().len();
    assert_eq!(pull(&home, &hub, &[&format!("{REPOSITORY}/whale-Q4_0.gguf")]).code, Some(0));
    assert!(hub.seen()[before..].iter().all(|seen| seen.method == "HEAD" || seen.path.contains("/tree/")));
    let list = home.run(&["ls", "store:hf", "--json"]);
    assert_eq!(list.json()["models"].as_array().unwrap().len(), 2, "{list:?}");
}

#[test]
fn a_lone_file_that_is_called_a_part_is_fetched_alone() {
    let one = std::fs::read(starter("ishmael-1m")).unwrap();
    let repo = Repo::new(REPOSITORY, &[("whale-00001-of-00013.gguf", &one)]);
    let hub = FakeHub::start(vec![repo.clone()]);
    for target in [REPOSITORY.to_owned(), format!("{REPOSITORY}/whale-00001-of-00013.gguf")] {
        let home = Home::new();
        let ran = pull(&home, &hub, &[&target]);
        assert_eq!(ran.code, Some(0), "{target}: {ran:?}");
        check_layout(&home, &repo, "whale-00001-of-00013.gguf");
        let ran = home.run(&["run", "whale", "-p", "Call me", "-n", "2"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

#[test]
fn what_can_not_be_fetched_has_its_exit_code_and_says_what_to_do() {
    let one = content(1, 1000);
    let open = Repo::new(REPOSITORY, &[("whale-Q4_0.gguf", &one), ("w-Q8_0-00001-of-00002.gguf", &one)]);
    let mut gated = Repo::new("pequod/gated", &[("m.gguf", &one)]);
    (gated.gated, gated.token) = (true, Some("hf_right".to_owned()));
    let hub = FakeHub::start(vec![open, gated]);
    hub.fault("GET", "/api/models/slow/down", 9, Wrong::Status(429, vec![("Retry-After", "120".to_owned())]));
    let home = Home::new();
    for (target, code, texts) in [
        ("pequod/nothing", 3, ["there is no pequod/nothing", "hint"]),
        ("pequod/whale-GGUF:Q5_K_M", 3, ["Q5_K_M", "Q4_0"]),
        ("pequod/whale-GGUF/other.gguf", 3, ["other.gguf", "hint"]),
        ("../etc:x", 3, ["../etc", "OWNER/REPO"]),
        ("whale", 3, ["whale", "OWNER/REPO[:QUANT]"]),
        ("qwen3:8b", 3, ["not a repository of the Hugging Face Hub", "search=qwen3"]),
        ("https://ollama.com/library/qwen3:8b", 3, ["`qwen3:8b`", "OWNER/REPO[:QUANT]"]),
        ("pequod/gated/m.gguf", 4, ["gated", "accept the terms at http://127.0.0.1"]),
        ("slow/down", 1, ["2 min", "token"]),
    ] {
        let ran = pull(&home, &hub, &[target]);
        assert_eq!(ran.code, Some(code), "{target}: {ran:?}");
        for text in texts {
            assert!(ran.stderr.contains(text), "{target}: {}", ran.stderr);
        }
        assert_eq!(ran.stdout, "", "{target}");
    }
    let mut with_token = command(&home, &hub, &["pequod/gated/m.gguf"]);
    let ran: Ran = with_token.env("HF_TOKEN", "hf_right").output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!format!("{ran:?}").contains("hf_right"));
    let ran: Ran = command(&home, &hub, &[REPOSITORY]).env("HF_HUB_OFFLINE", "1").output().unwrap().into();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("HF_HUB_OFFLINE"), "{ran:?}");
}

/// What goes with a model is never the model, and what does not fit is not fetched unasked.
#[test]
fn what_is_no_model_or_does_not_fit_is_not_fetched_unasked() {
    let one = std::fs::read(starter("ishmael-1m")).unwrap();
    let four = std::fs::read(starter("ishmael-4m")).unwrap();
    let mixed = Repo::new(
        "pequod/mixed",
        &[
            ("mtp-whale-Q8_0.gguf", &four),
            ("dflash-whale-Q8_0.gguf", &four),
            ("whale-EAGLE3-Q8_0.gguf", &four),
            ("ggml-vocab-whale.gguf", &four),
            ("mmproj-whale-Q8_0.gguf", &four),
            ("whale-lora-f16.gguf", &four),
            ("whale.imatrix.gguf", &four),
            ("imatrix.dat", &four),
            ("whale-Q4_0.gguf", &one),
        ],
    );
    let aside = Repo::new("pequod/aside", &[("mtp-whale-Q8_0.gguf", &four), ("mmproj-whale-F16.gguf", &one)]);
    let pieces = Repo::new("pequod/pieces", &[("whale.Q8_0.gguf.part1of2", &one), ("whale.Q8_0.gguf.part2of2", &one)]);
    let hub = FakeHub::start(vec![mixed, aside, pieces]);
    let home = Home::new();
    let ran = pull(&home, &hub, &["pequod/mixed", "--dry-run"]);
    assert_eq!((ran.code, ran.stdout.contains("whale-Q4_0.gguf")), (Some(0), true), "{ran:?}");
    for (target, code, texts) in [
        ("pequod/mixed:Q8_0", 3, ["there is no `Q8_0`", "Q4_0"]),
        ("pequod/aside", 3, ["no whole GGUF model", "mtp-whale-Q8_0, 4."]),
        ("pequod/pieces", 3, ["no whole GGUF model", "joined first"]),
    ] {
        let ran = pull(&home, &hub, &[target]);
        assert_eq!(ran.code, Some(code), "{target}: {ran:?}");
        assert!(texts.iter().all(|text| ran.stderr.contains(text)), "{target}: {}", ran.stderr);
    }
    // A file that is named is meant.
    let ran = pull(&home, &hub, &["pequod/aside/mtp-whale-Q8_0.gguf"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut small = command(&home, &hub, &["pequod/mixed"]);
    let ran: Ran = small.env("TAFFRAIL_BUDGET_MEMORY", "1 MB").output().unwrap().into();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(
        ran.stderr.contains("no model of pequod/mixed fits") && ran.stderr.contains("Q4_0 (1.2 MB) needs"),
        "{ran:?}"
    );
    assert!(!home.path("hub/models--pequod--mixed").exists());
    let mut named = command(&home, &hub, &["pequod/mixed:Q4_0"]);
    let ran: Ran = named.env("TAFFRAIL_BUDGET_MEMORY", "1 MB").output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// A pull that has brought something and is not over.
fn halfway(home: &Home, hub: &FakeHub) -> Child {
    let child = command(home, hub, &[&format!("{REPOSITORY}:Q8_0")]).spawn().unwrap();
    wait_for("some of the file", || part_len(home) > 100_000, || format!("{:?}", hub.seen()));
    child
}

fn slow(hub: &FakeHub) {
    hub.fault("GET", "/resolve/", 1, Wrong::Drip(50_000, Duration::from_millis(20)));
}

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let file = content(2, 8_000_000);
    let repo = Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &file)]);
    let hub = FakeHub::start(vec![repo.clone()]);
    let home = Home::new();
    slow(&hub);
    let mut child = halfway(&home, &hub);
    signal(child.id(), "KILL");
    child.wait().unwrap();
    let there = part_len(&home);
    assert!((1..8_000_000).contains(&there));
    let snapshot = folder(&home).join("snapshots").join(&repo.commit);
    assert!(!folder(&home).join("refs").exists() && snapshot.read_dir().unwrap().next().is_none());
    let ran = pull(&home, &hub, &[&format!("{REPOSITORY}:Q8_0")]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    check_layout(&home, &repo, "whale-Q8_0.gguf");
    let last = hub.seen().into_iter().rev().find(|seen| seen.method == "GET").unwrap();
    assert_eq!(last.range, Some(format!("bytes={there}-")), "only the rest was asked for");
}

#[test]
fn an_interrupt_keeps_what_came() {
    let file = content(3, 8_000_000);
    let repo = Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &file)]);
    let hub = FakeHub::start(vec![repo.clone()]);
    let home = Home::new();
    slow(&hub);
    let child = halfway(&home, &hub);
    signal(child.id(), "INT");
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.stderr.contains("the same command resumes it"), "{ran:?}");
    assert!(part_len(&home) > 0);
    assert_eq!(pull(&home, &hub, &[&format!("{REPOSITORY}:Q8_0")]).code, Some(0));
    check_layout(&home, &repo, "whale-Q8_0.gguf");
}

#[test]
fn of_two_pulls_at_once_one_waits_and_both_succeed() {
    let file = content(4, 4_000_000);
    let repo = Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &file)]);
    let hub = FakeHub::start(vec![repo.clone()]);
    let home = Home::new();
    slow(&hub);
    let first = halfway(&home, &hub);
    let second = pull(&home, &hub, &[&format!("{REPOSITORY}:Q8_0")]);
    let first: Ran = first.wait_with_output().unwrap().into();
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first:?} {second:?}");
    assert!(second.stderr.contains("is downloading this file"), "{second:?}");
    let gets = hub.seen().iter().filter(|seen| seen.method == "GET" && seen.path.contains("/resolve/")).count();
    assert_eq!(gets, 1, "the file came once");
    check_layout(&home, &repo, "whale-Q8_0.gguf");
}

/// The cache is on a disk of its own, which is smaller than the file. Needs the right to mount one.
#[test]
fn a_full_disk_keeps_what_came_and_says_so() {
    let home = Home::new();
    let cache = home.path("hub");
    std::fs::create_dir_all(&cache).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=70m", "tmpfs"]).arg(&cache).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        crate::support::skip("no small disk can be mounted here");
        return;
    }
    let _mounted = Mounted(cache.clone());
    let repo = Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &content(5, 8_000_000))]);
    let hub = FakeHub::start(vec![repo.clone()]);
    let target = format!("{REPOSITORY}:Q8_0");
    let ran = pull(&home, &hub, &[&target]);
    assert_eq!(ran.code, Some(4), "there is too little room from the begin: {ran:?}");
    assert!(ran.stderr.contains("8.0 MB are needed"), "{ran:?}");
    // Room enough at first, and then another program takes it.
    let mount = Command::new("mount").args(["-o", "remount,size=90m"]).arg(&cache).status().unwrap();
    assert!(mount.success());
    slow(&hub);
    let child = halfway(&home, &hub);
    let full = std::fs::write(cache.join("other"), vec![1; 100 << 20]);
    assert!(full.is_err(), "the disk is full");
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the disk is full") && ran.stderr.contains("what was downloaded is kept"), "{ran:?}");
    assert!(part_len(&home) > 100_000);
    std::fs::remove_file(cache.join("other")).unwrap();
    let ran = pull(&home, &hub, &[&target]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    check_layout(&home, &repo, "whale-Q8_0.gguf");
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// The hub's own tool, `TAFFRAIL_HF`, fetches the same file at the same time.
#[test]
fn a_real_hf_download_beside_it_does_no_harm() {
    let Some(hf) = std::env::var_os("TAFFRAIL_HF") else {
        crate::support::skip("TAFFRAIL_HF does not name the `hf` program");
        return;
    };
    let repo = Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &content(6, 4_000_000))]);
    let hub = FakeHub::start(vec![repo.clone()]);
    for hf_first in [false, true] {
        let home = Home::new();
        let hf_download = || {
            Command::new(&hf)
                .args(["download", REPOSITORY, "whale-Q8_0.gguf"])
                .envs([("HF_ENDPOINT", &*hub.endpoint), ("HF_HUB_DISABLE_XET", "1")])
                .env("HF_HUB_CACHE", home.path("hub"))
                .env("HOME", home.path(""))
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let lock_is_there = || folder(&home).join("blobs").read_dir().is_ok_and(|mut blobs| blobs.next().is_some());
        slow(&hub);
        let (ours, theirs) = if hf_first {
            let theirs = hf_download();
            wait_for("hf to begin", lock_is_there, String::new);
            (command(&home, &hub, &[&format!("{REPOSITORY}:Q8_0")]).spawn().unwrap(), theirs)
        } else {
            let ours = halfway(&home, &hub);
            (ours, hf_download())
        };
        let ours: Ran = ours.wait_with_output().unwrap().into();
        let theirs: Ran = theirs.wait_with_output().unwrap().into();
        assert_eq!((ours.code, theirs.code), (Some(0), Some(0)), "{ours:?} {theirs:?}");
        check_layout(&home, &repo, "whale-Q8_0.gguf");
        let verified = Command::new(&hf)
            .args(["cache", "verify", REPOSITORY])
            .envs([("HF_ENDPOINT", &*hub.endpoint)])
            .env("HF_HUB_CACHE", home.path("hub"))
            .env("HOME", home.path(""))
            .output()
            .unwrap();
        assert!(verified.status.success(), "{verified:?}");
    }
}
